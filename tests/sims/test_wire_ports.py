"""Where simulated instruments listen: TCP addresses and serial lines, alone or shared."""

import asyncio
import os
import pty
import termios
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from ports import free_port

from cycler.contract.plugin import Resource
from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.lines import Late, LineConversation
from sims.wire.modbus import MappedUnit, ModbusRtuConversation, crc, modbus_conversation
from sims.wire.ports import Port

T = TypeVar("T")

TCP = Resource.parse("scpi-tcp://127.0.0.1:5025")
OPEN_FILES = Path("/proc/self/fd")


class Counter:
    """A register map whose words are their addresses plus a number of its own."""

    def __init__(self, number: int) -> None:
        self._number = number

    def read_words(self, table: str, address: int, count: int) -> list[int]:
        return [self._number + address + at for at in range(count)]

    def write_words(self, address: int, words: object) -> None: ...
    def read_bits(self, table: str, address: int, count: int) -> list[bool]:
        return [False] * count

    def write_bits(self, address: int, bits: object) -> None: ...


def echoing(resource: Resource, faults: Faults | None = None, **more: Any) -> Port:
    return Port(resource, lambda: LineConversation(lambda line: line + b"\n"), faults=faults or Faults(), **more)


def counting(resource: Resource, unit: int, number: int) -> Port:
    return Port(resource, modbus_conversation(resource, {unit: MappedUnit(Counter(number))}), faults=Faults())


def ask_unit(unit: int) -> bytes:
    body = bytes((unit, 3, 0, 5, 0, 1))
    return body + crc(body)


def told(unit: int, value: int) -> bytes:
    body = bytes((unit, 3, 2)) + value.to_bytes(2, "big")
    return body + crc(body)


