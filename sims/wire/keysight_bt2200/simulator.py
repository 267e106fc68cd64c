"""The mainframe on its raw socket, over simulated cells."""

import re
from collections.abc import Callable

from cycler.contract.capabilities import ChannelRange
from cycler.contract.plugin import Resource
from cycler.contract.world import SimulatedDevice
from sims.devices.metrology import CONVERTER_COUNTS, VOLTAGE_NOISE_RATIO, PerfectMetrology, TypicalMetrology
from sims.faults import Faults
from sims.wire.keysight_bt2200 import scpi
from sims.wire.keysight_bt2200.device import Bt2200
from sims.wire.keysight_bt2200.traits import Traits
from sims.wire.lines import LineConversation
from sims.wire.ports import Port
from sims.world import SimulatedWorld

SCPI_PORT = 5025
_TIME = re.compile(r"(\d{1,6}(?:\.\d{0,6})?)\s*s", re.ASCII)
CARD_V, CARD_A = 5.0, 6.0
ACCURACY_RATIO = 0.001  # of the rating, where the rack file declares none


class Bt2200Simulator:
    """A powered instrument that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], Bt2200], resource: Resource, *, faults: Faults) -> None:
        self.device: Bt2200
        self._make_device = make_device
        self._port = Port(resource, self._converse, default_port=SCPI_PORT, faults=faults)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()
        self.device.power_off()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.restart()

    def _converse(self) -> LineConversation:
        return LineConversation(lambda line: scpi.answer(self.device, line), bytes_max=scpi.LINE_BYTES)


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> Bt2200Simulator:
    """The entry point. Its cards are those of the rack file, or common ones where that does not say."""
    voltage_v = _given(device.rated_voltage_v, CARD_V)
    current_a = _given(device.rated_current_a, CARD_A)
    rng = world.rng(f"{device.device}/instrument")
    rows = len(device.channels)
    declared = ChannelRange(
        voltage_v_min=0.0,
        voltage_v_max=voltage_v,
        charge_current_a_max=current_a,
        discharge_current_a_max=current_a,
        power_w_max=voltage_v * current_a,
        voltage_accuracy_v=_given(device.voltage_accuracy_v, ACCURACY_RATIO * voltage_v),
        current_accuracy_a=_given(device.current_accuracy_a, ACCURACY_RATIO * current_a),
        voltage_noise_v=VOLTAGE_NOISE_RATIO * voltage_v,
        voltage_resolution_v=voltage_v / CONVERTER_COUNTS,
        current_resolution_a=current_a / CONVERTER_COUNTS,
    )
    metrology = PerfectMetrology() if world.declaration.ideal else TypicalMetrology(declared, rows, rng)
    bank = world.bank(device.device, device.channels)
    faults = world.faults(device.device)
    channels = [int(channel) for channel in device.channels]
    traits = _traits(device)
    simulator = Bt2200Simulator(
        lambda: Bt2200(bank, channels, traits=traits, metrology=metrology, faults=faults),
        device.resource,
        faults=faults,
    )
    faults.wire(device.channels, simulator.restart)
    return simulator


def _traits(device: SimulatedDevice) -> Traits:
    """As the rack file says that the instrument is. Raises `ValueError`."""
    serial = f"SIM-{device.device}"[:40]
    delay = device.options.get("start_delay")
    if delay is None:
        return Traits(serial=serial)
    match = _TIME.fullmatch(delay.strip())
    if match is None:
        raise ValueError(f"{device.device}: start_delay: {delay!r} is no time in seconds, like 15 s")
    return Traits(serial=serial, charge_check_s=float(match[1]))


def _given(value: float | None, default: float) -> float:
    return default if value is None else value
