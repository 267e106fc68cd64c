"""A recipe in words: everything that will happen to a cell, with every number that follows from its cell type."""

from collections.abc import Iterator
from math import inf

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType, Envelope
from cycler.recipe.bounds import drive_direction, end_voltage_v, trip_v
from cycler.recipe.canonical import content_hash
from cycler.recipe.ledger_phase import latch_of, start_of_life
from cycler.recipe.lower import lower_step, lowering_of, record_rule
from cycler.recipe.model import ExecutedStep, LoopStep, Recipe, Step
from cycler.recipe.plan import Condition, PlanPhase, PlanStep, RecordRule, StepVariant
from cycler.recipe.steps.scope import Lowering
from cycler.recipe.steps.table import kind_of
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words

PHASES_SHOWN_MAX = 12
"""Of one step, each on a line of its own; of more, what they ask for."""


def describe(recipe: Recipe, cell_type: CellType, channel: ChannelRange | None = None) -> list[str]:
    """The lines that people read before they release a recipe. The recipe has been checked."""
    lowering = lowering_of(recipe, cell_type, channel)
    rated_a = in_words(cell_type.rated_capacity_ah, "A")
    lines = [
        f"{recipe.recipe} {recipe.version}  {content_hash(recipe)[:12]}",
        f"cell type {cell_type.name}: rated {in_words(cell_type.rated_capacity_ah, 'Ah')}, so 1C is {rated_a}",
        f"takes cells that are {' or '.join(recipe.from_state)}"
        + (f", leaves them {recipe.to_state}" if recipe.to_state else ""),
        *_envelopes(recipe, cell_type),
        f"keeps a sample {_record(record_rule(recipe.record, cell_type.rated_capacity_ah))}, and at the edges of steps",
        "",
    ]
    lines.extend(_steps(recipe.steps, lowering, ""))
    lines += ["", f"takes {in_words(worst_case_s(recipe, cell_type), 's')} at most"]
    return lines


def worst_case_s(recipe: Recipe, cell_type: CellType) -> float:
    """Every step at its own bound in time, every loop to its last turn; pauses and waiting not counted."""
    lowering = lowering_of(recipe, cell_type, None)

    def total_s(steps: tuple[Step, ...]) -> float:
        return sum(
            step.times * total_s(step.steps) if isinstance(step, LoopStep) else lower_step(step, lowering).time_s_max
            for step in steps
        )

    return total_s(recipe.steps)


def _envelopes(recipe: Recipe, cell_type: CellType) -> Iterator[str]:
    """What the cells are held to, from when on."""
    if recipe.purpose == "abuse":
        yield f"an ABUSE TEST: envelope {_envelope(cell_type.envelopes['abuse'])}"
        return
    latch, envelopes, first = latch_of(recipe, cell_type), cell_type.envelopes, ""
    if "filled" in recipe.from_state:
        yield f"envelope {_envelope(envelopes['filled'])}, through the first charge"
        first = "then "
    yield f"{first or 'envelope '}{_envelope(envelopes['formed'])}"
    if start_of_life(recipe).disposal:
        yield f"from its first current on {_envelope(envelopes['disposal'])}"
    if latch is not None:
        yield f"whose lower bound guards charges once the cell has had {latch.arms_v:.4g} V, and discharges always"


def _envelope(envelope: Envelope) -> str:
    return (
        f"{envelope.voltage_v_min:g} to {envelope.voltage_v_max:g} V,"
        f" trips at {trip_v(envelope, 'discharge'):.4g} and {trip_v(envelope, 'charge'):.4g} V,"
        f" at most {in_words(envelope.charge_current_a, 'A')} in charge,"
        f" {in_words(envelope.discharge_current_a, 'A')} in discharge"
    )


def _steps(steps: tuple[Step, ...], lowering: Lowering, indent: str) -> Iterator[str]:
    for step in steps:
        named = f" {step.id}" if step.id else ""
        if isinstance(step, LoopStep):
            yield f"{indent}{step.path}  {_loop(step, named)}"
            yield from (f"{indent}    leaves it when {condition}" for condition in step.until)
            yield from _steps(step.steps, lowering, indent + "    ")
        else:
            yield from _step(step, lower_step(step, lowering), lowering.cell_type, f"{indent}{step.path}  ", named)


def _loop(step: LoopStep, named: str) -> str:
    if step.origin is not None:
        return f"recipe{named}: {step.origin.recipe} {step.origin.version}"
    return f"loop{named}: {step.times} times{' at most' if step.until else ''}"


def _step(step: ExecutedStep, lowered: PlanStep, cell_type: CellType, path: str, named: str) -> Iterator[str]:
    tag = f", tagged {step.tag}" if step.tag else ""
    inner = " " * len(path)
    yield f"{path}{lowered.step_type}{named}{tag}"
    yield from (inner + line for line in kind_of(step).lines(lowered))
    several = len(lowered.variants) > 1
    for turn, variant in enumerate(lowered.variants, start=1):
        prefix = f"turn {turn}: " if several else ""
        yield from (f"{inner}{prefix}{line}" for line in _phases(variant, lowered, cell_type))
        for key, conditions in (("ends when", variant.until), ("fails when", variant.fail)):
            for condition in conditions:
                yield f"{inner}{prefix}{_condition(key, condition)}"
    if step.limits is not None:
        own = lowered.envelope
        yield (
            f"{inner}narrower limits: {own.voltage_v_min:g} to {own.voltage_v_max:g} V,"
            f" {in_words(own.charge_current_a, 'A')} in charge, {in_words(own.discharge_current_a, 'A')} in discharge,"
            f" {in_words(own.capacity_ah, 'Ah')}"
        )
    if step.record is not None:
        yield f"{inner}keeps a sample {_record(lowered.record)}"
    if lowered.time_s_max < inf:
        yield f"{inner}takes {in_words(lowered.time_s_max, 's')} at most"