class SerialHost:
    """A program that has opened a serial port."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def write(self, data: bytes) -> None:
        assert os.write(self._file, data) == len(data)

    async def read(self, count: int, *, within_s: float = 1.0) -> bytes:
        """Raises `TimeoutError`; `OSError` where the line has hung up."""
        loop, got = asyncio.get_running_loop(), b""
        async with asyncio.timeout(within_s):
            while len(got) < count:
                readable = loop.create_future()
                loop.add_reader(self._file, lambda waiting=readable: waiting.done() or waiting.set_result(None))
                try:
                    await readable
                finally:
                    loop.remove_reader(self._file)
                got += os.read(self._file, count - len(got))
                if not got:
                    raise OSError("hung up")
        return got

    def close(self) -> None:
        os.close(self._file)


def served(*ports: Port, scenario: Callable[[], Coroutine[Any, Any, T]], loopback: bool = False) -> T:
    async def main() -> T:
        for port in ports:
            await port.start()
        try:
            return await scenario()
        finally:
            for port in ports:
                await port.aclose()
                await port.aclose()

    return run_virtual(main(), loopback=loopback)


async def one_line(line: bytes, port: int = 5025) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line)
    reply = await reader.readline()
    writer.close()
    return reply


@pytest.mark.parametrize("loopback", [False, True], ids=["in memory", "over real sockets"])
def test_each_connection_has_a_conversation_of_its_own(loopback: bool) -> None:
    resource = Resource.parse(f"scpi-tcp://127.0.0.1:{free_port()}")

    async def scenario() -> None:
        assert resource.port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", resource.port)
        writer.write(b"ha")
        assert await one_line(b"other\n", resource.port) == b"other\n"
        writer.write(b"lf\n")
        assert await reader.readline() == b"half\n"
        writer.close()

    served(echoing(resource), scenario=scenario, loopback=loopback)


def test_a_resource_without_a_port_takes_the_instruments_own() -> None:
    async def scenario() -> bytes:
        return await one_line(b"x\n", 4242)

    port = echoing(Resource.parse("scpi-tcp://127.0.0.1"), default_port=4242)
    assert served(port, scenario=scenario) == b"x\n"


@pytest.mark.parametrize("text", ["sim:bench", "scpi-tcp://127.0.0.1", "serial:", "visa:GPIB0::2"])
def test_where_nothing_can_listen_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no simulated instrument can listen there"):
        echoing(Resource.parse(text))


def test_a_closed_port_breaks_its_connections_and_answers_nobody_new() -> None:
    async def main() -> None:
        port = echoing(TCP)
        await port.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", 5025)
        await port.aclose()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await one_line(b"x\n")
        await port.start()
        assert await one_line(b"x\n") == b"x\n"
        await port.aclose()

    run_virtual(main())


def test_a_device_that_loses_its_power_breaks_all_connections_and_listens_again() -> None:
    port = echoing(TCP)

    async def scenario() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 5025)
        port.drop()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert await one_line(b"x\n") == b"x\n"

    served(port, scenario=scenario)


def test_two_devices_with_one_address_and_nothing_to_tell_them_apart_are_refused() -> None:
    async def main() -> None:
        first, second = echoing(TCP), echoing(TCP)
        await first.start()
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await first.aclose()
        await second.aclose()

    run_virtual(main())


def test_units_behind_one_gateway_answer_each_for_itself() -> None:
    ports = [
        counting(Resource.parse(f"modbus-rtu-tcp://127.0.0.1:1502?unit={unit}"), unit, 100 * unit) for unit in (1, 2)
    ]

    async def scenario() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 1502)
        for unit in (2, 1, 2):
            writer.write(ask_unit(unit))
            assert await reader.readexactly(7) == told(unit, 100 * unit + 5)
        ports[0].drop()  # a device loses its power, the gateway does not
        writer.write(ask_unit(2))
        assert await reader.readexactly(7) == told(2, 205)
        await ports[0].aclose()
        writer.write(ask_unit(1) + ask_unit(2))
        assert await reader.readexactly(7) == told(2, 205)
        writer.close()

    served(*ports, scenario=scenario)


def test_what_one_unit_behind_a_gateway_suffers_the_others_do_not() -> None:
    ports = [
        counting(Resource.parse(f"modbus-rtu-tcp://127.0.0.1:1502?unit={unit}"), unit, 100 * unit) for unit in (1, 2)
    ]

    async def scenario() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 1502)
        for fault in ("no-reply", "half-open", "late-after-reconnect"):
            ports[0].faults.begin(fault)
            writer.write(ask_unit(1) + ask_unit(2))
            assert await reader.readexactly(7) == told(2, 205)
        writer.close()

    served(*ports, scenario=scenario)


def test_stations_share_a_serial_line(tmp_path: Path) -> None:
    ports = [counting(Resource.parse(f"modbus-rtu://{tmp_path}/bus?unit={unit}"), unit, 100 * unit) for unit in (1, 2)]

    async def scenario() -> None:
        host = SerialHost(tmp_path / "bus")
        for unit in (2, 1):
            host.write(ask_unit(unit))
            assert await host.read(7) == told(unit, 100 * unit + 5)
        host.close()

    served(*ports, scenario=scenario)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("loopback", [False, True], ids=["network in memory", "real sockets"])
def test_time_never_jumps_past_what_lies_in_a_serial_line(tmp_path: Path, loopback: bool) -> None:
    async def scenario() -> float:
        host = SerialHost(tmp_path / "tty")
        for number in range(300):
            host.write(b"%d\n" % number)
            line = b"%d\n" % number
            assert await host.read(len(line), within_s=1e-3) == line
        host.close()
        return asyncio.get_running_loop().time()

    port = echoing(Resource.parse(f"serial://{tmp_path}/tty"))
    assert served(port, scenario=scenario, loopback=loopback) == 0.0


def test_a_serial_line_carries_every_byte_as_it_is(tmp_path: Path) -> None:
    everything = bytes(range(256)) * 200
    port = Port(
        Resource.parse(f"serial://{tmp_path}/tty"),
        lambda: LineConversation(lambda line: everything, end=b"\x00\xff\r\n"),
        faults=Faults(),
    )

    async def scenario() -> None:
        host = SerialHost(tmp_path / "tty")
        host.write(b"\x03\x04\x11\x13\x1a\x7f\r\x00\xff\r\n")
        assert await host.read(len(everything)) == everything
        host.close()

    served(port, scenario=scenario)


def test_a_host_may_close_and_open_a_serial_line_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        for number in range(3):
            host = SerialHost(tmp_path / "tty")
            host.write(b"%d\n" % number)
            assert await host.read(2) == b"%d\n" % number
            host.close()
            await asyncio.sleep(1.0)

    served(echoing(Resource.parse(f"serial://{tmp_path}/tty")), scenario=scenario)


def test_a_serial_adapter_that_loses_its_power_hangs_up_and_returns(tmp_path: Path) -> None:
    port = echoing(Resource.parse(f"serial://{tmp_path}/tty"))

    async def scenario() -> None:
        host = SerialHost(tmp_path / "tty")
        port.drop()
        with pytest.raises(OSError):
            await host.read(1)
        host.close()
        host = SerialHost(tmp_path / "tty")
        host.write(b"x\n")
        assert await host.read(2) == b"x\n"
        host.close()

    served(port, scenario=scenario)


def test_an_answer_on_its_way_ends_with_the_adapter(tmp_path: Path) -> None:
    port = Port(
        Resource.parse(f"serial://{tmp_path}/tty"),
        lambda: LineConversation(lambda line: Late(5.0, b"late\n")),
        faults=Faults(),
    )

    async def scenario() -> None:
        host = SerialHost(tmp_path / "tty")
        host.write(b"x\n")
        await asyncio.sleep(1.0)
        port.drop()
        host.close()
        await asyncio.sleep(10.0)

    served(port, scenario=scenario)


def test_a_path_where_something_lies_is_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / "tty").write_text("precious")

    async def scenario() -> None: ...

    with pytest.raises(FileExistsError):
        served(echoing(Resource.parse(f"serial://{tmp_path}/tty")), scenario=scenario)
    assert (tmp_path / "tty").read_text() == "precious"


def test_a_link_that_a_killed_simulator_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "tty").symlink_to("/dev/pts/no-such-terminal")

    async def scenario() -> None:
        host = SerialHost(tmp_path / "tty")
        host.write(b"x\n")
        assert await host.read(2) == b"x\n"
        host.close()

    served(echoing(Resource.parse(f"serial://{tmp_path}/tty")), scenario=scenario)


def test_a_link_to_the_number_that_our_own_pty_gets_again_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reused = tmp_path / "pts-0"
    (tmp_path / "tty").symlink_to(reused)
    opened = pty.openpty

    def openpty() -> tuple[int, int]:
        reused.touch()
        return opened()

    monkeypatch.setattr(pty, "openpty", openpty)

    async def scenario() -> None:
        host = SerialHost(tmp_path / "tty")
        host.write(b"x\n")
        assert await host.read(2) == b"x\n"
        host.close()

    served(echoing(Resource.parse(f"serial://{tmp_path}/tty")), scenario=scenario)


def test_links_of_a_killed_simulator_are_replaced_although_the_lines_come_in_another_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = echoing(Resource.parse(f"serial://{tmp_path}/first"))
        await first.start()
        (tmp_path / "second").symlink_to((tmp_path / "first").readlink())  # its pty had the number that is now ours
        second = echoing(Resource.parse(f"serial://{tmp_path}/second"))
        await second.start()
        for name in ("first", "second"):
            host = SerialHost(tmp_path / name)
            host.write(name.encode() + b"\n")
            assert await host.read(len(name) + 1) == name.encode() + b"\n"
            host.close()
        await first.aclose()
        await second.aclose()

    run_virtual(scenario())
    assert not list(tmp_path.iterdir())


def test_a_link_to_somebody_elses_terminal_is_left_alone_and_its_remedy_named(tmp_path: Path) -> None:
    far, near = pty.openpty()
    (tmp_path / "tty").symlink_to(os.ttyname(near))

    async def scenario() -> None: ...

    with pytest.raises(FileExistsError, match=r"it is a link to /dev/pts/\d+: remove it if no simulator runs"):
        served(echoing(Resource.parse(f"serial://{tmp_path}/tty")), scenario=scenario)
    assert (tmp_path / "tty").is_symlink()
    os.close(far)
    os.close(near)


def test_where_no_link_can_be_made_nothing_stays_open(tmp_path: Path) -> None:
    async def scenario() -> None: ...

    before = len(list(OPEN_FILES.iterdir()))
    with pytest.raises(FileNotFoundError):
        served(echoing(Resource.parse(f"serial://{tmp_path}/nowhere/tty")), scenario=scenario)
    assert len(list(OPEN_FILES.iterdir())) == before


def test_line_settings_are_the_hosts_own_business(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = os.open(tmp_path / "tty", os.O_RDWR | os.O_NOCTTY)
        settings = termios.tcgetattr(file)
        settings[4] = settings[5] = termios.B9600
        termios.tcsetattr(file, termios.TCSANOW, settings)
        os.close(file)
        host = SerialHost(tmp_path / "tty")
        body = ask_unit(1)
        host.write(body)
        assert await host.read(7) == told(1, 105)
        host.close()

    resource = Resource.parse(f"modbus-rtu://{tmp_path}/tty?baud=9600")
    unit = MappedUnit(Counter(100))
    served(Port(resource, lambda: ModbusRtuConversation({1: unit}), faults=Faults()), scenario=scenario)
