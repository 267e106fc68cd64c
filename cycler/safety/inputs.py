"""What the protections of a position are judged by: as far as its rack tells, and what its cycler adds to that."""

from collections import Counter
from typing import Final

from cycler.contract.capabilities import Capabilities
from cycler.contract.sweep import Sweep
from cycler.model.interlock import KINDS
from cycler.model.rack import Position, Rack
from cycler.safety.declaration import Input
from cycler.safety.frozen import NEIGHBOURS_MIN, frozen_rule

_KIND_OF: Final = {code: kind for kind, code in KINDS.items()}

TOLD_BY_CYCLERS: Final[frozenset[Input]] = frozenset(
    {
        "voltage", "current", "output voltage", "device counter", "bipolar sense", "moving values",
        "proven watchdog", "limit read-back",
    }
)  # fmt: skip
"""What a rack file does not tell: only a connected device does."""


def inputs_of_rack(rack: Rack, position: Position) -> frozenset[Input]:
    """What is wired to the position beside its channel, or concerns it."""
    bay = next(bay for bay in rack.bays.values() if position.position in bay.positions)
    found: set[Input] = set()
    if position.temperature is not None:
        found.add("temperature")
        sensors = Counter(each.temperature for each in bay.positions.values() if not each.empty)
        if len(sensors - Counter({None: sensors[None]})) > NEIGHBOURS_MIN:
            found.add("tray temperatures")
    if position.meter is not None:
        found.add("second voltage")
    if bay.chamber is not None:
        found.add("chamber")
    for interlock in rack.interlocks:
        if interlock.alarm in _KIND_OF and position.position in interlock.positions:
            found.add(f"{_KIND_OF[interlock.alarm]} input")  # type: ignore[arg-type] # every kind has its input
    return frozenset(found)


def inputs_of_cycler(capabilities: Capabilities, sweep: Sweep, rated_capacity_ah: float) -> frozenset[Input]:
    """What the channel tells, by the device's declaration and by what its sweeps contain."""
    watchdog = capabilities.watchdog
    rule = frozen_rule(capabilities.range, rated_capacity_ah, counts=capabilities.charge_counter)
    there: dict[Input, bool] = {
        "voltage": True,
        "current": True,
        "output voltage": sweep.output_v is not None,
        "device counter": capabilities.charge_counter,
        "bipolar sense": capabilities.bipolar_sense,
        "moving values": rule.is_applied,
        "proven watchdog": watchdog is not None and watchdog.watches == "host" and watchdog.proven,
        "limit read-back": capabilities.limit_readback == "yes",
    }
    return frozenset(name for name, is_there in there.items() if is_there)
