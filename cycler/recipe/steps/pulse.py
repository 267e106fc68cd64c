"""`pulse`: a train of currents, each for so long, repeated as often as the recipe says."""

from collections.abc import Iterator, Sequence

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields, as_count, as_text
from cycler.recipe.model import PulseStep
from cycler.recipe.plan import Condition, PlanPhase, PlanStep, Repeated, StepVariant
from cycler.recipe.problems import MistakeError
from cycler.recipe.steps.form import CURRENT, Amounts, Common, OtherKey, StepForm
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.steps.train import (
    Stretches,
    as_train,
    check_bounds,
    direction_of,
    point_the_right_way,
    train_lines,
    voltage_fails,
)
from cycler.recipe.units import Quantity, parse_quantity
from cycler.recipe.yaml_nodes import ListNode, Node

PULSES_MAX = 65_535
"""Of one step, the rests of its train and all repetitions counted."""

HOW = "write it like [[-1C, 30 s], [0 A, 40 s]]"


def _pair(node: Node) -> tuple[Quantity, Quantity]:
    if not isinstance(node, ListNode) or len(node.items) != 2:
        raise MistakeError("train", "a current and a time are due for each pulse", HOW)
    current, time = parse_quantity(as_text(node.items[0]), CURRENT), parse_quantity(as_text(node.items[1]), ("s",))
    if time.number <= 0:
        raise MistakeError("not-positive", f"{time} is not above 0")
    return current, time


def _train(node: Node) -> tuple[tuple[Quantity, Quantity], ...]:
    if not isinstance(node, ListNode):
        raise MistakeError("train", "a list of pulses is due", HOW)
    if not node.items:
        raise MistakeError("empty", "the list is empty", HOW)
    return tuple(_pair(item) for item in node.items)


def _times(node: Node) -> int:
    return as_count(node, low=1, high=PULSES_MAX)


TRAIN = OtherKey(
    read=_train,
    text=lambda train: f"[{', '.join(f'[{current}, {time}]' for current, time in train)}]",
    schema={
        "type": "array",
        "minItems": 1,
        "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "description": f"[[current, time], …]: positive charges, at 0 A the relay is open; {HOW}",
    },
)
TIMES = OtherKey(read=_times, text=str, schema={"type": "integer", "minimum": 1, "maximum": PULSES_MAX})


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> PulseStep | None:
    train = fields.take("train", TRAIN.read, required=True)
    times = fields.take("times", TIMES.read) or 1
    if train is None:
        return None
    if len(train) * times > PULSES_MAX:
        fields.refuse(
            "times", "too-many", f"{times} times {len(train)} stretches are more than {PULSES_MAX}",
            "put the step into a loop",
        )  # fmt: skip
        return None
    return PulseStep(train=train, times=times, **common)


def _phases(step: PulseStep, scope: Scope) -> Repeated:
    stretches = Stretches(scope)
    return Repeated(tuple(stretches.phase(current, time.number) for current, time in step.train), step.times)


def _fails(step: PulseStep, scope: Scope) -> tuple[Condition, ...]:
    return voltage_fails(scope, {direction_of(current) for current, _ in step.train})


def _check(judge: StepJudge, variant: StepVariant, drives: Sequence[PlanPhase]) -> None:
    check_bounds(judge, variant, drives, "pulse train")
    point_the_right_way(judge, variant, drives)


def _lines(step: PlanStep) -> Iterator[str]:
    yield from train_lines(step)
    yield "resistance at the end of each pulse, from the last reading before its edge"


PULSE = StepKind(
    form=StepForm(others={"train": TRAIN, "times": TIMES}, build=_build),
    phases=_phases,
    fails=_fails,
    complete=lambda _, lowered: as_train(lowered, measures=True),
    check=_check,
    lines=_lines,
)
