"""What a mapped cycler's channel is told, and the writes that lead from one such state to another safely."""

from dataclasses import dataclass, replace
from typing import Literal

from cycler.contract.order import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class SetValues:
    """Both currents are magnitudes; the one that is 0 holds its direction closed."""

    voltage_v: float
    charge_a: float
    discharge_a: float

    @property
    def direction(self) -> Literal["charge", "discharge"] | None:
        """The only way in which current can flow; None where that is both or neither."""
        if bool(self.charge_a) == bool(self.discharge_a):
            return None
        return "charge" if self.charge_a else "discharge"

    @property
    def closed(self) -> "SetValues":
        """The same without current."""
        return replace(self, charge_a=0.0, discharge_a=0.0)


@dataclass(frozen=True, slots=True)
class Write:
    """One message: a field of `SetValues`, or `output`."""

    what: Literal["voltage_v", "charge_a", "discharge_a", "output"]
    value: float


SWITCH_ON = Write("output", 1.0)


def set_values_for(phase: Phase) -> SetValues:
    """As ordered. The set voltage is a clamp in the direction of the phase, for only there can current flow."""
    charges = phase.direction == "charge"
    return SetValues(
        voltage_v=phase.voltage_v,
        charge_a=phase.current_a if charges else 0.0,
        discharge_a=0.0 if charges else phase.current_a,
    )


def stages(present: SetValues, target: SetValues, *, output_on: bool, cell_v: float) -> list[list[Write]]:
    """In stages that are each to be read back before the next. After every write the output is inside the old envelope
    or the new one:

    - same direction: first all that tightens, then all that loosens;
    - else both currents to 0, then the voltage, then the new current;
    - from off it is switched on without current and at the cell's own voltage, so that nothing rushes.
    """
    if output_on and present.direction is not None and present.direction == target.direction:
        writes = _differences(present, target)
        tighter = [write for write in writes if _tightens(write, present)]
        looser = [write for write in writes if write not in tighter]
        return [stage for stage in (tighter, looser) if stage]
    opening = _differences(target.closed, target)
    closing = _differences(present, present.closed)
    if output_on:
        first = [*closing, *_differences(present.closed, target.closed)]
        return [stage for stage in (first, opening) if stage]
    at_cell = replace(target.closed, voltage_v=cell_v)
    first = [*closing, *_differences(present.closed, at_cell)]
    return [stage for stage in (first, [SWITCH_ON, *_differences(at_cell, target.closed)], opening) if stage]


def after(values: SetValues, writes: list[Write]) -> SetValues:
    """What the set values are once these have been written."""
    return replace(values, **{write.what: write.value for write in writes if write is not SWITCH_ON})


def _differences(old: SetValues, new: SetValues) -> list[Write]:
    found = []
    if old.voltage_v != new.voltage_v:
        found.append(Write("voltage_v", new.voltage_v))
    if old.charge_a != new.charge_a:
        found.append(Write("charge_a", new.charge_a))
    if old.discharge_a != new.discharge_a:
        found.append(Write("discharge_a", new.discharge_a))
    return found


def _tightens(write: Write, present: SetValues) -> bool:
    lowers: bool = write.value < getattr(present, write.what)
    # A sink is held tighter by a higher voltage: that is the floor under the cell.
    return not lowers if write.what == "voltage_v" and present.direction == "discharge" else lowers
