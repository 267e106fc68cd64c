"""The Modbus link against a server that says what a test tells it to say."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port
from scripted_device import Script, mbap, on_tcp

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.overtaking import Withdrawn
from drivers.links.endpoint import TcpEndpoint
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from sims.loop import VirtualLoop, run_virtual
from sims.transport import Address

PORT = free_port()
TWO = Block(100, struct.Struct(">2H"))
OTHER = Block(200, struct.Struct(">f"))
SWEEP = Priority.SWEEP


def zeroes(request: bytes) -> bytes:
    count = request[11]
    return mbap(request, bytes((request[7], 2 * count)) + bytes(2 * count))


@contextlib.asynccontextmanager
async def served(script: Script, *, unit: int = 1) -> AsyncIterator[ModbusLink]:
    link = ModbusLink("dev-1", TcpEndpoint(host="127.0.0.1", port=PORT), unit=unit)
    async with on_tcp(script, PORT):
        try:
            yield link
        finally:
            link.close()


def test_a_block_is_what_its_struct_makes_of_the_bytes() -> None:
    async def main() -> None:
        async with served(lambda request: mbap(request, b"\x03\x04" + struct.pack(">f", 80.0))) as link:
            assert await link.read(OTHER, SWEEP) == (80.0,)

    run_virtual(main())
    run_virtual(main(), loopback=True)


@given(values=st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125))
def test_what_a_device_encodes_the_link_decodes(values: list[int]) -> None:
    layout = struct.Struct(f">{len(values)}H")

    async def main() -> None:
        async with served(lambda request: mbap(request, bytes((3, layout.size)) + layout.pack(*values))) as link:
            assert list(await link.read(Block(7, layout), SWEEP)) == values

    run_virtual(main())


def test_requests_are_the_bytes_of_the_specification() -> None:
    """MODBUS Application Protocol Specification V1.1b3, section 6."""

    async def main() -> None:
        seen = []

        def script(request: bytes) -> bytes:
            seen.append(request[2:].hex(" "))
            replies = {2: b"\x02\x03\xac\xdb\x35", 4: b"\x04\x02\x00\x0a"}
            return mbap(request, replies.get(request[7], request[7:12]))

        async with served(script) as link:
            await link.write_register(0x01F4, 0x6147, SWEEP)
            await link.write_coil(0x0192, True, SWEEP)
            await link.write_coil(0x0192, False, SWEEP)
            assert (await link.read_bits(0xC4, 22, SWEEP, table="discrete"))[:9] == (
                False, False, True, True, False, True, False, True, True,
            )  # fmt: skip
            assert await link.read(Block(8, struct.Struct(">H"), table="input"), SWEEP) == (10,)
            await link.write_registers(1, (0x000A, 0x0102), SWEEP)
            await link.write_coils(19, [on == "1" for on in "1011001110"], SWEEP)
        assert seen == [
            "00 00 00 06 01 06 01 f4 61 47",
            "00 00 00 06 01 05 01 92 ff 00",
            "00 00 00 06 01 05 01 92 00 00",
            "00 00 00 06 01 02 00 c4 00 16",
            "00 00 00 06 01 04 00 08 00 01",
            "00 00 00 0b 01 10 00 01 00 02 04 00 0a 01 02",
            "00 00 00 09 01 0f 00 13 00 0a 02 cd 01",
        ]

    run_virtual(main())


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (lambda request: mbap(request, b"\x03\x04\0\0\0\0", unit=9), "unit 9 answered, asked was unit"),
        (lambda request: mbap(request, b"\x03\x02\0\0"), "02 00 00 came, not 4 bytes"),
        (lambda request: mbap(request, b"\x03\x04\0\0"), "04 00 00 came, not 4 bytes"),
        (lambda request: mbap(request, b"\x03\x08" + bytes(8)), "not 4 bytes"),
        (lambda request: mbap(request, b"\x04\x04\0\0\0\0"), "the read of registers 100+2: it was answered with 04 04"),
        (lambda request: mbap(request, b"\x86\x02"), "with 86 02"),
        (lambda request: mbap(request, b"\x83\x77"), "code 0x77: unknown"),
        (lambda request: mbap(request, b"\x83"), "with 83"),
        (lambda request: mbap(request, b"\x83\x02"), "code 0x02: address unknown"),
        (lambda request: mbap(request, b"\x03\x04\0\0\0\0", protocol=7), "not Modbus TCP"),
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "not Modbus TCP"),
    ],
)
@pytest.mark.parametrize("unit", [0, 1])
def test_nonsense_is_a_protocol_error_that_says_what_came(reply: Script, says: str, unit: int) -> None:
    async def main() -> None:
        async with served(reply, unit=unit) as link:
            with pytest.raises(ProtocolError) as caught:
                await link.read(TWO, SWEEP)
            assert says in str(caught.value)
            assert str(caught.value).startswith("dev-1: ")

    run_virtual(main())


@pytest.mark.parametrize(
    ("body", "on"),
    [(b"\x01\x01", True), (b"\x01\x00", False), (b"\x02\xff\x00", True), (b"\x02\x00\x00", False)],
)
def test_a_single_coil_may_come_as_a_bit_or_as_in_a_write(body: bytes, on: bool) -> None:
    async def main() -> None:
        async with served(lambda request: mbap(request, b"\x01" + body)) as link:
            assert await link.read_bits(402, 1, SWEEP) == (on,)

    run_virtual(main())


@pytest.mark.parametrize("body", [b"\x02\x00\x01", b"\x02\x00", b"\x01", b"\x00", b""])
def test_bits_that_are_too_many_or_too_few_are_nonsense(body: bytes) -> None:
    async def main() -> None:
        async with served(lambda request: mbap(request, b"\x01" + body)) as link:
            with pytest.raises(ProtocolError, match=r"the read of coils 402\+1: .* came, not 1 bytes"):
                await link.read_bits(402, 1, SWEEP)

    run_virtual(main())


@given(bits=st.lists(st.booleans(), min_size=1, max_size=2000))
def test_bits_come_lowest_first(bits: list[bool]) -> None:
    async def main() -> None:
        packed = sum(on << at for at, on in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")
        async with served(lambda request: mbap(request, bytes((1, len(packed) & 0xFF)) + packed)) as link:
            assert list(await link.read_bits(0, len(bits), SWEEP)) == bits

    run_virtual(main())


def test_a_gateway_whose_device_does_not_respond_is_a_link_error_and_stays_connected() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network
        async with served(lambda request: mbap(request, b"\x83\x0b")) as link:
            for _ in range(2):
                with pytest.raises(LinkError, match="code 0x0B: gateway target does not respond"):
                    await link.read(TWO, SWEEP)
            assert sum(network.connections.values()) == 1

    run_virtual(main())


def test_a_refusal_is_a_fault_of_the_device() -> None:
    async def main() -> None:
        async with served(lambda request: mbap(request, b"\x86\x03")) as link:
            with pytest.raises(DeviceFault, match="refused the write of 0x0005 to register 7 with code 0x03: value"):
                await link.write_register(7, 5, SWEEP)

    run_virtual(main())


def test_an_echo_that_differs_is_nonsense() -> None:
    async def main() -> None:
        async with served(lambda request: mbap(request, b"\x06\x00\x07\x00\x06")) as link:
            with pytest.raises(ProtocolError, match="the write of 0x0005 to register 7: its echo was 00 07 00 06"):
                await link.write_register(7, 5, SWEEP)

    run_virtual(main())


def test_silence_ends_at_the_time_limit_and_costs_the_connection() -> None:
    async def main() -> None:
        loop, requests = asyncio.get_running_loop(), []

        def script(request: bytes) -> bytes | None:
            requests.append(request)
            return None if len(requests) == 1 else zeroes(request)

        async with served(script) as link:
            began_s = loop.time()
            with pytest.raises(LinkError, match=r"no answer to the read of registers 100\+2 .* within 0.5 s"):
                await link.read(TWO, SWEEP)
            assert loop.time() - began_s == pytest.approx(0.5, abs=0.01)
            assert await link.read(TWO, SWEEP) == (0, 0)
            assert len(requests) == 2  # nothing was sent twice
            assert sum(loop.network.connections.values()) == 2

    run_virtual(main())


def test_a_connection_that_closes_is_noticed_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with served(lambda _: b"") as link:
            began_s = loop.time()
            with pytest.raises(LinkError, match="gave up during"):
                await link.read(TWO, SWEEP)
            assert loop.time() - began_s < 0.01

    run_virtual(main())


def test_nobody_there_is_a_link_error() -> None:
    async def main() -> None:
        link = ModbusLink("dev-1", TcpEndpoint(host="127.0.0.1", port=PORT), unit=1)
        with pytest.raises(LinkError, match=rf"no connection to 127.0.0.1:{PORT}"):
            await link.read(TWO, SWEEP)

    run_virtual(main())
    run_virtual(main(), loopback=True)


def test_a_cancelled_read_stays_cancelled_and_its_late_reply_answers_nobody() -> None:
    async def main() -> None:
        def script(request: bytes) -> list[tuple[float, bytes]]:
            if request[9] == TWO.address:
                return [(0.1, mbap(request, b"\x03\x04\xff\xff\xff\xff"))]
            return [(0.2, mbap(request, b"\x03\x04" + struct.pack(">f", 1.5)))]

        async with served(script) as link:
            reading = asyncio.create_task(link.read(TWO, SWEEP))
            await asyncio.sleep(0.05)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert await link.read(OTHER, SWEEP) == (1.5,)
            assert sum(asyncio.get_running_loop().network.connections.values()) == 1

    run_virtual(main())


def test_a_late_reply_and_the_one_that_is_due_may_come_in_one_piece() -> None:
    async def main() -> None:
        held = []
        block = Block(0, struct.Struct(">120H"))

        def script(request: bytes) -> bytes | None:
            held.append(zeroes(request))
            return b"".join(held) if len(held) == 3 else None

        async with served(script) as link:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await link.read(block, SWEEP)
            assert await link.read(block, SWEEP) == (0,) * 120

    run_virtual(main())


def test_a_reply_may_come_byte_by_byte() -> None:
    async def main() -> None:
        def script(request: bytes) -> list[tuple[float, bytes]]:
            reply = mbap(request, b"\x03\x04\x00\x01\x00\x02")
            return [(at * 0.001, reply[at : at + 1]) for at in range(len(reply))]

        async with served(script) as link:
            assert await link.read(TWO, SWEEP) == (1, 2)

    run_virtual(main())


def test_a_write_that_is_no_longer_wanted_when_its_turn_comes_is_not_sent() -> None:
    async def main() -> None:
        requests, wanted = [], True

        def script(request: bytes) -> list[tuple[float, bytes]]:
            requests.append(request[7])
            return [(0.1, zeroes(request) if request[7] == 3 else mbap(request, request[7:]))]

        async with served(script) as link:
            sweep = asyncio.create_task(link.read(TWO, SWEEP))
            write = asyncio.create_task(link.write_coil(5, True, Priority.ORDER, unless=lambda: not wanted))
            await asyncio.sleep(0.05)
            off = asyncio.create_task(link.write_coil(5, False, Priority.OFF))
            wanted = False
            with pytest.raises(Withdrawn):
                await write
            await asyncio.gather(sweep, off)
            assert requests == [3, 5]

    run_virtual(main())


@given(chunks=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), honest=st.booleans())
def test_whatever_comes_back_it_is_a_device_error_or_a_value(chunks: list[bytes], honest: bool) -> None:
    async def main() -> None:
        def script(request: bytes) -> list[tuple[float, bytes]]:
            head = request[:4] if honest else b""
            return [(0.01 * at, head + chunk) for at, chunk in enumerate(chunks)]

        async with served(script) as link:
            for _ in range(2):
                with contextlib.suppress(DeviceError):
                    assert len(await link.read(TWO, SWEEP)) == 2

    run_virtual(main())


def test_a_write_that_a_pulled_cable_held_back_never_arrives() -> None:
    seen: list[bytes] = []

    def echo(request: bytes) -> bytes:
        seen.append(request[7:])
        return mbap(request, request[7:])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert loop.network is not None
        address = Address("127.0.0.1", PORT)
        async with served(echo) as link:
            await link.write_coil(405, False, SWEEP)
            loop.network.unplug(address)
            with pytest.raises(LinkError):
                await link.write_coil(405, True, SWEEP)
            loop.network.plug(address)
            await asyncio.sleep(60.0)
            await link.write_coil(405, False, SWEEP)
        assert [request[3:] for request in seen] == [b"\x00\x00", b"\x00\x00"]

    run_virtual(main())
