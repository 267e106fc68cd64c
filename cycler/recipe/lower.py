"""From a recipe's steps to what a channel executes: SI numbers for one cell type, phases with their clamps.

Lowering never refuses: what it makes of a step is judged by `check`. A number that follows from nothing is NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType, Envelope
from cycler.recipe.bay_rules import chamber_rule, chamber_wait_s, contact_rule, soak_rule, timeout_s
from cycler.recipe.bounds import ABOVE, bounds, end_voltage_v, trip_v
from cycler.recipe.contact_phases import contact_envelope, contact_phases
from cycler.recipe.ledger_phase import StartOfLife, envelope_of, lower_bound, start_of_life
from cycler.recipe.lower_condition import SAMPLES_ELECTRICAL, lower_condition
from cycler.recipe.model import (
    Alternatives,
    ChamberStep,
    ContactStep,
    DcirStep,
    DriveStep,
    ExecutedStep,
    LimitKeys,
    LoopStep,
    PerTurn,
    Recipe,
    RecordKeys,
    RestStep,
    SoakStep,
    Step,
    step_word,
)
from cycler.recipe.plan import (
    Comparison,
    Condition,
    ContactGroup,
    LoopEnd,
    LoopStart,
    Outcome,
    PlanPhase,
    PlanStep,
    PulseRule,
    RecordRule,
    Relation,
    StepVariant,
)
from cycler.recipe.units import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """What numbers depend on. Without a channel, nothing narrows the envelope but the recipe."""

    cell_type: CellType
    channel: ChannelRange | None
    record: RecordKeys
    targets: Mapping[str, int]  # where in the program a `goto` to this id leads
    life: StartOfLife
    group: ContactGroup

    @classmethod
    def of(
        cls, recipe: Recipe, cell_type: CellType, channel: ChannelRange | None, group: ContactGroup = 0
    ) -> "Lowering":
        """For the steps of this recipe."""
        return cls(
            cell_type=cell_type,
            channel=channel,
            record=recipe.record,
            targets=targets(recipe.steps),
            life=start_of_life(recipe),
            group=group,
        )


def program(steps: tuple[Step, ...], lowering: Lowering) -> tuple[PlanStep | LoopStart | LoopEnd, ...]:
    """All steps, loops as bracketing instructions."""
    found: list[PlanStep | LoopStart | LoopEnd] = []
    _extend(found, steps, lowering)
    return tuple(found)


def targets(steps: tuple[Step, ...]) -> dict[str, int]:
    """Of every id, the index in the program of the step that is executed first there."""
    found: dict[str, int] = {}
    _number(steps, 0, found)
    return found


def _number(steps: tuple[Step, ...], index: int, found: dict[str, int]) -> int:
    for step in steps:
        first: Step = step
        at = index
        while isinstance(first, LoopStep):
            first, at = first.steps[0], at + 1
        if step.id is not None:
            found[step.id] = at
        index = _number(step.steps, index + 1, found) + 1 if isinstance(step, LoopStep) else index + 1
    return index


def _extend(found: list[PlanStep | LoopStart | LoopEnd], steps: tuple[Step, ...], lowering: Lowering) -> None:
    for step in steps:
        if not isinstance(step, LoopStep):
            found.append(lower_step(step, lowering))
            continue
        start = len(found)
        found.append(LoopStart(times=step.times, end=start))
        _extend(found, step.steps, lowering)
        found[start] = LoopStart(times=step.times, end=len(found))
        found.append(LoopEnd(start=start))


def lower_step(step: ExecutedStep, lowering: Lowering) -> PlanStep:
    """One step, with a variant for each turn in which it differs."""
    cell_type, life = lowering.cell_type, lowering.life
    rated_ah, phase = cell_type.rated_capacity_ah, life.phase_of(step.path)
    envelope = narrowed(envelope_of(cell_type, phase), step.limits, rated_ah)
    if isinstance(step, ContactStep):
        envelope = contact_envelope(cell_type, envelope)
    variants = tuple(_variant(step, turn, envelope, lowering) for turn in range(_turns(step)))
    return PlanStep(
        step_id=step.name,
        path=step.path,
        line=step.line,
        step_type=step_word(step),
        tag=step.tag,
        variants=variants,
        record=record_rule(step.record or lowering.record, rated_ah),
        envelope=envelope,
        ledger_phase=phase,
        lower_bound=lower_bound(phase, envelope, cell_type) if life.latches else None,
        contact_proven=step.path not in life.unproven,
        pulse=PulseRule(values_s=tuple(value.number for value in step.values)) if isinstance(step, DcirStep) else None,
        chamber=chamber_rule(step),
        soak=soak_rule(step),
        contact=contact_rule(step),
        time_s_max=min(timeout_s(step), max(_time_s_max(variant) for variant in variants)),
    )


def narrowed(envelope: Envelope, limits: LimitKeys | None, rated_ah: float) -> Envelope:
    """With a step's `limits` in place of what they name."""
    if limits is None:
        return envelope
    changed: dict[str, object] = {}
    if limits.voltage is not None:
        changed["voltage_v_min"], changed["voltage_v_max"] = (bound.number for bound in limits.voltage)
    if limits.trip_margin is not None:
        changed["trip_margin_v"] = limits.trip_margin.number
    for key in ("charge_current", "discharge_current"):
        current: Quantity | None = getattr(limits, key)
        if current is not None:
            changed[f"{key}_a"] = ampere(current, rated_ah)
    for key in ("charge_temperature", "discharge_temperature"):
        pair: tuple[Quantity, Quantity] | None = getattr(limits, key)
        if pair is not None:
            changed[f"{key}_degc"] = (pair[0].number, pair[1].number)
    if limits.capacity is not None:
        capacity = limits.capacity
        changed["capacity_ah"] = capacity.number * (rated_ah / 100 if capacity.unit == "%" else 1.0)
    return replace(envelope, **changed)  # type: ignore[arg-type]  # the keys are the envelope's own


