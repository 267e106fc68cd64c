"""The instrument on its socket, which serves one host at a time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from cycler.contract.plugin import Resource
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.wire.keithley_2450.device import OVER_RANGE, SmuDevice, SmuError
from sims.wire.keithley_2450.scpi import LINE_BYTES_MAX, answer
from sims.wire.keithley_2450.settings import MODELS
from sims.wire.lines import Late, LineConversation
from sims.wire.ports import Port
from sims.world import SimulatedWorld

CHANNEL = ChannelId("1")
PORT = 5025
SILENT_S = 5.0  # a host that has said nothing for so long gives way to the next one; U

# Of a 2450 on 20 V and 1 A: 1-year accuracies are 0.015 % + 2.4 mV and 0.067 % + 0.9 mA.
VOLTAGE_ERROR_V = 0.003
CURRENT_ERROR_RATIO = 0.0015
VOLTAGE_NOISE_V = 20e-6
CURRENT_NOISE_RATIO = 10e-6


class SmuSimulator:
    """A powered device that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], SmuDevice], resource: Resource, *, faults: Faults) -> None:
        self.device: SmuDevice
        self._make_device = make_device
        self._port = Port(resource, self._converse, default_port=PORT, faults=faults)
        self._host: _Host | None = None
        faults.wire((CHANNEL,), self.restart)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()
        self.device.restart()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.restart()

    def answer(self, line: bytes) -> bytes | Late | None:
        """What the device says to one message."""
        return answer(self.device, line)

    def _converse(self) -> asyncio.Protocol:
        return _Host(self.answer, self._may_enter)

    def _may_enter(self, host: "_Host") -> bool:
        present = self._host
        if present is not None and present is not host and not present.is_gone:
            if asyncio.get_running_loop().time() - present.heard_s < SILENT_S:
                return False
            present.leave()
        self._host = host
        return True


class _Host(LineConversation):
    """One connection. A second one is dropped as soon as it speaks, while there is one that is alive."""

    def __init__(self, answer: Callable[[bytes], bytes | Late | None], may_enter: "Callable[[_Host], bool]") -> None:
        super().__init__(answer, bytes_max=LINE_BYTES_MAX)
        self.heard_s = asyncio.get_running_loop().time()
        self.is_gone = False
        self._may_enter = may_enter

    def leave(self) -> None:
        """Make room for another host."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_gone = True
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self.heard_s = asyncio.get_running_loop().time()
        if self._may_enter(self):
            super().data_received(data)
        else:
            self._transport.abort()


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> SmuSimulator:
    """The entry point. A rated current that no 2450 has makes it a 2460; the cell is where the rack file says."""
    rng = world.rng(f"{device.device}/instrument")
    seed = int(rng.integers(1 << 62))
    error = SmuError()
    if not world.declaration.ideal:
        voltage_v = VOLTAGE_ERROR_V if device.voltage_accuracy_v is None else device.voltage_accuracy_v
        rated_a = device.rated_current_a or MODELS["2450"].current_ranges_a[-1]
        current_a = device.current_accuracy_a
        error = SmuError(
            voltage_offset_v=float(rng.uniform(-0.5, 0.5)) * voltage_v,
            voltage_noise_v=VOLTAGE_NOISE_V,
            current_offset_ratio=float(rng.uniform(-0.5, 0.5))
            * (CURRENT_ERROR_RATIO if current_a is None else current_a / rated_a),
            current_noise_ratio=CURRENT_NOISE_RATIO,
        )
    model = MODELS["2450" if (device.rated_current_a or 0.0) <= OVER_RANGE else "2460"]
    faults = world.faults(device.device)
    build = partial(
        SmuDevice,
        world.terminal(device.device, CHANNEL),
        utcnow=world.true_utcnow,
        model=replace(model, serial=f"SIM-{device.device}"),
        error=error,
        faults=faults,
        wired_to="FRON" if device.options.get("terminals") == "front" else "REAR",
        seed=seed,
    )
    return SmuSimulator(build, device.resource, faults=faults)
