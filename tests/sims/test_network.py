"""The in-memory network behaves as sockets do, and lets tests look, cut and tamper."""

import asyncio
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient

from sims.loop import VirtualLoop, run_virtual
from sims.network import CONNECT_TIMEOUT_S, MemoryNetwork
from sims.transport import Address, Direction

HERE = Address("10.0.0.7", 502)


def loop() -> VirtualLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running


def network() -> MemoryNetwork:
    found = loop().network
    assert found is not None
    return found


class Witness(asyncio.Protocol):
    """Remembers all that its transport tells it."""

    def __init__(self, *, keep_half_open: bool = False) -> None:
        self.told: list[Any] = []
        self.received = b""
        self.transport: asyncio.Transport
        self._keep_half_open = keep_half_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self._keep_half_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(type(exc).__name__ if exc else "lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


async def connected(**options: Any) -> tuple[Witness, Witness]:
    """Client and server of one connection."""
    served: list[Witness] = []

    def factory() -> Witness:
        served.append(Witness(**options))
        return served[-1]

    await loop().create_server(factory, *HERE)
    _, client = await loop().create_connection(lambda: Witness(**options), *HERE)
    assert isinstance(client, Witness)
    return client, served[0]


async def a_moment() -> None:
    await asyncio.sleep(0.01)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_bytes_arrive_in_order_after_their_latency() -> None:
    async def test() -> None:
        client, server = await connected()
        for number in range(100):
            client.transport.write(b"%03d" % number)
        assert server.received == b""
        await a_moment()
        assert server.received == b"".join(b"%03d" % number for number in range(100))

    run(test)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=50)), max_size=30), st.integers(0, 99))
def test_whatever_is_written_at_either_end_arrives_whole_at_the_other(
    writes: list[tuple[bool, bytes]], seed: int
) -> None:
    async def test() -> None:
        client, server = await connected()
        for by_client, data in writes:
            (client if by_client else server).transport.writelines([data, data[:1]])
        client.transport.close()
        await a_moment()
        assert server.received == b"".join(data + data[:1] for by_client, data in writes if by_client)
        assert client.told == ["made", "lost"]
        assert server.told == ["made", "eof", "lost"]

    run_virtual(test(), seed=seed)


def test_equal_seeds_give_equal_latencies_and_other_seeds_others() -> None:
    async def stamps() -> list[float]:
        client, _ = await connected()
        arrivals: list[float] = []
        client.data_received = lambda data: arrivals.append(loop().time())  # type: ignore[method-assign]
        server = await loop().create_server(asyncio.Protocol, "10.0.0.8", 1)
        for _ in range(5):
            transport, _ = await loop().create_connection(asyncio.Protocol, "10.0.0.8", 1)
            arrivals.append(loop().time())
            transport.close()
        server.close()
        return arrivals

    assert run_virtual(stamps(), seed=3) == run_virtual(stamps(), seed=3)
    assert run_virtual(stamps(), seed=3) != run_virtual(stamps(), seed=4)


def test_where_nobody_listens_a_connection_is_refused() -> None:
    async def test() -> None:
        with pytest.raises(ConnectionRefusedError, match=r"10\.0\.0\.7:502"):
            await loop().create_connection(Witness, *HERE)

    run(test)


def test_a_closed_server_refuses_but_its_connections_live_on() -> None:
    async def test() -> None:
        served: list[Witness] = []

        def factory() -> Witness:
            served.append(Witness())
            return served[-1]

        server = await loop().create_server(factory, *HERE)
        _, client = await loop().create_connection(Witness, *HERE)
        server.close()
        await server.wait_closed()
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await loop().create_connection(Witness, *HERE)
        client.transport.write(b"still there")
        await a_moment()
        assert served[0].received == b"still there"

    run(test)


def test_an_address_has_one_server_at_a_time() -> None:
    async def test() -> None:
        server = await loop().create_server(Witness, *HERE)
        with pytest.raises(OSError, match="listens"):
            await loop().create_server(Witness, *HERE)
        server.close()
        await loop().create_server(Witness, *HERE)

    run(test)


def test_after_abort_the_other_end_sees_a_reset() -> None:
    async def test() -> None:
        client, server = await connected()
        client.transport.abort()
        assert client.transport.is_closing()
        await a_moment()
        assert client.told == ["made", "lost"]
        assert server.told == ["made", "ConnectionResetError"]

    run(test)


def test_a_half_closed_connection_still_carries_the_other_direction() -> None:
    async def test() -> None:
        client, server = await connected(keep_half_open=True)
        client.transport.write_eof()
        await a_moment()
        assert server.told == ["made", "eof"]
        server.transport.write(b"answer")
        await a_moment()
        assert client.received == b"answer"
        with pytest.raises(RuntimeError):
            client.transport.write(b"after the end")

    run(test)


def test_writing_to_an_end_that_has_gone_meets_a_reset() -> None:
    async def test() -> None:
        client, server = await connected(keep_half_open=True)
        client.transport.close()
        await a_moment()
        server.transport.write(b"anybody there?")
        await a_moment()
        assert server.told == ["made", "eof", "ConnectionResetError"]

    run(test)


def test_the_end_is_told_once_however_often_a_connection_is_closed() -> None:
    async def test() -> None:
        client, server = await connected()
        client.transport.close()
        client.transport.close()
        client.transport.abort()
        network().cut(HERE)
        await a_moment()
        client.transport.write(b"ignored, as asyncio does")
        await a_moment()
        assert client.told == ["made", "lost"]
        assert server.told == ["made", "ConnectionResetError"]

    run(test)