def ampere(current: Quantity, rated_ah: float) -> float:
    """A current, or a C-rate of the rated capacity."""
    return current.number * (rated_ah if current.unit == "C" else 1.0)


def _turns(step: ExecutedStep) -> int:
    per_turn: list[tuple[object, ...]] = [step.until, step.fail]
    match step:
        case DriveStep():
            per_turn += [step.current, step.voltage, step.power, step.resistance]
        case RestStep():
            per_turn += [step.time]
        case DcirStep():
            per_turn += [step.current, step.time, step.voltage, step.base, step.base_time, step.rest]
    return max(1, *(len(values) for values in per_turn))


def _at(values: PerTurn, turn: int) -> Quantity | None:
    if not values:
        return None
    return values[turn] if len(values) > 1 else values[0]


def _variant(step: ExecutedStep, turn: int, envelope: Envelope, lowering: Lowering) -> StepVariant:
    def conditions(turns: tuple[Alternatives, ...]) -> tuple[Condition, ...]:
        alternatives = turns[turn] if len(turns) > 1 else turns[0]
        cell_type, window = lowering.cell_type, step.window
        return tuple(lower_condition(each, window, cell_type, lowering.targets) for each in alternatives)

    variant = StepVariant(phases=(), until=conditions(step.until), fail=conditions(step.fail))
    match step:
        case DriveStep():
            return replace(variant, phases=(_drive_phase(step, turn, variant, envelope, lowering),))
        case RestStep():
            time = _at(step.time, turn)
            duration_s = None if time is None else time.number
            return replace(variant, phases=(PlanPhase(direction="rest", duration_s=duration_s),))
        case DcirStep():
            return _pulse(step, turn, variant, envelope, lowering)
        case SoakStep():
            return replace(variant, phases=(PlanPhase(direction="rest", held=True),))
        case ChamberStep():
            wait_s = chamber_wait_s(step)
            waits = (PlanPhase(direction="rest", duration_s=wait_s),) if wait_s else ()
            return replace(variant, phases=(PlanPhase(direction="rest", held=True), *waits))
        case ContactStep():
            return replace(variant, phases=contact_phases(lowering.cell_type, envelope, lowering.group))


