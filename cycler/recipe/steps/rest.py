"""`rest`: relay open for so long, or until a condition says so; digital outputs of the bay may be set meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.condition import NAME
from cycler.recipe.fields import Fields, as_map, as_word
from cycler.recipe.model import RestStep
from cycler.recipe.plan import Comparison, Condition, Outcome, OutputRule, PlanPhase, PlanStep, StepVariant
from cycler.recipe.problems import MistakeError, shown
from cycler.recipe.steps.form import Amounts, Common, OtherKey, StepForm
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words
from cycler.recipe.yaml_nodes import Node

WAITS_S_MAX = 3600.0
"""With outputs, for the other cells to come; who may wait for longer lets them hold for each other before."""


def _outputs(node: Node) -> tuple[tuple[str, bool], ...]:
    entries = as_map(node).entries
    if not entries:
        raise MistakeError("empty", "no output is named", "write {short-switch: on}")
    for name in entries:
        if not NAME.fullmatch(name):
            hint = "small letters, digits, - and _, beginning with a letter"
            raise MistakeError("name", f"{shown(name)} is no name of an output", hint)
    return tuple((name, as_word(value, ("on", "off")) == "on") for name, value in sorted(entries.items()))


def _text(outputs: tuple[tuple[str, bool], ...]) -> str:
    return f"{{{', '.join(f'{name}: {_word(state)}' for name, state in outputs)}}}"


def _word(state: bool) -> str:
    return "on" if state else "off"


OUTPUTS = OtherKey(
    read=_outputs,
    text=_text,
    schema={
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"type": "string", "pattern": f"^(?:{NAME.pattern})$"},
        "additionalProperties": {"enum": ["on", "off", True, False]},
    },
)


def _build(fields: Fields, common: Common, amounts: Amounts, __: DcirDefaults) -> RestStep | None:
    values: dict[str, Any] = {**common, **amounts}
    outputs = fields.take("outputs", OUTPUTS.read)
    if "outputs" in fields and "time" not in fields:
        fields.refuse("outputs", "no-time", "outputs are set for a time", "give `time`")
        return None
    return RestStep(outputs=outputs, **values)


def _phases(step: RestStep, scope: Scope) -> tuple[PlanPhase, ...]:
    time = scope.at(step.time)
    rest = PlanPhase(direction="rest", duration_s=None if time is None else time.number)
    return (rest,) if step.outputs is None else (PlanPhase(direction="rest", held=True), rest)


def _fails(step: RestStep, scope: Scope) -> tuple[Condition, ...]:
    """Of a step with outputs: who has waited for the others for too long needs a person."""
    if step.outputs is None:
        return ()
    time = scope.at(step.time)
    value_s = WAITS_S_MAX + (0.0 if time is None else time.number)
    return (
        Condition(
            tests=(Comparison(quantity="time", relation=">=", value=value_s),),
            outcome=Outcome(kind="hold"),
            samples=1,
            text=f"time >= {Quantity(value_s, 's')} -> hold",
        ),
    )


def _complete(step: RestStep, lowered: PlanStep) -> PlanStep:
    return lowered if step.outputs is None else replace(lowered, outputs=OutputRule(states=dict(step.outputs)))


def _timeout_s(step: RestStep) -> float:
    if step.outputs is None:
        return inf
    return WAITS_S_MAX + max((time.number for time in step.time), default=0.0)


def _check(judge: StepJudge, _: StepVariant, __: Sequence[PlanPhase]) -> None:
    if judge.step.time_s_max == inf:
        judge.refuse("no-time", "has no time limit: it would rest for ever", "give `time`")


def _lines(step: PlanStep) -> Iterator[str]:
    if step.outputs is not None:
        states = ", ".join(f"{name} {_word(state)}" for name, state in step.outputs.states.items())
        yield f"outputs {states}, once all cells have come, in {in_words(WAITS_S_MAX, 's')}; safe again at its end"


REST = StepKind(
    form=StepForm(amounts={"time": ("s",)}, others={"outputs": OUTPUTS}, build=_build),
    phases=_phases,
    fails=_fails,
    complete=_complete,
    check=_check,
    timeout_s=_timeout_s,
    lines=_lines,
)
