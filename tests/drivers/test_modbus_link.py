"""The Modbus link against a server that says what a test tells it to say."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from drivers.links.modbus import Block, ModbusLink, Withdrawn
from drivers.links.queue import Priority
from sims.loop import VirtualLoop, run_virtual
from sims.transport import Address

PORT = free_port()
TWO = Block(100, struct.Struct(">2H"))
OTHER = Block(200, struct.Struct(">f"))
SWEEP = Priority.SWEEP

Script = Callable[[bytes], bytes | list[tuple[float, bytes]] | None]


def frame(request: bytes, pdu: bytes, *, unit: int | None = None, protocol: int = 0) -> bytes:
    """The reply to a request, well-formed unless told otherwise."""
    return request[:2] + struct.pack(">HHB", protocol, len(pdu) + 1, request[6] if unit is None else unit) + pdu


def zeroes(request: bytes) -> bytes:
    count = request[11]
    return frame(request, bytes((3, 2 * count)) + bytes(2 * count))


class Scripted(asyncio.Protocol):
    """Answers each request by its script: bytes, delayed pieces, None for silence, b"" to hang up."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        reply = self.script(data)
        if reply == b"":
            self.transport.abort()
        elif isinstance(reply, bytes):
            self.transport.write(reply)
        elif reply is not None:
            loop = asyncio.get_running_loop()
            for delay_s, piece in reply:
                loop.call_later(delay_s, self.transport.write, piece)


@contextlib.asynccontextmanager
async def served(script: Script, *, unit: int = 1) -> AsyncIterator[ModbusLink]:
    server = await asyncio.get_running_loop().create_server(lambda: Scripted(script), "127.0.0.1", PORT)
    link = ModbusLink("dev-1", "127.0.0.1", PORT, unit=unit)
    try:
        yield link
    finally:
        link.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(1.0)


def test_a_block_is_what_its_struct_makes_of_the_bytes() -> None:
    async def main() -> None:
        async with served(lambda request: frame(request, b"\x03\x04" + struct.pack(">f", 80.0))) as link:
            assert await link.read(OTHER, SWEEP) == (80.0,)

    run_virtual(main())
    run_virtual(main(), loopback=True)


@given(values=st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125))
def test_what_a_device_encodes_the_link_decodes(values: list[int]) -> None:
    layout = struct.Struct(f">{len(values)}H")

    async def main() -> None:
        async with served(lambda request: frame(request, bytes((3, layout.size)) + layout.pack(*values))) as link:
            assert list(await link.read(Block(7, layout), SWEEP)) == values

    run_virtual(main())


def test_requests_are_the_bytes_of_the_specification() -> None:
    async def main() -> None:
        seen = []

        def script(request: bytes) -> bytes:
            seen.append(request[2:].hex(" "))
            return frame(request, b"\x01\x01\x01" if request[7] == 1 else request[7:])

        async with served(script) as link:
            await link.write_register(0x01F4, 0x6147, SWEEP)
            await link.write_coil(0x0192, True, SWEEP)
            await link.write_coil(0x0192, False, SWEEP)
            assert await link.read_coil(0x0192, SWEEP) is True
        assert seen == [
            "00 00 00 06 01 06 01 f4 61 47",
            "00 00 00 06 01 05 01 92 ff 00",
            "00 00 00 06 01 05 01 92 00 00",
            "00 00 00 06 01 01 01 92 00 01",
        ]

    run_virtual(main())


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (lambda request: frame(request, b"\x03\x04\0\0\0\0", unit=9), "unit 9 answered, asked was unit"),
        (lambda request: frame(request, b"\x03\x02\0\0"), "came as 02 00 00, not 4 bytes"),
        (lambda request: frame(request, b"\x03\x04\0\0"), "came as 04 00 00, not 4 bytes"),
        (lambda request: frame(request, b"\x03\x08" + bytes(8)), "not 4 bytes"),
        (lambda request: frame(request, b"\x04\x04\0\0\0\0"), "answered the read of registers 100+2 with 04 04"),
        (lambda request: frame(request, b"\x86\x02"), "with 86 02"),
        (lambda request: frame(request, b"\x83\x77"), "code 0x77: unknown"),
        (lambda request: frame(request, b"\x83"), "with 83"),
        (lambda request: frame(request, b"\x83\x02"), "code 0x02: address unknown"),
        (lambda request: frame(request, b"\x03\x04\0\0\0\0", protocol=7), "not Modbus TCP"),
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


def test_a_refusal_is_a_fault_of_the_device() -> None:
    async def main() -> None:
        async with served(lambda request: frame(request, b"\x86\x03")) as link:
            with pytest.raises(DeviceFault, match="refused the write of 0x0005 to register 7 with code 0x03: value"):
                await link.write_register(7, 5, SWEEP)

    run_virtual(main())


def test_an_echo_that_differs_is_nonsense() -> None:
    async def main() -> None:
        async with served(lambda request: frame(request, b"\x06\x00\x07\x00\x06")) as link:
            with pytest.raises(ProtocolError, match="wrote 0x0005 to 7, the echo was 00 07 00 06"):
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
        link = ModbusLink("dev-1", "127.0.0.1", PORT, unit=1)
        with pytest.raises(LinkError, match=rf"no connection to 127.0.0.1:{PORT}: refused or unreachable"):
            await link.read(TWO, SWEEP)

    run_virtual(main())
    run_virtual(main(), loopback=True)


def test_a_cancelled_read_stays_cancelled_and_its_late_reply_answers_nobody() -> None:
    async def main() -> None:
        def script(request: bytes) -> list[tuple[float, bytes]]:
            if request[9] == TWO.address:
                return [(0.1, frame(request, b"\x03\x04\xff\xff\xff\xff"))]
            return [(0.2, frame(request, b"\x03\x04" + struct.pack(">f", 1.5)))]

        async with served(script) as link:
            reading = asyncio.create_task(link.read(TWO, SWEEP))
            await asyncio.sleep(0.05)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert await link.read(OTHER, SWEEP) == (1.5,)

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
            reply = frame(request, b"\x03\x04\x00\x01\x00\x02")
            return [(at * 0.001, reply[at : at + 1]) for at in range(len(reply))]

        async with served(script) as link:
            assert await link.read(TWO, SWEEP) == (1, 2)

    run_virtual(main())


def test_a_write_that_is_no_longer_wanted_when_its_turn_comes_is_not_sent() -> None:
    async def main() -> None:
        requests, wanted = [], True

        def script(request: bytes) -> list[tuple[float, bytes]]:
            requests.append(request[7])
            return [(0.1, zeroes(request) if request[7] == 3 else frame(request, request[7:]))]

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
        return frame(request, request[7:])

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
