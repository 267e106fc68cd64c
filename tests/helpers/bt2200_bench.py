"""A simulated mainframe on small straight cells, and its driver, on the running loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cycler.contract.order import Applied, DeviceLimits, Order, Phase
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId, Reading
from drivers.keysight_bt2200.driver import KeysightBt2200
from sims.faults import Faults
from sims.network import Address, MemoryNetwork
from sims.testing.bench import BenchCell, BenchWorld
from sims.testing.wired import utcnow
from sims.wire.keysight_bt2200.device import Bt2200, Cell
from sims.wire.keysight_bt2200.simulator import Bt2200Simulator
from sims.wire.keysight_bt2200.traits import Traits

DEVICE = "bt-01"
HERE = Address("127.0.0.1", 5025)
ONE, TWO = ChannelId("101"), ChannelId("102")
QUICK = Traits(charge_check_s=0.0)
NO_DELAY: Mapping[str, str] = {"start_delay": "0 s"}


@dataclass
class Bench:
    """What a test holds in its hands. `said` is every line that has gone to the instrument."""

    world: BenchWorld
    simulator: Bt2200Simulator
    driver: KeysightBt2200
    said: list[str] = field(default_factory=list)

    @property
    def device(self) -> Bt2200:
        return self.simulator.device

    @property
    def faults(self) -> Faults:
        return self.world.faults(DEVICE)

    @property
    def network(self) -> MemoryNetwork:
        network = asyncio.get_running_loop().network
        assert network is not None
        return network

    def cell(self, channel: ChannelId = ONE) -> BenchCell:
        return self.world.cell(DEVICE, channel)

    def state(self, number: int = 1001) -> Cell:
        return self.device.cells[number]

    async def order(self, *phases: Phase, order_id: int = 1, channel: ChannelId = ONE, **more: Any) -> object:
        return (await self.driver.apply({channel: Order(order_id=order_id, phases=phases, **more)}))[channel]

    async def must(self, *phases: Phase, order_id: int = 1, channel: ChannelId = ONE, **more: Any) -> Applied:
        answer = await self.order(*phases, order_id=order_id, channel=channel, **more)
        assert isinstance(answer, Applied), answer
        return answer

    async def reading(self, channel: ChannelId = ONE) -> Reading:
        return (await self.driver.read())[-1][channel]


@contextlib.asynccontextmanager
async def bt2200_bench(
    *,
    channels: Sequence[int] = (101, 102),
    voltage_v: float = 3.5,
    commissioned: bool = True,
    traits: Traits = QUICK,
    options: Mapping[str, str] = NO_DELAY,
) -> AsyncIterator[Bench]:
    """Connected and, unless told otherwise, commissioned. `channels` have a cell each."""
    world = BenchWorld()
    names = [str(channel) for channel in channels]
    for name in names:
        world.cell(DEVICE, name).place(voltage_v)
    faults = world.faults(DEVICE)
    simulator = Bt2200Simulator(
        lambda: Bt2200(world.bank(DEVICE, names), channels, traits=traits, faults=faults),
        Resource.parse(f"scpi-tcp://{HERE}"),
        faults=faults,
    )
    faults.wire(names, simulator.restart)
    await simulator.start()
    driver = driver_for({"channels": " ".join(names), **options})
    bench = Bench(world, simulator, driver)

    def listen(address: Address, direction: str, data: bytes) -> None:
        if direction == "to-server":
            bench.said.extend(data.decode("ascii").splitlines())

    bench.network.taps.append(listen)
    try:
        if commissioned:
            await driver.connect()
            await driver.commission()
        yield bench
    finally:
        await driver.aclose()
        await simulator.aclose()
        await asyncio.sleep(1.0)  # the ends of connections are on their way


def driver_for(
    options: Mapping[str, str] = NO_DELAY, *, resource: str = f"scpi-tcp://{HERE}", **more: Any
) -> KeysightBt2200:
    rated = {"rated_voltage_v": 5.0, "rated_current_a": 6.0, **more}
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse(resource), options=options, **rated)
    return KeysightBt2200(settings, Surroundings(utcnow=utcnow))


def charge(current_a: float = 1.0, voltage_v: float = 4.2, **more: Any) -> Phase:
    return Phase(direction="charge", current_a=current_a, voltage_v=voltage_v, **more)


def discharge(current_a: float = 1.0, voltage_v: float = 2.8, **more: Any) -> Phase:
    return Phase(direction="discharge", current_a=current_a, voltage_v=voltage_v, **more)


REST = Phase(direction="rest")
LIMITS = DeviceLimits(
    voltage_v_max=4.3, voltage_v_min=2.7, charge_current_a_max=1.1, charge_ah_max=5.0, time_s_max=3600.0
)
