"""The instrument on its serial line or socket."""

import asyncio
from collections.abc import Callable
from functools import partial

from cycler.contract.plugin import Resource
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.wire.hioki_bt3562.device import HiokiDevice, HiokiError
from sims.wire.hioki_bt3562.messages import LINE_BYTES_MAX, answer
from sims.wire.lines import Late, LineConversation
from sims.wire.ports import Port
from sims.world import SimulatedWorld

CHANNEL = ChannelId("1")
PORT = 23

# Of the maker's data sheet, by general knowledge: 0.01 % of the voltage and 0.5 % of the resistance.
VOLTAGE_ERROR_V = 0.0004
RESISTANCE_ERROR_RATIO = 0.005
VOLTAGE_NOISE_V = 10e-6
RESISTANCE_NOISE_RATIO = 2e-5


class HiokiSimulator:
    """A powered device that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], HiokiDevice], resource: Resource, *, faults: Faults) -> None:
        self.device: HiokiDevice
        self._make_device = make_device
        self._port = Port(resource, self._converse, default_port=PORT, faults=faults)
        faults.wire((CHANNEL,), self.restart)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.restart()

    def answer(self, line: bytes) -> bytes | Late | None:
        """What the device says to one message."""
        return answer(self.device, line)

    def _converse(self) -> asyncio.Protocol:
        # CR ends a message; an LF after it belongs to the next one, where it is a blank.
        return LineConversation(self.answer, end=b"\r", bytes_max=LINE_BYTES_MAX)


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> HiokiSimulator:
    """The entry point: its tips are on the cell of the position that names it as its meter."""
    rng = world.rng(f"{device.device}/instrument")
    seed = int(rng.integers(1 << 62))
    error = HiokiError()
    if not world.declaration.ideal:
        voltage_v = VOLTAGE_ERROR_V if device.voltage_accuracy_v is None else device.voltage_accuracy_v
        error = HiokiError(
            voltage_offset_v=float(rng.uniform(-0.5, 0.5)) * voltage_v,
            resistance_gain=1.0 + float(rng.uniform(-0.5, 0.5)) * RESISTANCE_ERROR_RATIO,
            voltage_noise_v=VOLTAGE_NOISE_V,
            resistance_noise_ratio=RESISTANCE_NOISE_RATIO,
        )
    faults = world.faults(device.device)
    build = partial(HiokiDevice, world.tips(device.device, CHANNEL), error=error, faults=faults, seed=seed)
    return HiokiSimulator(build, device.resource, faults=faults)
