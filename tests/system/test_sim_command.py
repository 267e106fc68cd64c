"""`cycler sim` as integrators use it: real sockets, real time, and only what the instrument's maker documents."""

import asyncio
import signal
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from programs import PATIENCE_S, Program, free_ports, ran, running
from pymodbus.client import AsyncModbusTcpClient

pytestmark = pytest.mark.system

RATED_V, RATED_A, RATED_W = 10.0, 15.0, 150.0
FULL_SCALE = 0xCCCC  # what a rated value is in set and actual values
REMOTE, OUTPUT = 402, 405  # coils
SINK_POWER, SINK_CURRENT, VOLTAGE, SOURCE_CURRENT, SOURCE_POWER = range(498, 503)
ACTUAL = 507  # voltage, current, power
RATINGS = 121  # three floats


class Rack:
    """A rack file with two supplies on free ports."""

    def __init__(self, folder: Path) -> None:
        self.modbus, self.scpi, *others = free_ports(4)
        self.file = folder / "rack.yaml"
        self.file.write_text(
            "rack: {id: R1}\ndevices:\n"
            + "".join(
                f'  - {{id: {name}, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:{modbus}?scpi={scpi}",'
                " rated: {voltage: 10 V, current: 15 A, power: 150 W}}\n"
                for name, modbus, scpi in (("psb-01", self.modbus, self.scpi), ("psb-02", *others))
            )
            + '  - {id: io-01, driver: sim_io, resource: "sim:io-01"}\n'
            "bays:\n  - id: B01\n    contactor: io-01/DO0\n"
            "    positions: {A1: {channel: psb-01/1}, A2: {channel: psb-02/1}}\n"
        )

    @asynccontextmanager
    async def served(self, *more: str) -> AsyncIterator[Program]:
        """`cycler sim` once it is ready."""
        async with running("sim", "--config", self.file, *more) as program:
            assert await program.line(program.out) == f"psb-01 modbus-tcp://127.0.0.1:{self.modbus}?scpi={self.scpi}"
            assert (await program.line(program.out)).startswith("psb-02 ")
            assert await program.line(program.out) == "ready"
            yield program


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    return Rack(tmp_path)


class Supply:
    """A supply over plain Modbus."""

    def __init__(self, client: AsyncModbusTcpClient) -> None:
        self._client = client

    async def registers(self, address: int, count: int) -> list[int]:
        reply = await self._client.read_holding_registers(address, count=count, device_id=0)
        assert not reply.isError(), reply
        return reply.registers

    async def set(self, address: int, value: float, rated: float) -> None:
        reply = await self._client.write_register(address, round(value / rated * FULL_SCALE), device_id=0)
        assert not reply.isError(), reply

    async def switch(self, coil: int, *, on: bool) -> None:
        reply = await self._client.write_coil(coil, on, device_id=0)
        assert not reply.isError(), reply

    async def measured(self) -> tuple[float, float]:
        """Volt and ampere."""
        voltage, current = await self.registers(ACTUAL, 2)
        return voltage / FULL_SCALE * RATED_V, current / FULL_SCALE * RATED_A


@asynccontextmanager
async def modbus(port: int) -> AsyncIterator[Supply]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=PATIENCE_S)
    assert await client.connect()
    try:
        yield Supply(client)
    finally:
        client.close()


@asynccontextmanager
async def scpi(port: int) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Gives the call that asks a question."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(question: str) -> str:
        writer.write(f"{question}\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            return (await reader.readline()).decode().strip()

    try:
        yield ask
    finally:
        writer.close()
        await writer.wait_closed()


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    """The supply follows its set values after a while: look again and again, for so long as a wait may take."""
    async with asyncio.timeout(PATIENCE_S):
        while not await look():
            pass


def test_a_simulated_supply_charges_its_cell_for_a_plain_modbus_client(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served("--speed", "5"), modbus(rack.modbus) as supply:
            ratings = struct.unpack(">3f", struct.pack(">6H", *await supply.registers(RATINGS, 6)))
            assert ratings == (RATED_V, RATED_A, RATED_W)

            await supply.switch(REMOTE, on=True)
            await supply.switch(OUTPUT, on=False)
            open_v, open_a = await supply.measured()
            assert 2.5 < open_v < 4.2
            assert open_a == pytest.approx(0.0, abs=0.05)

            await supply.set(VOLTAGE, 4.15, RATED_V)
            await supply.set(SOURCE_CURRENT, 2.5, RATED_A)
            await supply.set(SOURCE_POWER, 50.0, RATED_W)
            await supply.set(SINK_CURRENT, 0.0, RATED_A)
            await supply.set(SINK_POWER, 0.0, RATED_W)
            await supply.switch(OUTPUT, on=True)

            async def flows() -> bool:
                return (await supply.measured())[1] == pytest.approx(2.5, abs=0.1)

            await eventually(flows)
            first_v, _ = await supply.measured()
            assert first_v > open_v + 0.02

            async def has_risen() -> bool:
                return (await supply.measured())[0] > first_v + 0.005

            await eventually(has_risen)
            async with scpi(rack.scpi) as ask:
                assert "PSB" in await ask("*IDN?")
                assert float((await ask("MEASURE:VOLTAGE?")).rstrip(" V")) == pytest.approx(first_v, abs=0.2)

            await supply.switch(OUTPUT, on=False)

            async def rests() -> bool:
                return (await supply.measured())[1] < 0.05

            await eventually(rests)
            assert (await supply.measured())[0] > open_v
            await supply.switch(REMOTE, on=False)

    asyncio.run(scenario())


def test_probing_tells_which_device_it_is(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served():
            code, out, err = await ran("drivers", "probe", f"modbus-tcp://127.0.0.1:{rack.modbus}?scpi={rack.scpi}")
        assert (code, err) == (0, "")
        found = dict(line.split(maxsplit=1) for line in out.splitlines())
        assert found["driver"] == "ea_psb"
        assert found["serial"].endswith("psb-01")
        assert (float(found["voltage_v_max"]), float(found["charge_current_a_max"])) == (RATED_V, RATED_A)

    asyncio.run(scenario())


def test_probing_changes_nothing_on_a_supply_that_works(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served(), modbus(rack.modbus) as supply:
            await supply.switch(REMOTE, on=True)
            await supply.set(VOLTAGE, 3.0, RATED_V)
            before = [await supply.registers(SINK_POWER, 5), await supply.registers(505, 2)]
            code, _, _ = await ran("drivers", "probe", f"modbus-tcp://127.0.0.1:{rack.modbus}")
            assert code == 0
            assert [await supply.registers(SINK_POWER, 5), await supply.registers(505, 2)] == before

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "error: interrupted\n"), (signal.SIGTERM, 0, "")]
)
def test_a_signal_ends_it_in_order_and_frees_its_ports(
    rack: Rack, number: signal.Signals, code: int, said: str
) -> None:
    async def scenario() -> None:
        async with rack.served() as program, modbus(rack.modbus):
            program.send(number)
            assert await program.ended(within_s=5.0) == (code, "", said)
        async with rack.served():
            pass

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_named_with_its_device(rack: Rack) -> None:
    async def scenario() -> None:
        async with rack.served():
            code, out, err = await ran("sim", "--config", rack.file)
        address = f"modbus-tcp://127.0.0.1:{rack.modbus}?scpi={rack.scpi}"
        assert (code, out) == (1, "")
        assert err == f"error: psb-01: cannot listen at {address}: Address already in use\n"

    asyncio.run(scenario())
