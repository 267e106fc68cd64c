"""256 simulated cells on one BT2200: CPU of a sweep through the in-memory wire, and the wire time of a common start."""

import asyncio
import time

from cycler.contract.order import Applied, DeviceLimits, Order, Phase
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId, Rack
from cycler.recipe.lookup import LIBRARY, find_cell_type
from cycler.service.world_file import everywhere
from drivers.keysight_bt2200.driver import KeysightBt2200
from sims.loop import run_on
from sims.world import SimulatedWorld, open_world

DEVICE = "bt-01"
RESOURCE = Resource.parse("scpi-tcp://127.0.0.1:5025")
CHANNELS = tuple(ChannelId(str(100 * card + number)) for card in range(1, 9) for number in range(1, 33))
RATED_V, RATED_A = 5.0, 6.0
SWEEPS = 300
PHASE = Phase(direction="charge", current_a=1.0, voltage_v=4.2)
LIMITS = DeviceLimits(voltage_v_max=4.25, voltage_v_min=2.4, charge_current_a_max=1.1, charge_ah_max=6.0)


def world() -> SimulatedWorld:
    """A cell on every channel of the mainframe."""
    positions = {
        PositionId(f"B01/{channel}"): Position(
            position=PositionId(f"B01/{channel}"), channels=(ChannelRef(device=DEVICE, channel=channel),)
        )
        for channel in CHANNELS
    }
    rack = Rack(rack="R1", purpose="production", bays={BayId("B01"): Bay(bay=BayId("B01"), positions=positions)})
    device = SimulatedDevice(
        device=DEVICE, driver="keysight_bt2200", resource=RESOURCE, channels=CHANNELS,
        rated_voltage_v=RATED_V, rated_current_a=RATED_A,
    )  # fmt: skip
    cells = everywhere(rack, find_cell_type("nmc811-21700", beside=LIBRARY), seed=1, state="formed@30%")
    return open_world(cells, rack, [device], wire="memory")


async def main(built: SimulatedWorld) -> None:
    """Print all of it."""
    loop = asyncio.get_running_loop()
    await built.start()
    settings = DeviceSettings(device=DEVICE, resource=RESOURCE, rated_voltage_v=RATED_V, rated_current_a=RATED_A)
    driver = KeysightBt2200(settings, Surroundings(utcnow=built.utcnow))
    await driver.connect()
    await driver.commission()
    orders = {channel: Order(order_id=n, phases=(PHASE,), limits=LIMITS) for n, channel in enumerate(CHANNELS, 1)}
    began_s, cpu_s = loop.time(), time.process_time()
    answers = await driver.apply(orders)
    assert all(isinstance(answer, Applied) for answer in answers.values())
    started_s, cpu_s = loop.time() - began_s, time.process_time() - cpu_s
    print(f"256 equal orders   {1e3 * started_s:6.1f} ms on the wire at 5 ms a question, {1e3 * cpu_s:.1f} ms CPU")
    for what, sweeps in (("beside a host", True), ("without one", False)):
        cpu_s = time.process_time()
        for _ in range(SWEEPS):
            await asyncio.sleep(1.0)
            if sweeps:
                await driver.read()
        cpu_s = (time.process_time() - cpu_s) / SWEEPS
        print(f"a second {what:<13} {1e6 * cpu_s:6.0f} µs CPU, {1e6 * cpu_s / 256:.2f} µs a cell, physics included")
    await driver.make_safe(CHANNELS)
    await driver.aclose()
    await built.aclose()
    await asyncio.sleep(1.0)


if __name__ == "__main__":
    built = world()
    run_on(built.loop, main(built))
