"""Instruments of `cycler sim` on their own wires, used by programs that know nothing of this project."""

import asyncio
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import serial
from programs import PATIENCE_S, Program, free_ports, ran, running
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

pytestmark = pytest.mark.system

PROCESS_VALUE, SET_POINT = 2820, 2782  # of a Watlow F4T: floats, the low word first
PAUSE_S = 0.05  # which it demands between messages on a serial line


class Rack:
    """One device on each wire that there is, and a serial line that two share."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(4)
        self.io, self.smu, self.ascii, self.lads = ports
        self.bus, self.supply = folder / "bus", folder / "supply"
        self.file = folder / "rack.yaml"
        self.file.write_text(
            "rack: {id: R1}\n"
            "devices:\n"
            f'  - {{id: psb-01, driver: ea_psb, resource: "serial://{self.supply}",'
            " rated: {voltage: 10 V, current: 15 A, power: 150 W}}\n"
            f'  - {{id: ch-01, driver: watlow_f4t, resource: "modbus-rtu://{self.bus}?baud=38400&unit=1"}}\n'
            f'  - {{id: ch-02, driver: watlow_f4t, resource: "modbus-rtu://{self.bus}?baud=38400&unit=2"}}\n'
            f'  - {{id: ch-03, driver: espec_p300, resource: "ascii-tcp://127.0.0.1:{self.ascii}"}}\n'
            f'  - {{id: ch-04, driver: lads_thermal, security: none, resource: "opc.tcp://127.0.0.1:{self.lads}"}}\n'
            f'  - {{id: smu-01, driver: keithley_2450, resource: "scpi-tcp://127.0.0.1:{self.smu}"}}\n'
            f'  - {{id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:{self.io}"}}\n'
            "bays:\n  - id: B01\n    chamber: ch-01\n    contactor: io-01/DO0\n"
            "    positions: {A1: {channel: psb-01/1}, A2: {channel: smu-01/1}}\n"
        )

    @asynccontextmanager
    async def served(self, *more: str) -> AsyncIterator[Program]:
        """`cycler sim` once it is ready."""
        async with running("sim", "--config", self.file, *more) as program:
            assert await program.line(program.out, "ready")
            yield program


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    return Rack(tmp_path)


def test_a_serial_terminal_talks_to_the_supply_on_its_line(rack: Rack) -> None:
    def talk() -> list[bytes]:
        with serial.Serial(str(rack.supply), timeout=PATIENCE_S, exclusive=True) as port:
            port.write(b"*IDN?\n")
            answers = [port.readline()]
            port.write(b"SYST:LOCK ON;SYST:LOCK:OWN?\n")
            return [*answers, port.readline()]

    async def scenario() -> None:
        async with rack.served():
            identity, owner = await asyncio.to_thread(talk)
            assert b"PSB" in identity
            assert owner == b"REMOTE\n"

    asyncio.run(scenario())


def test_a_plain_modbus_client_finds_both_chambers_on_one_serial_line(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served("--speed", "60"):
            client = AsyncModbusSerialClient(str(rack.bus), baudrate=38400, retries=0, timeout=PATIENCE_S)
            assert await client.connect()

            async def shown(unit: int) -> float:
                await asyncio.sleep(PAUSE_S)
                reply = await client.read_holding_registers(PROCESS_VALUE, count=2, device_id=unit)
                assert not reply.isError(), reply
                (value,) = struct.unpack(">f", struct.pack(">2H", *reversed(reply.registers)))
                return float(value)

            before = await shown(1), await shown(2)
            await asyncio.sleep(PAUSE_S)
            high, low = struct.unpack(">2H", struct.pack(">f", before[1] + 20.0))
            reply = await client.write_registers(SET_POINT, [low, high], device_id=2)
            assert not reply.isError(), reply
            async with asyncio.timeout(PATIENCE_S):
                while await shown(2) < before[1] + 5.0:
                    pass
            assert await shown(1) < before[0] + 2.0
            client.close()

    asyncio.run(scenario())


def test_a_plain_modbus_client_closes_a_contactor(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served():
            client = AsyncModbusTcpClient("127.0.0.1", port=rack.io, retries=0, timeout=PATIENCE_S)
            assert await client.connect()
            assert not (await client.read_coils(0, count=1)).bits[0]
            assert not (await client.write_coil(0, True)).isError()
            assert (await client.read_coils(0, count=1)).bits[0]
            client.close()

    asyncio.run(scenario())


def test_a_terminal_reads_a_chamber_in_its_own_words(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served(), asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", rack.ascii)
            writer.write(b"TEMP?\r\n")
            air, target, *_ = (float(part) for part in (await reader.readline()).split(b","))
            assert air == pytest.approx(target, abs=20.0)
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


def test_a_general_opc_ua_browser_finds_the_chamber(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served():
            browser = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("uals")),
                *("-u", f"opc.tcp://127.0.0.1:{rack.lads}", "-n", "i=85", "-d", "3"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(PATIENCE_S):
                out, _ = await browser.communicate()
            assert browser.returncode == 0
            assert b"DeviceSet" in out
            assert b"FunctionalUnitSet" in out

    asyncio.run(scenario())


def test_the_lines_are_gone_when_it_ends(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served() as program:
            assert rack.bus.is_symlink()
            program.send(15)
            assert await program.ended(within_s=5.0) == (0, "", "")
        assert not rack.bus.is_symlink()
        assert not rack.supply.is_symlink()

    asyncio.run(scenario())


def test_a_path_that_is_taken_is_named_with_its_device(rack: Rack) -> None:
    rack.supply.write_text("somebody's")
    code, out, err = asyncio.run(ran("sim", "--config", rack.file))
    assert (code, out) == (1, "")
    assert err == f"error: psb-01: cannot listen at serial://{rack.supply}: File exists\n"


def test_a_folder_where_nobody_may_write_is_named_with_its_device(rack: Rack) -> None:
    rack.file.write_text(rack.file.read_text().replace(str(rack.supply), "/proc/supply"))
    code, out, err = asyncio.run(ran("sim", "--config", rack.file))
    assert (code, out) == (1, "")
    assert err.startswith("error: psb-01: cannot listen at serial:///proc/supply: ")