def _phases(variant: StepVariant, step: PlanStep, cell_type: CellType) -> Iterator[str]:
    if len(variant.different) <= PHASES_SHOWN_MAX:
        yield from (_phase(phase, variant, step, cell_type) for phase in variant.different)
    else:
        yield from _many(variant, step)
    if len(variant.phases) > len(variant.different):
        yield f"all of it {len(variant.phases) // len(variant.different)} times"


def _many(variant: StepVariant, step: PlanStep) -> Iterator[str]:
    """More phases than anybody reads: what each direction is asked for, from least to most."""
    for direction in ("charge", "discharge", "rest"):
        phases = [phase for phase in variant.different if phase.direction == direction]
        if not phases:
            continue
        stretches = "stretch" if len(phases) == 1 else "stretches"
        times = f"{len(phases)} {stretches}, {in_words(sum(phase.duration_s or 0.0 for phase in phases), 's')} in all"
        if direction == "rest":
            yield f"relay open: {times}"
            continue
        if phases[0].holds_voltage:
            what = f"holding {_span([p.voltage_v for p in phases], 'V')}, at most {in_words(phases[0].current_a, 'A')}"
        elif phases[0].power_w is not None:
            what = (
                f"with {_span([p.power_w or 0.0 for p in phases], 'W')}, at most {in_words(phases[0].current_a, 'A')}"
            )
        else:
            what = f"with {_span([p.current_a for p in phases], 'A')}"
        end = "" if phases[0].holds_voltage else f"; {_end(phases[0], variant)}"
        yield f"{direction} {what}: {times}{end}; trip {trip_v(step.envelope, drive_direction(phases[0])):.4g} V"


def _span(values: list[float], unit: str) -> str:
    return f"{in_words(min(values), unit)} to {in_words(max(values), unit)}"


def _end(phase: PlanPhase, variant: StepVariant) -> str:
    end_v = end_voltage_v(variant, drive_direction(phase))
    return f"end {in_words(end_v, 'V')}, clamp {phase.voltage_v:.4g} V"


def _phase(phase: PlanPhase, variant: StepVariant, step: PlanStep, cell_type: CellType) -> str:
    """What is regulated, and the three voltages of its end: target or end, clamp, trip."""
    at_least = " at least" if phase.held else ""
    for_ = f" for {in_words(phase.duration_s, 's')}{at_least}" if phase.duration_s else ""
    if phase.direction == "rest":
        return f"relay open{for_}"
    trip = f"trip {trip_v(step.envelope, phase.direction):.4g} V"
    if phase.power_w is not None:
        what = f"{phase.direction} with {in_words(phase.power_w, 'W')}, at most {in_words(phase.current_a, 'A')}"
    elif phase.resistance_ohm is not None:
        what = (
            f"{phase.direction} over {in_words(phase.resistance_ohm, 'Ohm')}, at most {in_words(phase.current_a, 'A')}"
        )
    else:
        rated_ah = cell_type.rated_capacity_ah
        base = f"{_c_rate(phase.current_a / rated_ah)} of {in_words(rated_ah, 'Ah')}"
        what = f"{phase.direction} with {in_words(phase.current_a, 'A')} ({base})"
    if phase.above_rest_v is not None:
        clamp = f"clamp {in_words(phase.above_rest_v, 'V')} above rest, {phase.voltage_v:.4g} V at most"
        return f"{what}{for_}; {clamp}; {trip}"
    if phase.holds_voltage:
        return f"{what}{for_}, then hold {in_words(phase.voltage_v, 'V')}; {trip}"
    return f"{what}{for_}; {_end(phase, variant)}, {trip}"


def _condition(key: str, condition: Condition) -> str:
    """The author's words, and in SI what depends on the cell type."""
    resolved = [
        f"{in_words(test.value, 'A' if test.quantity == 'current' else 'Ah' if test.quantity == 'capacity' else 'Wh')}"
        for test in condition.tests
        if test.quantity in {"current", "capacity", "energy"} and test.of_tag is None
    ]
    samples = f", {condition.samples} samples" if condition.samples > 1 else ""
    numbers = f" [{', '.join(resolved)}{samples}]" if resolved else f" [{condition.samples} samples]" if samples else ""
    return f"{key} {condition.text}{numbers}"


def _record(rule: RecordRule) -> str:
    units = ((rule.every_s, "s"), (rule.voltage_v, "V"), (rule.current_a, "A"), (rule.temperature_k, "degC"))
    changes = [in_words(value, unit) for value, unit in units[1:] if value is not None]
    every = [f"every {in_words(rule.every_s, 's')}"] if rule.every_s is not None else []
    return " and ".join([*every, *([f"on a change of {', '.join(changes)}"] if changes else [])])


def _c_rate(rate: float) -> str:
    exact = str(Quantity(rate, "C"))
    return exact if len(exact) <= 8 else f"{rate:.4g}C"
