"""What control is given to work on. Apart from control's own machinery, which who only wires devices never needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cycler.contract.devices import ChamberDriver, CyclerDriver, Device, DigitalIo, Meter, TemperatureInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """The rack's devices by their ids."""

    cyclers: Mapping[str, CyclerDriver]
    temperatures: Mapping[str, TemperatureInput] = field(default_factory=dict)
    ios: Mapping[str, DigitalIo] = field(default_factory=dict)
    chambers: Mapping[str, ChamberDriver] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)
    wires: Mapping[str, str] = field(default_factory=dict)  # those that devices share, by device

    def all(self) -> Mapping[str, Device]:
        """All of them."""
        return {**self.cyclers, **self.temperatures, **self.ios, **self.chambers, **self.meters}
