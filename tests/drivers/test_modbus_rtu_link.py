"""The Modbus link in RTU, over TCP and on a serial line: replies without a number, with a check sum."""

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port
from scripted_device import Script, on_serial_line, on_tcp, rtu

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import Resource
from drivers.links.access import ARRIVAL_S
from drivers.links.modbus import Block, ModbusLink
from drivers.links.modbus_frames import rtu_reply_bytes
from drivers.links.queue import Priority
from sims.loop import run_virtual

PORT = free_port()
SWEEP = Priority.SWEEP
ACTUAL = Block(507, struct.Struct(">3H"))
TWO = Block(100, struct.Struct(">2H"))
OTHER = Block(200, struct.Struct(">2H"))


@contextlib.asynccontextmanager
async def served(script: Script, *, unit: int = 1, **more: float) -> AsyncIterator[ModbusLink]:
    link = ModbusLink.to("dev-1", Resource.parse(f"modbus-rtu-tcp://127.0.0.1:{PORT}?unit={unit}"), **more)
    async with on_tcp(script, PORT):
        try:
            yield link
        finally:
            link.close()


def counting(request: bytes) -> bytes:
    """Each register holds its own address."""
    address, count = struct.unpack(">HH", request[2:6])
    return rtu(request[0], bytes((3, 2 * count)) + struct.pack(f">{count}H", *range(address, address + count)))


def test_frames_are_those_that_the_maker_of_a_supply_gives_as_known_good() -> None:
    async def main() -> None:
        requests = []

        def script(request: bytes) -> bytes:
            requests.append(request.hex(" ").upper())
            return bytes.fromhex("01 03 06 26 20 0C 9B 09 1B 93 50") if request[1] == 3 else request

        async with served(script) as link:
            assert await link.read(ACTUAL, SWEEP) == (0x2620, 0x0C9B, 0x091B)
            await link.write_register(501, 0x6666, SWEEP)
            await link.write_coil(402, True, SWEEP)
        assert requests == ["01 03 01 FB 00 03 75 C6", "01 06 01 F5 66 66 33 8E", "01 05 01 92 FF 00 2C 2B"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (rtu(2, b"\x03\x04\0\0\0\0"), ProtocolError, "unit 2 answered, asked was unit 1"),
        (rtu(1, b"\x04\x04\0\0\0\0"), ProtocolError, r"the read of registers 100\+2: it was answered with 04 04"),
        (rtu(1, b"\x03\x02\0\0"), ProtocolError, "02 00 00 came, not 4 bytes"),
        (rtu(1, b"\x83\x02"), ProtocolError, "code 0x02: address unknown"),
        (rtu(1, b"\x83\x06"), DeviceFault, "code 0x06: device busy"),
        (rtu(1, b"\x03\x04\0\0\0\0")[:-1] + b"!", LinkError, "damaged on its way: 01 03 04 .* no valid check sum"),
        (b"+43.50V\r\n", LinkError, "no valid check sum"),
        (b"\x01\x03", LinkError, "no answer to the read"),
    ],
)
def test_an_answer_that_is_none_says_what_came(reply: bytes, error: type[DeviceError], says: str) -> None:
    async def main() -> None:
        async with served(lambda _: reply) as link:
            with pytest.raises(error, match=f"^dev-1: .*{says}"):
                await link.read(TWO, SWEEP)

    run_virtual(main())


def test_a_reply_that_comes_late_is_not_taken_for_the_next_one() -> None:
    async def main() -> None:
        delays = iter([0.8, 0.0])

        async with served(lambda request: [(next(delays), counting(request))]) as link:
            with pytest.raises(LinkError):
                await link.read(TWO, SWEEP)
            assert await link.read(OTHER, SWEEP) == (200, 201)

    run_virtual(main())


def test_a_reply_to_a_cancelled_read_is_not_taken_for_the_next_one() -> None:
    async def main() -> None:
        delays = iter([0.3, 0.4])  # without a pause the first would come first

        async with served(lambda request: [(next(delays), counting(request))]) as link:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await link.read(TWO, SWEEP)
            assert await link.read(OTHER, SWEEP) == (200, 201)

    run_virtual(main())


