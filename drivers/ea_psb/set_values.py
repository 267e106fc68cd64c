"""From a phase to set values, and from set values to the writes that lead there safely."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from enum import Enum
from typing import Literal

from cycler.contract.order import Direction, Phase
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import Ratings, raw_at_least, raw_at_most, real


class Setting(Enum):
    """What is written one by one: the fields of `SetValues`, and the output."""

    SINK_POWER = "sink_power"
    SINK_CURRENT = "sink_current"
    VOLTAGE = "voltage"
    SOURCE_CURRENT = "source_current"
    SOURCE_POWER = "source_power"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class SetValues:
    """As counts."""

    sink_power: int
    sink_current: int
    voltage: int
    source_current: int
    source_power: int

    @property
    def direction(self) -> Literal["charge", "discharge"] | None:
        """The only way in which current can flow; None where that is both or neither."""
        if bool(self.source_current) == bool(self.sink_current):
            return None
        return "charge" if self.source_current else "discharge"


@dataclass(frozen=True, slots=True)
class Held:
    """Set values as they read back. `rounding`: by how many counts what is shown may lie beside what is held."""

    values: SetValues
    rounding: SetValues = SetValues(0, 0, 0, 0, 0)

    def confirms(self, ordered: SetValues) -> bool:
        """Whether this is what was ordered: one count of rounding is normal, current from 0 is not."""
        return all(
            abs(shown - wanted) <= (1 + rounding if wanted else 0)
            for shown, wanted, rounding in zip(
                astuple(self.values), astuple(ordered), astuple(self.rounding), strict=True
            )
        )


@dataclass(frozen=True, slots=True)
class Write:
    """One message to the device: a set value as a count, or the output."""

    setting: Setting
    raw: int


SWITCH_ON, SWITCH_OFF = Write(Setting.OUTPUT, 1), Write(Setting.OUTPUT, 0)

VOLTAGE_ROUNDING: Mapping[Direction, Callable[[float, float], int]] = {
    "charge": raw_at_most, "discharge": raw_at_least,
}  # fmt: skip
"""To the count that keeps the cell on this side of the voltage."""


_WRITABLE = [setting for setting in Setting if setting is not Setting.OUTPUT]


def set_values_for(phase: Phase, ratings: Ratings, reach: Reach, *, power_w_max: float | None) -> SetValues:
    """What holds a phase within reach, rounded to the safe side: lower current and power, voltage away from its clamp.

    A charge can only source and a discharge only sink, because the other current is 0. So the set voltage is a clamp
    in the direction of the phase, kept by the device alone.
    """
    charges = phase.direction == "charge"
    _, power_max = reach.source_power if charges else reach.sink_power
    limits_w = (real(power_max, ratings.power_w), phase.power_w, power_w_max)
    power = raw_at_most(min(w for w in limits_w if w is not None), ratings.power_w)
    current = raw_at_most(phase.current_a, ratings.current_a)
    voltage = VOLTAGE_ROUNDING[phase.direction](phase.voltage_v, ratings.voltage_v)
    if charges:
        return SetValues(reach.sink_power[1], 0, voltage, current, power)
    return SetValues(power, current, voltage, 0, reach.source_power[1])


def achieved(phase: Phase, held: SetValues, ratings: Ratings) -> Phase:
    """The phase as the device holds it, by the set values read back."""
    charges = phase.direction == "charge"
    current_raw, power_raw = (
        (held.source_current, held.source_power) if charges else (held.sink_current, held.sink_power)
    )
    voltage_v = real(held.voltage, ratings.voltage_v)
    return replace(
        phase,
        # On a step of the device the quotient may differ from the order in its last binary digit.
        voltage_v=min(voltage_v, phase.voltage_v) if charges else max(voltage_v, phase.voltage_v),
        current_a=min(real(current_raw, ratings.current_a), phase.current_a),
        power_w=None if phase.power_w is None else min(real(power_raw, ratings.power_w), phase.power_w),
    )


def stages(present: SetValues, target: SetValues, *, output_on: bool, cell_raw: int) -> list[list[Write]]:
    """The writes that lead from `present` to `target`, in stages that are each to be read back before the next.

    After every single write the output is inside the old envelope or the new one, and it passes through both:
    - same direction: first all that tightens, then all that loosens;
    - else both currents to 0, then voltage and power, then the new current;
    - from off the output is switched on at 0 A and at the cell's own voltage (`cell_raw`, as near as it may be set), so
      that nothing rushes between the cell and the output's capacitors.
    """
    if output_on and present.direction is not None and present.direction == target.direction:
        writes = _differences(present, target)
        tighter = [write for write in writes if _tightens(write, present)]
        looser = [write for write in writes if not _tightens(write, present)]
        return [stage for stage in (tighter, looser) if stage]
    valve = Setting.SOURCE_CURRENT if target.direction == "charge" else Setting.SINK_CURRENT
    closed = replace(present, source_current=0, sink_current=0)
    ready = replace(target, source_current=0, sink_current=0)
    opening = [Write(valve, getattr(target, valve.value))]
    if output_on:
        first = [*_differences(present, closed), *_differences(closed, ready)]
        return [*([first] if first else []), opening]
    at_cell = replace(ready, voltage=cell_raw)
    first = [*_differences(present, closed), *_differences(closed, at_cell)]
    return [*([first] if first else []), [SWITCH_ON, *_differences(at_cell, ready)], opening]


def after(values: SetValues, writes: list[Write]) -> SetValues:
    """What the set values are once these have been written."""
    return replace(values, **{write.setting.value: write.raw for write in writes if write is not SWITCH_ON})


def _differences(old: SetValues, new: SetValues) -> list[Write]:
    pairs = zip(_WRITABLE, astuple(old), astuple(new), strict=True)
    return [Write(setting, there) for setting, here, there in pairs if here != there]


def _tightens(write: Write, present: SetValues) -> bool:
    present_raw: int = getattr(present, write.setting.value)
    lowers = write.raw < present_raw
    # A sink is held tighter by a higher voltage: that is the floor under the cell.
    return not lowers if write.setting is Setting.VOLTAGE and present.direction == "discharge" else lowers
