"""`hold`: relay open until a person answers, or until all cells of the group have come."""

import json
from collections.abc import Iterator
from dataclasses import replace

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.condition import NAME
from cycler.recipe.fields import Fields, as_name, as_text
from cycler.recipe.model import HoldStep
from cycler.recipe.plan import Comparison, Condition, HoldRule, Outcome, PlanPhase, PlanStep
from cycler.recipe.problems import MistakeError
from cycler.recipe.steps.form import Amounts, Common, OtherKey, StepForm, above_zero
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.words import in_words
from cycler.recipe.yaml_nodes import Node

MESSAGE_MAX = 200


def _message(node: Node) -> str:
    text = as_text(node)
    if len(text) > MESSAGE_MAX or not text.isprintable():
        raise MistakeError("message", f"a message is one line of at most {MESSAGE_MAX} characters")
    return text


MESSAGE = OtherKey(
    read=_message,
    text=lambda message: json.dumps(message, ensure_ascii=False),
    schema={"type": "string", "minLength": 1, "maxLength": MESSAGE_MAX},
)
GROUP = OtherKey(read=as_name, text=str, schema={"type": "string", "pattern": f"^(?:{NAME.pattern})$"})


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> HoldStep | None:
    message, group = fields.take("message", MESSAGE.read), fields.take("group", GROUP.read)
    timeout = above_zero(fields, "timeout", "s")
    if "timeout" not in fields:
        fields.refuse("timeout", "no-time", "hold has no time limit: it would wait for ever", "give `timeout`")
    if "message" not in fields and "group" not in fields:
        hint = "give `message` for a person, or `group` for the other cells"
        fields.refuse("", "mode", "hold waits for nobody", hint)
    if "until" in fields:
        fields.refuse("until", "mode", "hold ends by its answer, or with its group", "leave `until` out")
    return None if timeout is None else HoldStep(message=message, group=group, timeout=timeout, **common)


def _fails(step: HoldStep, _: Scope) -> tuple[Condition, ...]:
    """Who has not come by then needs a person."""
    return (
        Condition(
            tests=(Comparison(quantity="time", relation=">=", value=step.timeout.number),),
            outcome=Outcome(kind="hold"),
            samples=1,
            text=f"time >= {step.timeout} -> hold",
        ),
    )


def _complete(step: HoldStep, lowered: PlanStep) -> PlanStep:
    return replace(lowered, hold=HoldRule(message=step.message, group=step.group))


def _lines(step: PlanStep) -> Iterator[str]:
    if step.hold is not None and step.hold.group is not None:
        yield f"goes on when all cells of the group {step.hold.group} have come, in {in_words(step.time_s_max, 's')}"
    if step.hold is not None and step.hold.message is not None:
        yield f"asks a person, for {in_words(step.time_s_max, 's')}: {step.hold.message}"


HOLD = StepKind(
    form=StepForm(singles={"timeout": ("s",)}, others={"message": MESSAGE, "group": GROUP}, build=_build),
    phases=lambda _, __: (PlanPhase(direction="rest", held=True),),
    fails=_fails,
    complete=_complete,
    timeout_s=lambda step: step.timeout.number,
    lines=_lines,
)