def test_after_silence_the_line_is_left_in_peace_for_as_long_as_an_answer_may_take() -> None:
    async def main() -> None:
        clock, heard_s = asyncio.get_running_loop().time, []

        def script(request: bytes) -> bytes | None:
            heard_s.append(clock())
            return counting(request) if len(heard_s) == 2 else None

        async with served(script, timeout_s=0.3) as link:
            with pytest.raises(LinkError):
                await link.read(TWO, SWEEP)
            await link.read(TWO, SWEEP)
        assert heard_s[1] - heard_s[0] == pytest.approx(0.3 + 0.3 + ARRIVAL_S, abs=0.01)

    run_virtual(main())


def test_what_lies_on_the_line_before_a_request_is_thrown_away() -> None:
    async def main() -> None:
        def script(request: bytes) -> list[tuple[float, bytes]]:
            return [(0.0, counting(request)), (0.01, counting(request))]  # a duplicate

        async with served(script) as link:
            assert await link.read(TWO, SWEEP) == (100, 101)
            await asyncio.sleep(0.1)
            assert await link.read(OTHER, SWEEP) == (200, 201)

    run_virtual(main())


def test_between_two_requests_lies_the_silence_that_the_device_needs() -> None:
    async def main() -> None:
        clock, heard_s = asyncio.get_running_loop().time, []

        def script(request: bytes) -> bytes:
            heard_s.append(clock())
            return counting(request)

        async with served(script, gap_s=0.030) as link:
            await asyncio.gather(*(link.read(TWO, SWEEP) for _ in range(3)))
        assert all(later - earlier >= 0.030 for earlier, later in itertools.pairwise(heard_s))

    run_virtual(main())


def test_on_a_serial_line_it_speaks_as_over_tcp(tmp_path: Path) -> None:
    async def main() -> None:
        link = ModbusLink.to("dev-1", Resource.parse(f"modbus-rtu://{tmp_path}/tty?unit=1&baud=115200&parity=E"))
        async with on_serial_line(counting, tmp_path / "tty"):
            for _ in range(20):
                assert await link.read(TWO, SWEEP) == (100, 101)
            link.close()

    run_virtual(main())


def test_on_a_serial_line_a_late_reply_is_drained_and_the_port_stays_open(tmp_path: Path) -> None:
    async def main() -> None:
        delays = iter([0.8, 0.0])
        link = ModbusLink.to("dev-1", Resource.parse(f"modbus-rtu://{tmp_path}/tty"))
        async with on_serial_line(lambda request: [(next(delays), counting(request))], tmp_path / "tty"):
            with pytest.raises(LinkError):
                await link.read(TWO, SWEEP)
            (tmp_path / "tty").unlink()  # it could not be opened again
            assert await link.read(OTHER, SWEEP) == (200, 201)
            link.close()

    run_virtual(main())


@given(chunks=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), honest=st.booleans())
def test_whatever_comes_back_it_is_a_device_error_or_a_value(chunks: list[bytes], honest: bool) -> None:
    async def main() -> None:
        def script(_: bytes) -> list[tuple[float, bytes]]:
            return [(0.01 * at, rtu(1, b"\x03" + chunk) if honest else chunk) for at, chunk in enumerate(chunks)]

        async with served(script) as link:
            for _ in range(2):
                with contextlib.suppress(DeviceError):
                    assert len(await link.read(TWO, SWEEP)) == 2

    run_virtual(main())


@given(count=st.integers(1, 125), more=st.binary(max_size=4))
def test_how_long_a_reply_is_can_be_told_from_its_first_three_bytes(count: int, more: bytes) -> None:
    reply = rtu(1, bytes((3, 2 * count)) + bytes(2 * count))
    assert rtu_reply_bytes(reply + more) == len(reply)
    assert rtu_reply_bytes(reply[:2]) is None