def _drive_phase(step: DriveStep, turn: int, variant: StepVariant, envelope: Envelope, lowering: Lowering) -> PlanPhase:
    current, voltage = _at(step.current, turn), _at(step.voltage, turn)
    power, resistance = _at(step.power, turn), _at(step.resistance, turn)
    if voltage is None:
        clamp_v = _clamp_v(end_voltage_v(variant, step.direction), envelope, step.direction)
    else:
        clamp_v = voltage.number
    return PlanPhase(
        direction=step.direction,
        current_a=_limit_a(step.direction, envelope, lowering)
        if current is None
        else ampere(current, lowering.cell_type.rated_capacity_ah),
        voltage_v=clamp_v,
        power_w=None if power is None else power.number,
        resistance_ohm=None if resistance is None else resistance.number,
        holds_voltage=voltage is not None,
    )


def _clamp_v(end_v: float, envelope: Envelope, direction: Literal["charge", "discharge"]) -> float:
    """Halfway between the end and the trip: a clamp at the end itself would regulate just short of it for ever."""
    return (end_v + trip_v(envelope, direction)) / 2


def _limit_a(direction: Literal["charge", "discharge"], envelope: Envelope, lowering: Lowering) -> float:
    """The most that may flow where the recipe states no current."""
    channel = lowering.channel
    if direction == "charge":
        return min(envelope.charge_current_a, channel.charge_current_a_max if channel else inf)
    return min(envelope.discharge_current_a, channel.discharge_current_a_max if channel else inf)


def _pulse(step: DcirStep, turn: int, variant: StepVariant, envelope: Envelope, lowering: Lowering) -> StepVariant:
    rated_ah = lowering.cell_type.rated_capacity_ah
    voltage, rest = _at(step.voltage, turn), _at(step.rest, turn)
    base, base_time = _at(step.base, turn), _at(step.base_time, turn)
    current, time = _at(step.current, turn), _at(step.time, turn)
    assert current is not None and time is not None  # noqa: S101 (the reader fills them in)
    charging = step.direction == "charge"
    end_v = voltage.number if voltage else envelope.voltage_v_max if charging else envelope.voltage_v_min
    clamp_v = _clamp_v(end_v, envelope, step.direction)
    phases = []
    if rest is not None:
        phases.append(PlanPhase(direction="rest", duration_s=rest.number))
    for phase_current, phase_time in ((base, base_time), (current, time)):
        if phase_current is not None and phase_time is not None:
            phases.append(
                PlanPhase(
                    direction=step.direction,
                    current_a=ampere(phase_current, rated_ah),
                    voltage_v=clamp_v,
                    duration_s=phase_time.number,
                )
            )
    relation: Relation = ">=" if charging else "<="
    end = Condition(
        tests=(Comparison(quantity="voltage", relation=relation, value=end_v),),
        outcome=Outcome(kind="fail"),
        samples=SAMPLES_ELECTRICAL,
        text=f"voltage {relation} {Quantity(end_v, 'V')} -> fail",
    )
    return replace(variant, phases=tuple(phases), fail=(*variant.fail, end))


def _time_s_max(variant: StepVariant) -> float:
    """Inf where nothing bounds the time."""
    ends = [c.tests[0].value + c.for_s for c in bounds(variant, "time", ABOVE)]
    durations = [None if phase.held else phase.duration_s for phase in variant.phases]
    known = [duration_s for duration_s in durations if duration_s is not None]
    if len(known) == len(durations):
        ends.append(sum(known))
    return min(ends, default=inf)


def record_rule(keys: RecordKeys, rated_ah: float) -> RecordRule:
    """When a sample is kept, in SI numbers."""
    return RecordRule(
        every_s=keys.every.number if keys.every else None,
        voltage_v=keys.voltage.number if keys.voltage else None,
        current_a=ampere(keys.current, rated_ah) if keys.current else None,
        temperature_k=keys.temperature.number if keys.temperature else None,
    )
