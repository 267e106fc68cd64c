"""`set`: variables get values, by arithmetic on quantities, results of tagged steps and other variables."""

from collections.abc import Iterator, Sequence

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.assignments import assignments, never_a_value
from cycler.recipe.expression import Expression, parse_expression
from cycler.recipe.fields import Fields, as_name, as_text
from cycler.recipe.model import SetStep
from cycler.recipe.plan import PlanPhase, PlanStep, StepVariant
from cycler.recipe.problems import MistakeError
from cycler.recipe.steps.form import COMMON_KEYS, Amounts, Common, StepForm
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.yaml_nodes import Node, ScalarNode

JUDGED_IN_SET = frozenset({"variable", "total_time"})
"""What a condition can test in a step that is over in an instant."""


def _read(node: Node) -> Expression:
    return parse_expression(as_text(node))


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> SetStep:
    before = len(fields.problems.found)
    values = []
    for name, line in fields.node.key_lines.items():
        if name in COMMON_KEYS:
            continue
        try:
            as_name(ScalarNode(line, 0, name))
        except MistakeError as mistake:
            fields.refuse(name, mistake.code, f"set: {mistake.message}", mistake.hint)
        expression = fields.take(name, _read)
        if expression is not None:
            values.append((name, expression))
    if not values and len(fields.problems.found) == before:
        fields.refuse("", "empty", "set: nothing is set", "write it like {retention: cap / 5 Ah}")
    return SetStep(values=tuple(values), **common)


def _check(judge: StepJudge, variant: StepVariant, _: Sequence[PlanPhase]) -> None:
    for assignment in judge.step.assignments:
        why = never_a_value(assignment)
        if why:
            judge.refuse("expression", f"sets `{assignment.text}`, which never has a value: {why}")
    for condition in (*variant.until, *variant.fail):
        others = [test.quantity for test in condition.tests if test.quantity not in JUDGED_IN_SET]
        if others:
            judge.refuse(
                "quantity",
                f"tests `{condition.text}`, but a set is over in an instant: there is no {others[0]} to wait for",
                "test variables there",
            )
        elif condition.window != "always" or condition.for_s:
            judge.refuse("window", f"tests `{condition.text}`, but a set is over in an instant", "leave the time out")


def _lines(step: PlanStep) -> Iterator[str]:
    for assignment in step.assignments:
        yield f"{assignment.text}, in {assignment.unit}" if assignment.unit else assignment.text


SET: StepKind[SetStep] = StepKind(
    form=StepForm(
        free={"type": ["string", "number"], "description": "arithmetic, like 2 * TAG.energy / (cap + 1 Ah)"},
        build=_build,
    ),
    phases=lambda _, __: (PlanPhase(direction="rest", duration_s=0.0),),
    assigns=lambda step, lowering: assignments(step, lowering.cell_type, lowering.variables),
    check=_check,
    lines=_lines,
)
