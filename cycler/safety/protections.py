"""The protections that judge every sample of a channel, and where each of them trips for a given step.

What they are is declared in the catalogue; `guards_for` turns it into numbers once per step. The voltage trips are the
envelope's (bound ± margin), the current trips follow the set current of the step.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import Direction
from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import Envelope
from cycler.recipe.plan import Plan, PlanPhase, PlanStep, StepVariant, one_order
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.contact_check import CONTACT_OHM_MAX

GuardedQuantity = Literal[
    "voltage", "current", "temperature", "capacity", "time", "sense", "loop", "power", "energy", "cumulated",
    "set current", "set voltage",
]  # fmt: skip
"""V at the cell; A, signed, positive charges; degC; Ah moved in this step; s in this step; V from sense to output, as
any wires explain it and as these contacts do; W; Wh moved in this step; Ah one way since full or empty; A and V away
from what the device says that it holds."""

QUANTITIES: Mapping[AlarmCode, GuardedQuantity] = {
    AlarmCode.OVER_VOLTAGE: "voltage",
    AlarmCode.UNDER_VOLTAGE: "voltage",
    AlarmCode.CHARGE_OVER_CURRENT: "current",
    AlarmCode.DISCHARGE_OVER_CURRENT: "current",
    AlarmCode.STEP_OVER_CAPACITY: "capacity",
    AlarmCode.OVER_TEMPERATURE: "temperature",
    AlarmCode.UNDER_TEMPERATURE: "temperature",
    AlarmCode.SENSE_OPEN: "sense",
    AlarmCode.LOOP_VOLTAGE_DIFFERENCE: "loop",
    AlarmCode.STEP_TIMEOUT: "time",
    AlarmCode.OVER_POWER: "power",
    AlarmCode.OVER_ENERGY: "energy",
    AlarmCode.CUMULATED_OVER_CAPACITY: "cumulated",
    AlarmCode.CURRENT_DEVIATION: "set current",
    AlarmCode.VOLTAGE_DEVIATION: "set voltage",
}
"""What each guard compares."""

CURRENT_TOLERANCE_RATIO = 0.05  # of the set current, or three times the channel's accuracy where that is more
TEMPERATURE_JUMP_K = 100.0
VOLTAGE_JUMP_RATIO = 2.0
"""So far beyond its limit, or at so many times its highest voltage, no cell comes from one reading to the next."""
SENSE_V, SENSE_OHM = 0.1, 0.05
"""What an output may have more than the cell: by offsets, and by the leads and contacts of any rack."""
LOOP_V, LOOP_RATIO = 0.05, 2.0
"""The same, of the position's own contacts: an offset, and twice what the cell type lets them have."""
POWER_TOLERANCE_RATIO = 0.05
ENERGY_TOLERANCE_RATIO = 0.05  # the host sums up readings; a device counts the charge between them
SET_VOLTAGE_V_MIN = 0.01  # or four accuracies, six times the noise and a step of the converter, if that is more
TIMEOUT_SLACK_RATIO = 0.02  # the recipe's own bound ends a step; only a step that outlives it by this much trips
TIMEOUT_SLACK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A protection with its numbers. Inside [low, high] is fine; outside [hard_low, hard_high] trips at once.

    What comes to lie outside [sane_low, sane_high] at once is no reading of a cell: an instrument has failed.
    """

    code: AlarmCode
    quantity: GuardedQuantity
    low: float = -inf
    high: float = inf
    hard_low: float = -inf
    hard_high: float = inf
    sane_low: float = -inf
    sane_high: float = inf
    samples: int
    for_s: float


def guards_for(
    step: PlanStep,
    variant: StepVariant,
    channel: ChannelRange,
    *,
    temperature_measured: bool,
    cumulated_ah: float = inf,
    contact_ohm: float = CONTACT_OHM_MAX,
    lower_armed: bool = True,
    first_phase: int = 0,
    phases_max: int = 1,
) -> tuple[Guard, ...]:
    """The guards of one order of a step, which begins with its `first_phase`. Its phases share them: the widest current
    of any of them counts, and where some charge and others discharge, the temperature that suits both.

    `cumulated_ah`: what a cell may take or give since it was last empty or full. `lower_armed` is False for a cell that
    came unformed and has not yet passed the plan's latch. The stretches of a contact check, each to a held phase, have
    guards of their own, however many orders they take.
    """
    envelope = step.envelope
    reach = len(variant.phases) if step.contact is not None else phases_max
    phases = one_order(variant.phases, first_phase, reach)
    charge_a = max((p.current_a for p in phases if p.direction == "charge"), default=0.0)
    discharge_a = max((p.current_a for p in phases if p.direction == "discharge"), default=0.0)
    resting = all(phase.direction == "rest" for phase in phases)
    margin_v, jump_v = envelope.trip_margin_v, VOLTAGE_JUMP_RATIO * envelope.voltage_v_max
    guards = []
    if step.contact_proven or not resting:  # else nothing has flowed yet, and an open sense lead may show anything
        highest_v = envelope.voltage_v_max
        guards.append(
            _guard(
                AlarmCode.OVER_VOLTAGE,
                high=highest_v + margin_v,
                hard_high=highest_v + margin_v + _hard(AlarmCode.OVER_VOLTAGE, margin_v),
                sane_high=jump_v,
            )
        )
    guards += [
        _current_guard(AlarmCode.CHARGE_OVER_CURRENT, charge_a, envelope.charge_current_a, channel),
        _current_guard(AlarmCode.DISCHARGE_OVER_CURRENT, discharge_a, envelope.discharge_current_a, channel),
        _guard(AlarmCode.STEP_OVER_CAPACITY, high=envelope.capacity_ah, hard_high=envelope.capacity_ah),
        _guard(AlarmCode.STEP_TIMEOUT, high=timeout_s(step), hard_high=timeout_s(step)),
    ]
    lowest_v = lower_bound_v(step, variant, armed=lower_armed)
    if lowest_v is not None and not resting:  # at rest the relay is open, and a deep rebound is the recipe's business
        hard_v = lowest_v - margin_v - _hard(AlarmCode.UNDER_VOLTAGE, margin_v)
        guards.append(_guard(AlarmCode.UNDER_VOLTAGE, low=lowest_v - margin_v, hard_low=hard_v, sane_low=-jump_v))
    if step.contact is None and not resting:  # a contact check judges its wires by itself
        most_a, offsets_v = max(charge_a, discharge_a), 2 * channel.voltage_accuracy_v
        apart_v = SENSE_V + SENSE_OHM * most_a + offsets_v
        loop_v = LOOP_V + LOOP_RATIO * contact_ohm * most_a / channel.sub_channels + offsets_v
        guards.append(_guard(AlarmCode.SENSE_OPEN, low=-apart_v, high=apart_v))
        guards.append(_guard(AlarmCode.LOOP_VOLTAGE_DIFFERENCE, low=-loop_v, high=loop_v))
    if temperature_measured:
        low, high = _temperature_window(envelope, charging=charge_a > 0, discharging=discharge_a > 0)
        hard_k, jump_k = _hard(AlarmCode.OVER_TEMPERATURE), TEMPERATURE_JUMP_K
        guards.append(_guard(AlarmCode.OVER_TEMPERATURE, high=high, hard_high=high + hard_k, sane_high=high + jump_k))
        if not resting:
            hard_k = _hard(AlarmCode.UNDER_TEMPERATURE)
            guards.append(_guard(AlarmCode.UNDER_TEMPERATURE, low=low, hard_low=low - hard_k, sane_low=low - jump_k))
    if step.contact is None and not resting:
        guards += _guards_of_regulation(phases, envelope, channel)
    guards.append(_guard(AlarmCode.CUMULATED_OVER_CAPACITY, high=cumulated_ah))
    return tuple(guards)


def named_by(code: AlarmCode, direction: Direction) -> AlarmCode:
    """What a trip of voltage or current is, by the direction in which the device should be going.

    Only a charge takes a cell above its window: otherwise the sense wires do not show it.
    """
    if code is AlarmCode.OVER_VOLTAGE and direction != "charge":
        return AlarmCode.SENSE_OPEN
    currents: dict[AlarmCode, Direction] = {
        AlarmCode.CHARGE_OVER_CURRENT: "charge",
        AlarmCode.DISCHARGE_OVER_CURRENT: "discharge",
    }
    if code not in currents or currents[code] == direction:
        return code
    return AlarmCode.CURRENT_WHILE_IDLE if direction == "rest" else AlarmCode.WRONG_DIRECTION


def lower_bound_v(step: PlanStep, variant: StepVariant, *, armed: bool = True) -> float | None:
    """The lower voltage bound in force, without its margin; also what the device is told to keep.

    None in a contact check: it takes nothing out of a cell, and judges the voltage by its own verdict. Nothing is ever
    discharged below the formed envelope, whether or not that is armed.
    """
    if step.contact is not None:
        return None
    if step.lower_bound is None:
        return step.envelope.voltage_v_min
    discharges = any(phase.direction == "discharge" for phase in variant.different)
    return step.lower_bound.armed_v if armed or discharges else step.lower_bound.before_v


def widest(before: Iterable[Guard], after: Iterable[Guard]) -> tuple[Guard, ...]:
    """The guards while a new order is on its way: a sample may belong to either step, so both must be allowed."""
    merged: dict[AlarmCode, Guard] = {guard.code: guard for guard in before}
    for guard in after:
        old = merged.get(guard.code)
        if old is not None:
            guard = Guard(  # noqa: PLW2901 (the merged guard takes the place of the new one)
                code=guard.code,
                quantity=guard.quantity,
                low=min(old.low, guard.low),
                high=max(old.high, guard.high),
                hard_low=min(old.hard_low, guard.hard_low),
                hard_high=max(old.hard_high, guard.hard_high),
                sane_low=min(old.sane_low, guard.sane_low),
                sane_high=max(old.sane_high, guard.sane_high),
                samples=guard.samples,
                for_s=guard.for_s,
            )
        merged[guard.code] = guard
    return tuple(merged.values())


def current_band_a(set_a: float, channel: ChannelRange) -> float:
    """Two currents no farther apart than this are the same one."""
    return 2 * current_tolerance_a(set_a, channel)


def current_tolerance_a(set_a: float, channel: ChannelRange) -> float:
    """How far a current may lie beyond its set value before that is a trip."""
    return max(CURRENT_TOLERANCE_RATIO * set_a, 3 * channel.current_accuracy_a)


def timeout_s(step: PlanStep) -> float:
    """When a step has outlived its own bound. The device's limit is the same: the recipe's end must come first.

    Never for a step that sets the chamber: waiting for it is no step time, and a soak's own time-out is its watch's.
    """
    if step.chamber is not None:
        return inf
    return step.time_s_max * (1 + TIMEOUT_SLACK_RATIO) + TIMEOUT_SLACK_S


def has_outlived(timed_s: float, steps: int, plan: Plan) -> tuple[AlarmCode, str] | None:
    """Why a run must not go on: so many steps have together lasted for longer than the whole recipe may."""
    longest_s = plan.time_s_max * (1 + TIMEOUT_SLACK_RATIO) + TIMEOUT_SLACK_S * steps
    if timed_s <= longest_s:
        return None
    code = AlarmCode.TOTAL_TIMEOUT
    return (
        code,
        f"{CATALOGUE[code].name}: {timed_s:.0f} s in {steps} steps, the recipe takes {plan.time_s_max:.0f} s at most",
    )


def _guard(
    code: AlarmCode,
    *,
    low: float = -inf,
    high: float = inf,
    hard_low: float = -inf,
    hard_high: float = inf,
    sane_low: float = -inf,
    sane_high: float = inf,
) -> Guard:
    debounce = CATALOGUE[code].debounce
    return Guard(
        code=code,
        quantity=QUANTITIES[code],
        low=low,
        high=high,
        hard_low=hard_low,
        hard_high=hard_high,
        sane_low=sane_low,
        sane_high=sane_high,
        samples=debounce.samples,
        for_s=debounce.for_s,
    )


def _hard(code: AlarmCode, margin: float = 1.0) -> float:
    """How far beyond its limit a protection trips at once, whose limit has this margin."""
    hard = CATALOGUE[code].hard
    if hard is None:
        return inf
    return hard.beyond * margin if hard.unit == "margin" else hard.beyond


def _guards_of_regulation(phases: Sequence[PlanPhase], envelope: Envelope, channel: ChannelRange) -> Iterator[Guard]:
    """What holds while the device regulates: power and energy, and that it holds what it says that it holds."""
    highest_v = envelope.voltage_v_max + envelope.trip_margin_v
    powers_w = [
        max((p.current_a + current_tolerance_a(p.current_a, channel)) * highest_v, p.power_w or 0.0) for p in phases
    ]
    set_w = min(max(powers_w), channel.power_w_max)
    tolerance_w = POWER_TOLERANCE_RATIO * set_w + 3 * channel.current_accuracy_a * highest_v
    yield _guard(
        AlarmCode.OVER_POWER,
        high=set_w + tolerance_w,
        hard_high=set_w + tolerance_w + _hard(AlarmCode.OVER_POWER, tolerance_w),
        sane_high=VOLTAGE_JUMP_RATIO * set_w,
    )
    yield _guard(AlarmCode.OVER_ENERGY, high=envelope.capacity_ah * highest_v * (1 + ENERGY_TOLERANCE_RATIO))
    tolerance_a = current_tolerance_a(max(p.current_a for p in phases), channel)
    yield _guard(AlarmCode.CURRENT_DEVIATION, low=-tolerance_a)
    tolerance_v = max(
        SET_VOLTAGE_V_MIN,
        4 * channel.voltage_accuracy_v + 6 * channel.voltage_noise_v + channel.voltage_resolution_v,
    )
    yield _guard(AlarmCode.VOLTAGE_DEVIATION, low=-tolerance_v, high=tolerance_v)


def _current_guard(code: AlarmCode, set_a: float, envelope_a: float, channel: ChannelRange) -> Guard:
    tolerance_a = current_tolerance_a(set_a, channel)
    limit_a = min(set_a, envelope_a) + tolerance_a
    if code is AlarmCode.CHARGE_OVER_CURRENT:
        return _guard(code, high=limit_a, hard_high=limit_a + _hard(code, tolerance_a))
    return _guard(code, low=-limit_a, hard_low=-limit_a - _hard(code, tolerance_a))


def _temperature_window(envelope: Envelope, *, charging: bool, discharging: bool) -> tuple[float, float]:
    charge, discharge = envelope.charge_temperature_degc, envelope.discharge_temperature_degc
    if charging and discharging:
        return max(charge[0], discharge[0]), min(charge[1], discharge[1])
    if charging or discharging:
        return charge if charging else discharge
    return min(charge[0], discharge[0]), max(charge[1], discharge[1])
