"""`profile`: currents or powers over time, from a CSV file or written out; each holds until the next one's time."""

from collections.abc import Sequence
from pathlib import Path

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields, as_text
from cycler.recipe.lookup import find_profile
from cycler.recipe.model import ProfileStep
from cycler.recipe.plan import Condition, PlanPhase, StepVariant
from cycler.recipe.problems import InvalidFile, MistakeError
from cycler.recipe.profile_file import POINTS_MAX, Point, check_points, read_profile
from cycler.recipe.steps.form import Amounts, Common, OtherKey, StepForm
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
from cycler.recipe.units import parse_quantity
from cycler.recipe.yaml_nodes import ListNode, Node

FLOWS = ("A", "C", "W")
NAME_CHARACTERS_MAX = 200
HOW = "write it like [[0 s, 1 A], [10 s, -2 A], [20 s, 0 A]]"


def _point(node: Node) -> Point:
    if not isinstance(node, ListNode) or len(node.items) != 2:
        raise MistakeError("points", "a time and a current or power are due for each point", HOW)
    return parse_quantity(as_text(node.items[0]), ("s",)), parse_quantity(as_text(node.items[1]), FLOWS)


def _points(node: Node) -> tuple[Point, ...]:
    if not isinstance(node, ListNode):
        raise MistakeError("points", "a list of points is due", HOW)
    points = tuple(_point(item) for item in node.items)
    mistake = check_points(points)
    if mistake is not None:
        raise MistakeError("points", f"point {mistake.place + 1}: {mistake.message}", mistake.hint)
    return points


def _file(node: Node) -> str:
    name = as_text(node)
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or path.suffix != ".csv" or len(name) > NAME_CHARACTERS_MAX:
        hint = "write a path below the recipe's folder, like profiles/cycle.csv"
        raise MistakeError("file", f"{name[:60]} is no name of a profile", hint)
    return name


POINTS = OtherKey(
    read=_points,
    text=lambda points: f"[{', '.join(f'[{time}, {flow}]' for time, flow in points)}]",
    schema={
        "type": "array",
        "minItems": 2,
        "maxItems": POINTS_MAX,
        "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "description": f"[[time, current or power], …]: positive charges, the last is 0; {HOW}",
    },
)
FILE = OtherKey(
    read=_file,
    text=None,
    schema={"type": "string", "description": "a CSV file beside the recipe, or in the library"},
)


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> ProfileStep | None:
    if ("file" in fields) == ("points" in fields):
        fields.refuse("file", "mode", "profile: either `file` or `points` says what flows", "give one of them")
        return None
    points = fields.take("points", POINTS.read)
    name = fields.take("file", FILE.read)
    if name is not None:
        points = _from_file(fields, name)
    return None if points is None else ProfileStep(points=points, **common)


def _from_file(fields: Fields, name: str) -> tuple[Point, ...] | None:
    try:
        return read_profile(find_profile(name, beside=fields.problems.beside))
    except LookupError as error:
        fields.refuse("file", "file", f"file: there is no {name}", str(error.args[0]))
    except InvalidFile as error:
        fields.refuse("file", "file", f"file: {name} cannot be used")
        fields.problems.found.extend(error.problems)
    return None


def _phases(step: ProfileStep, scope: Scope) -> tuple[PlanPhase, ...]:
    stretches = Stretches(scope)
    return tuple(
        stretches.phase(flow, following.number - time.number)
        for (time, flow), (following, _) in zip(step.points, step.points[1:], strict=False)
    )


def _fails(step: ProfileStep, scope: Scope) -> tuple[Condition, ...]:
    return voltage_fails(scope, {direction_of(flow) for _, flow in step.points})


def _check(judge: StepJudge, variant: StepVariant, drives: Sequence[PlanPhase]) -> None:
    check_bounds(judge, variant, drives, "profile")
    point_the_right_way(judge, variant, drives)


PROFILE = StepKind(
    form=StepForm(others={"points": POINTS, "file": FILE}, build=_build),
    phases=_phases,
    fails=_fails,
    complete=lambda _, lowered: as_train(lowered),
    check=_check,
    lines=train_lines,
)
