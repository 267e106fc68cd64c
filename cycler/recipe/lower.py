"""From a recipe's steps to what a channel executes: SI numbers for one cell type, phases with their clamps.

Lowering never refuses: what it makes of a step is judged by `check`. A number that follows from nothing is NaN.
"""

from dataclasses import replace
from math import inf

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType, Envelope
from cycler.recipe.bounds import ABOVE, bounds
from cycler.recipe.contact_phases import contact_envelope
from cycler.recipe.ledger_phase import envelope_of, lower_bound, start_of_life
from cycler.recipe.lower_condition import lower_condition
from cycler.recipe.model import (
    Alternatives,
    ContactStep,
    ExecutedStep,
    LimitKeys,
    LoopStep,
    Recipe,
    RecordKeys,
    Step,
    step_word,
)
from cycler.recipe.plan import Condition, ContactGroup, LoopEnd, LoopStart, PlanStep, RecordRule, StepVariant
from cycler.recipe.steps.scope import Lowering, Scope, ampere
from cycler.recipe.steps.table import kind_of
from cycler.recipe.units import Quantity
from cycler.recipe.variables import variable_dimensions


def lowering_of(recipe: Recipe, cell_type: CellType, channel: ChannelRange | None, group: ContactGroup = 0) -> Lowering:
    """For the steps of this recipe."""
    return Lowering(
        cell_type=cell_type,
        channel=channel,
        record=recipe.record,
        targets=targets(recipe.steps),
        life=start_of_life(recipe),
        group=group,
        variables=variable_dimensions(recipe),
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
        until = tuple(lower_condition(each, None, lowering.cell_type, lowering.targets) for each in step.until)
        loop = LoopStart(times=step.times, end=start, until=until, step_id=step.name)
        found.append(loop)
        _extend(found, step.steps, lowering)
        found[start] = replace(loop, end=len(found))
        found.append(LoopEnd(start=start))


def lower_step(step: ExecutedStep, lowering: Lowering) -> PlanStep:
    """One step, with a variant for each turn in which it differs."""
    cell_type, life, kind = lowering.cell_type, lowering.life, kind_of(step)
    rated_ah, phase = cell_type.rated_capacity_ah, life.phase_of(step.path)
    envelope = narrowed(envelope_of(cell_type, phase), step.limits, rated_ah)
    if isinstance(step, ContactStep):
        envelope = contact_envelope(cell_type, envelope)
    variants = tuple(_variant(step, turn, envelope, lowering) for turn in range(_turns(step)))
    lowered = PlanStep(
        step_id=step.name,
        path=step.path,
        line=step.line,
        step_type=step_word(step),
        tag=step.tag,
        variants=variants,
        record=record_rule(step.record or lowering.record, rated_ah),
        envelope=envelope,
        ledger_phase=phase,
        lower_bound=lower_bound(phase, envelope, cell_type) if life.latches and phase != "disposal" else None,
        contact_proven=step.path not in life.unproven,
        assignments=kind.assigns(step, lowering),
        time_s_max=min(kind.timeout_s(step), max(_time_s_max(variant) for variant in variants)),
    )
    return kind.complete(step, lowered)


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


def _turns(step: ExecutedStep) -> int:
    per_turn = [step.until, step.fail, *(getattr(step, key) for key in kind_of(step).form.amounts)]
    return max(1, *(len(values) for values in per_turn))


def _variant(step: ExecutedStep, turn: int, envelope: Envelope, lowering: Lowering) -> StepVariant:
    def conditions(turns: tuple[Alternatives, ...]) -> tuple[Condition, ...]:
        alternatives = turns[turn] if len(turns) > 1 else turns[0]
        return tuple(lower_condition(each, step.window, lowering.cell_type, lowering.targets) for each in alternatives)

    kind = kind_of(step)
    scope = Scope(
        lowering=lowering, envelope=envelope, turn=turn, until=conditions(step.until), fail=conditions(step.fail)
    )
    return StepVariant(phases=kind.phases(step, scope), until=scope.until, fail=(*scope.fail, *kind.fails(step, scope)))


def _time_s_max(variant: StepVariant) -> float:
    """Inf where nothing bounds the time."""
    ends = [c.tests[0].value + c.for_s for c in bounds(variant, "time", ABOVE)]
    if variant.duration_s is not None:
        ends.append(variant.duration_s)
    return min(ends, default=inf)


def record_rule(keys: RecordKeys, rated_ah: float) -> RecordRule:
    """When a sample is kept, in SI numbers."""
    return RecordRule(
        every_s=keys.every.number if keys.every else None,
        voltage_v=keys.voltage.number if keys.voltage else None,
        current_a=ampere(keys.current, rated_ah) if keys.current else None,
        temperature_k=keys.temperature.number if keys.temperature else None,
    )
