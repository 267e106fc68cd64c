"""From a phase to set values, and from set values to the writes that lead there safely."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from cycler.contract.order import Direction, Phase
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import Ratings, raw_at_least, raw_at_most, real


class Setting(Enum):
    """What is written one by one: the fields of `SetValues`, and two that are on or off."""

    SINK_POWER = "sink_power"
    SINK_CURRENT = "sink_current"
    VOLTAGE = "voltage"
    SOURCE_CURRENT = "source_current"
    SOURCE_POWER = "source_power"
    SINK_RESISTANCE = "sink_resistance"
    RESISTANCE_MODE = "resistance_mode"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class SetValues:
    """As counts."""

    sink_power: int
    sink_current: int
    voltage: int
    source_current: int
    source_power: int
    sink_resistance: int | None = None  # None: out of resistance mode, where the device's own number counts for nothing

    @property
    def counts(self) -> tuple[int, ...]:
        """All that every mode has."""
        return self.sink_power, self.sink_current, self.voltage, self.source_current, self.source_power

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
        ohm, wanted_ohm = self.values.sink_resistance, ordered.sink_resistance
        resists = ohm is wanted_ohm if ohm is None or wanted_ohm is None else abs(ohm - wanted_ohm) <= 1
        return resists and all(
            abs(shown - wanted) <= (1 + rounding if wanted else 0)
            for shown, wanted, rounding in zip(self.values.counts, ordered.counts, self.rounding.counts, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Write:
    """One message to the device: a set value as a count, or what is on (1) or off (0)."""

    setting: Setting
    raw: int


SWITCH_ON, SWITCH_OFF = Write(Setting.OUTPUT, 1), Write(Setting.OUTPUT, 0)
ENTER_RESISTANCES, LEAVE_RESISTANCES = Write(Setting.RESISTANCE_MODE, 1), Write(Setting.RESISTANCE_MODE, 0)
_SWITCHES = (Setting.OUTPUT, Setting.RESISTANCE_MODE)

VOLTAGE_ROUNDING: Mapping[Direction, Callable[[float, float], int]] = {
    "charge": raw_at_most, "discharge": raw_at_least,
}  # fmt: skip
"""To the count that keeps the cell on this side of the voltage."""


_COUNTS = (
    Setting.SINK_POWER, Setting.SINK_CURRENT, Setting.VOLTAGE, Setting.SOURCE_CURRENT, Setting.SOURCE_POWER,
)  # fmt: skip


def set_values_for(phase: Phase, ratings: Ratings, reach: Reach, *, power_w_max: float | None) -> SetValues:
    """What holds a phase within reach, rounded to the safe side: lower current and power, higher resistance, voltage
    away from its clamp.

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
    resistance = None
    if phase.resistance_ohm is not None:
        resistance = raw_at_least(phase.resistance_ohm, ratings.resistance_ohm_max)
    return SetValues(power, current, voltage, 0, reach.source_power[1], resistance)


def achieved(phase: Phase, held: SetValues, ratings: Ratings) -> Phase:
    """The phase as the device holds it, by the set values read back."""
    charges = phase.direction == "charge"
    current_raw, power_raw = (
        (held.source_current, held.source_power) if charges else (held.sink_current, held.sink_power)
    )
    voltage_v = real(held.voltage, ratings.voltage_v)
    resistance_ohm = phase.resistance_ohm
    if resistance_ohm is not None and held.sink_resistance is not None:
        resistance_ohm = max(real(held.sink_resistance, ratings.resistance_ohm_max), resistance_ohm)
    return replace(
        phase,
        # On a step of the device the quotient may differ from the order in its last binary digit.
        voltage_v=min(voltage_v, phase.voltage_v) if charges else max(voltage_v, phase.voltage_v),
        current_a=min(real(current_raw, ratings.current_a), phase.current_a),
        power_w=None if phase.power_w is None else min(real(power_raw, ratings.power_w), phase.power_w),
        resistance_ohm=resistance_ohm,
    )


def stages(present: SetValues, target: SetValues, *, output_on: bool, cell_raw: int) -> list[list[Write]]:
    """The writes that lead from `present` to `target`, in stages that are each to be read back before the next.

    After every single write the output is inside the old envelope or the new one, and it passes through both:
    - same direction and mode: first all that tightens, then all that loosens;
    - else both currents to 0, then voltage, power, resistance and mode, then the new current;
    - from off the output is switched on at 0 A and at the cell's own voltage (`cell_raw`, as near as it may be set), so
      that nothing rushes between the cell and the output's capacitors.
    """
    same_mode = (present.sink_resistance is None) is (target.sink_resistance is None)
    if output_on and same_mode and present.direction is not None and present.direction == target.direction:
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
    held = replace(values, **{write.setting.value: write.raw for write in writes if write.setting not in _SWITCHES})
    return replace(held, sink_resistance=None) if LEAVE_RESISTANCES in writes else held


def _differences(old: SetValues, new: SetValues) -> list[Write]:
    pairs = zip(_COUNTS, old.counts, new.counts, strict=True)
    writes = [Write(setting, there) for setting, here, there in pairs if here != there]
    if new.sink_resistance is None:
        return writes if old.sink_resistance is None else [*writes, LEAVE_RESISTANCES]
    if new.sink_resistance != old.sink_resistance:
        writes.append(Write(Setting.SINK_RESISTANCE, new.sink_resistance))
    return writes if old.sink_resistance is not None else [*writes, ENTER_RESISTANCES]


def _tightens(write: Write, present: SetValues) -> bool:
    present_raw: int = getattr(present, write.setting.value)
    lowers = write.raw < present_raw
    if write.setting is Setting.SINK_RESISTANCE:
        return not lowers
    # A sink is held tighter by a higher voltage: that is the floor under the cell.
    return not lowers if write.setting is Setting.VOLTAGE and present.direction == "discharge" else lowers
