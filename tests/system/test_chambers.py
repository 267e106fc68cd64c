"""Simulated chambers as other programs meet them: pymodbus and PyVISA, over real sockets and a real serial line."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pyvisa
from programs import PATIENCE_S, free_ports, running
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

pytestmark = pytest.mark.system

SET_POINT, PROCESS_VALUE, MODE, ACTIVE_MODE = 2782, 2820, 2730, 2814
AUTO, OFF = 10, 62


class Rack:
    """Three chambers: an F4T on the network, one on a serial line, and a P-300 on another."""

    def __init__(self, folder: Path) -> None:
        self.scpi, self.modbus = free_ports(2)
        self.line, self.text_line = folder / "f4t", folder / "p300"
        self.file = folder / "rack.yaml"
        self.file.write_text(
            "rack: {id: R1}\ndevices:\n"
            f'  - {{id: ch-01, driver: watlow_f4t, resource: "scpi-tcp://127.0.0.1:{self.scpi}?modbus={self.modbus}"}}\n'
            f'  - {{id: ch-02, driver: watlow_f4t, resource: "modbus-rtu://{self.line}?baud=38400&unit=1"}}\n'
            f'  - {{id: ch-03, driver: espec_p300, resource: "serial://{self.text_line}?baud=19200"}}\n'
            '  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01", channels: 1}\n'
            '  - {id: io-01, driver: sim_io, resource: "sim:io-01"}\n'
            "bays:\n  - {id: B01, chamber: ch-01, contactor: io-01/DO0, positions: {A1: {channel: cyc-01/1}}}\n"
        )

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """`cycler sim` once it is ready."""
        async with running("sim", "--config", self.file) as program:
            while await program.line(program.out) != "ready":
                pass
            yield


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    return Rack(tmp_path)


@contextlib.contextmanager
def visa(address: str, **how: object) -> Iterator[Any]:
    manager = pyvisa.ResourceManager("@py")
    instrument = manager.open_resource(address, timeout=1000 * PATIENCE_S, **how)
    try:
        yield instrument
    finally:
        instrument.close()
        manager.close()


def while_served(rack: Rack, test: Callable[[], None]) -> None:
    """The other program blocks, so it has a thread of its own."""

    async def scenario() -> None:
        async with rack.served():
            await asyncio.to_thread(test)

    asyncio.run(scenario())


def temperature_degc(client: ModbusTcpClient | ModbusSerialClient, address: int) -> float:
    reply = client.read_holding_registers(address, count=2, device_id=1)
    assert not reply.isError(), reply
    low, high = reply.registers
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return value


def set_temperature(client: ModbusTcpClient | ModbusSerialClient, address: int, degc: float) -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", degc))
    assert not client.write_registers(address, [low, high], device_id=1).isError()


def number(client: ModbusTcpClient | ModbusSerialClient, address: int) -> int:
    reply = client.read_holding_registers(address, count=1, device_id=1)
    assert not reply.isError(), reply
    return int(reply.registers[0])


def test_pymodbus_and_pyvisa_see_the_same_f4t(rack: Rack) -> None:
    def test() -> None:
        client = ModbusTcpClient("127.0.0.1", port=rack.modbus, timeout=PATIENCE_S)
        assert client.connect()
        with (
            contextlib.closing(client),
            visa(f"TCPIP::127.0.0.1::{rack.scpi}::SOCKET", read_termination="\n", write_termination="\n") as f4t,
        ):
            assert f4t.query("*IDN?").startswith("Watlow Electric,")
            assert float(f4t.query(":SOURCE:CLOOP1:PVALUE?")) == pytest.approx(
                temperature_degc(client, PROCESS_VALUE), abs=0.1
            )
            f4t.write(":SOURCE:CLOOP1:SPOINT 45.0")
            assert float(f4t.query(":SOURCE:CLOOP1:SPOINT?")) == 45.0
            assert temperature_degc(client, SET_POINT) == 45.0
            assert not client.write_register(MODE, OFF, device_id=1).isError()
            while number(client, ACTIVE_MODE) != OFF:
                pass

    while_served(rack, test)


def test_pymodbus_drives_an_f4t_on_a_serial_line(rack: Rack) -> None:
    def test() -> None:
        # It asks again at once, and the controller hears nothing for 30 ms: then pymodbus says it once more.
        client = ModbusSerialClient(str(rack.line), baudrate=38400, timeout=0.5, retries=5)
        assert client.connect()
        with contextlib.closing(client):
            assert number(client, ACTIVE_MODE) == AUTO
            set_temperature(client, SET_POINT, 45.0)
            assert temperature_degc(client, SET_POINT) == 45.0
            assert client.read_holding_registers(2732, count=1, device_id=1).exception_code == 2

    while_served(rack, test)


def test_pyvisa_drives_a_p300_on_a_serial_line(rack: Rack) -> None:
    def test() -> None:
        with visa(
            f"ASRL{rack.text_line}::INSTR", baud_rate=19200, read_termination="\r\n", write_termination="\r\n"
        ) as p300:
            assert p300.query("TYPE?") == "T,P300,180.0"
            assert p300.query("TEMP, S45.0") == "OK:TEMP, S45.0"
            assert p300.query("TEMP?").split(",")[1] == "45.0"
            assert p300.query("MODE,STANDBY") == "OK:MODE,STANDBY"
            assert p300.query("MON?").split(",")[2:] == ["STANDBY", "0"]
            assert p300.query("TEMP, S500.0") == "NA:DATA OUT OF RANGE"

    while_served(rack, test)