def test_a_reader_that_pauses_makes_the_writer_pause_and_both_go_on_later() -> None:
    async def test() -> None:
        client, server = await connected()
        client.transport.set_write_buffer_limits(high=1000, low=100)
        server.transport.pause_reading()
        for _ in range(11):
            client.transport.write(bytes(100))
        await a_moment()
        assert client.told == ["made", "pause"]
        assert client.transport.get_write_buffer_size() == 1100
        assert server.received == b""
        server.transport.resume_reading()
        await a_moment()
        assert client.told == ["made", "pause", "resume"]
        assert len(server.received) == 1100

    run(test)


def test_streams_that_write_faster_than_they_are_read_wait_in_drain() -> None:
    async def test() -> None:
        async def slow_reader(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)
            while await reader.read(1 << 20):
                pass
            writer.close()

        server = await asyncio.start_server(slow_reader, *HERE)
        reader, writer = await asyncio.open_connection(*HERE)
        while loop().time() < 60:
            writer.write(bytes(100_000))
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await reader.read() == b""
        server.close()
        await a_moment()

    run(test)


def test_a_cut_resets_both_ends_and_a_new_connection_is_welcome() -> None:
    async def test() -> None:
        client, server = await connected()
        network().cut(HERE)
        await a_moment()
        assert client.told == server.told == ["made", "ConnectionResetError"]
        await loop().create_connection(Witness, *HERE)
        assert network().connections[HERE] == 2

    run(test)


def test_with_the_cable_pulled_nobody_hears_anything_until_it_is_back() -> None:
    async def test() -> None:
        client, server = await connected()
        network().unplug(HERE)
        client.transport.write(b"1")
        server.transport.write(b"2")
        await asyncio.sleep(3600)
        assert client.received == server.received == b""
        assert client.told == server.told == ["made"]
        network().plug(HERE)
        await a_moment()
        assert (client.received, server.received) == (b"2", b"1")

    run(test)


def test_a_connect_through_a_pulled_cable_times_out() -> None:
    async def test() -> None:
        await loop().create_server(Witness, *HERE)
        network().unplug(HERE)
        with pytest.raises(TimeoutError):
            await loop().create_connection(Witness, *HERE)
        assert loop().time() > CONNECT_TIMEOUT_S

    run(test)


def test_an_end_that_gave_up_while_the_cable_was_pulled_is_found_gone_later() -> None:
    async def test() -> None:
        client, server = await connected()
        network().unplug(HERE)
        client.transport.abort()
        await a_moment()
        assert server.told == ["made"]
        network().plug(HERE)
        server.transport.write(b"hello?")
        await a_moment()
        assert server.told == ["made", "ConnectionResetError"]

    run(test)


def test_a_tap_sees_every_chunk_and_can_drop_delay_repeat_and_change_it() -> None:
    seen: list[tuple[Address, Direction, bytes]] = []

    def tap(address: Address, direction: Direction, data: bytes) -> list[tuple[float, bytes]] | None:
        seen.append((address, direction, data))
        match data:
            case b"drop":
                return []
            case b"repeat":
                return [(0.0, data), (0.0, data)]
            case b"late":
                return [(5.0, b"LATE")]
        return None

    async def test() -> None:
        client, server = await connected()
        network().taps.append(tap)
        for data in (b"drop", b"repeat", b"as it is"):
            client.transport.write(data)
        await a_moment()
        assert server.received == b"repeatrepeatas it is"
        server.transport.write(b"late")
        await asyncio.sleep(4.9)
        assert client.received == b""
        await asyncio.sleep(0.2)
        assert client.received == b"LATE"
        assert [entry[1:] for entry in seen] == [
            ("to-server", b"drop"),
            ("to-server", b"repeat"),
            ("to-server", b"as it is"),
            ("to-client", b"late"),
        ]
        assert seen[0][0] == HERE
        assert network().chunks == {(HERE, "to-server"): 3, (HERE, "to-client"): 1}

    run(test)


def test_a_connect_that_is_cancelled_half_way_leaves_no_connection_behind() -> None:
    served: list[Witness] = []

    def factory() -> Witness:
        served.append(Witness())
        return served[-1]

    async def test() -> None:
        await loop().create_server(factory, *HERE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop().create_connection(Witness, *HERE), 99e-6)  # two latencies take longer
        await a_moment()

    for seed in range(10):
        run_virtual(test(), seed=seed)
    assert 0 < len(served) < 10
    assert all(witness.told == ["made", "ConnectionResetError"] for witness in served)


def test_names_of_both_ends_are_known() -> None:
    async def test() -> None:
        client, server = await connected()
        assert client.transport.get_extra_info("peername") == HERE
        assert server.transport.get_extra_info("sockname") == HERE
        assert server.transport.get_extra_info("peername") == client.transport.get_extra_info("sockname")

    run(test)


class Registers(asyncio.Protocol):
    """A Modbus server whose register n holds n."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        transaction, _, _, unit, function, first, count = struct.unpack(">HHHBBHH", data)
        values = struct.pack(f">{count}H", *range(first, first + count))
        self._transport.write(
            struct.pack(">HHHBBB", transaction, 0, 3 + len(values), unit, function, len(values)) + values
        )


def test_an_unmodified_modbus_client_reads_registers_and_survives_a_cut_by_reconnecting() -> None:
    async def test() -> None:
        await loop().create_server(Registers, *HERE)
        client = AsyncModbusTcpClient(HERE.host, port=HERE.port, retries=0, reconnect_delay=1.0, timeout=2)
        assert await client.connect()
        assert (await client.read_holding_registers(40, count=3)).registers == [40, 41, 42]
        network().cut(HERE)
        await a_moment()
        assert not client.connected
        await asyncio.sleep(1.5)
        assert client.connected
        assert (await client.read_holding_registers(7, count=1)).registers == [7]
        client.close()
        await a_moment()

    run(test)
