"""The variables of a recipe: what each is a number of, and whether all that is done with them makes sense.

The reader has seen already that a condition names no variable before a step sets it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cycler.recipe.condition import QUANTITY_UNITS, RecipeCondition
from cycler.recipe.dimensions import DIMENSIONS, PLAIN, Dimension
from cycler.recipe.expression import FIELDS, Expression, FieldOf, Name, Negative, Number, Operation
from cycler.recipe.model import ExecutedStep, LoopStep, Recipe, SetStep, Step, step_word, walk
from cycler.recipe.one_way import both_ways_tags
from cycler.recipe.problems import MistakeError, Problems, nearest


def variable_dimensions(recipe: Recipe) -> Mapping[str, Dimension]:
    """Of every variable that the recipe sets. One that is set to nonsense counts as a plain number."""
    survey = _Survey(_tags(recipe.steps), both_ways_tags(recipe))
    for step, _ in walk(recipe.steps):
        if isinstance(step, SetStep):
            for name, expression in step.values:
                try:
                    dimension = survey.dimension(expression)
                except MistakeError:
                    dimension = PLAIN
                survey.variables.setdefault(name, dimension)
    return survey.variables


def check_variables(recipe: Recipe, problems: Problems) -> None:
    """Add what does not fit. The recipe must be whole: what could not be read would be missed here."""
    survey = _Survey(_tags(recipe.steps), both_ways_tags(recipe))
    _visit(recipe.steps, survey, problems)
    problems.step = None


@dataclass(slots=True)
class _Survey:
    """What is known so far, in the order of the file."""

    tags: Mapping[str, frozenset[str]]  # with the words of the steps that have each
    both_ways: Mapping[str, str]  # of these those that have no one capacity
    variables: dict[str, Dimension] = field(default_factory=dict)

    def dimension(self, expression: Expression) -> Dimension:
        """Raises `MistakeError` for what cannot be added up, and for names that mean nothing yet."""
        match expression:
            case Number(quantity=quantity):
                return DIMENSIONS[quantity.unit][0]
            case Name(name=name) if name in self.variables:
                return self.variables[name]
            case Name(name=name):
                return self._field(name, "capacity")
            case FieldOf(tag=tag, field=field_):
                return self._field(tag, field_)
            case Negative(of=of):
                return self.dimension(of)
            case Operation(operator="*", left=left, right=right):
                return self.dimension(left) * self.dimension(right)
            case Operation(operator="/", left=left, right=right):
                return self.dimension(left) / self.dimension(right)
            case Operation(operator=operator, left=left, right=right):
                one, other = self.dimension(left), self.dimension(right)
                if one != other:
                    what = "add" if operator == "+" else "subtract"
                    raise MistakeError(
                        "dimension", f"cannot {what} {right} and {left}: {right} is {other}, {left} is {one}"
                    )
                return one

    def _field(self, tag: str, field_: str) -> Dimension:
        words = self.tags.get(tag)
        if words is None:
            raise self._unknown(tag)
        if tag in self.both_ways and field_ in {"capacity", "energy"}:
            raise MistakeError(
                "field",
                f"{tag} is tagged at a {self.both_ways[tag]} that charges and discharges: it has no {field_}",
                "tag a step that goes one way",
            )
        known = FIELDS[field_]
        if known.words and not words & known.words:
            having = ", ".join(name for name, each in FIELDS.items() if not each.words or words & each.words)
            word = " or ".join(sorted(words))
            raise MistakeError("field", f"{tag} is tagged at a {word}, which has no {field_}", f"it has: {having}")
        return DIMENSIONS[known.unit][0]

    def _unknown(self, name: str) -> MistakeError:
        names = {*self.variables, *self.tags}
        parts = name.split("-")
        if len(parts) > 1 and set(parts) <= names:
            return MistakeError(
                "unknown-name", f"{name} is one name", f"to subtract, write blanks: {' - '.join(parts)}"
            )
        hint = nearest(name, names) if names else "tag a step"
        return MistakeError("unknown-name", f"{name} is neither a tag nor a variable that a step before sets", hint)


def _visit(steps: Sequence[Step], survey: _Survey, problems: Problems) -> None:
    """A loop's own conditions come behind its steps: at the end of a turn."""
    for step in steps:
        if isinstance(step, LoopStep):
            _visit(step.steps, survey, problems)
            _check_conditions(step, "until", step.until, survey, problems)
            continue
        if isinstance(step, SetStep):
            problems.step = step.name
            for name, expression in step.values:
                _check_assignment(step, name, expression, survey, problems)
        for key, turns in (("until", step.until), ("fail", step.fail)):
            for alternatives in turns:
                _check_conditions(step, key, alternatives, survey, problems)


def _check_assignment(step: SetStep, name: str, expression: Expression, survey: _Survey, problems: Problems) -> None:
    if name in survey.tags:
        problems.add(step.line, "name", f"{name}: this is a tag already", "choose another name")
    try:
        dimension = survey.dimension(expression)
    except MistakeError as mistake:
        problems.add_mistake(step.line, mistake, key=name)
        dimension = survey.variables.get(name, PLAIN)
    known = survey.variables.setdefault(name, dimension)
    if known != dimension:
        problems.add(
            step.line, "dimension", f"{name}: {expression} is {dimension}, but before it was {known}",
            "choose another name",
        )  # fmt: skip


def _check_conditions(
    step: ExecutedStep | LoopStep,
    key: str,
    conditions: Iterable[RecipeCondition],
    survey: _Survey,
    problems: Problems,
) -> None:
    for condition in conditions:
        for test in condition.tests:
            if test.quantity in QUANTITY_UNITS:
                continue
            is_a, compared = survey.variables.get(test.quantity, PLAIN), DIMENSIONS[test.value.unit][0]
            if is_a != compared:
                problems.step = step.name
                message = f"{key}: {test} is {compared}, but {test.quantity} is {is_a}"
                problems.add(step.line, "dimension", message)


def _tags(steps: tuple[Step, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for step, _ in walk(steps):
        if not isinstance(step, LoopStep) and step.tag is not None:
            found[step.tag] = found.get(step.tag, frozenset()) | {step_word(step)}
    return found
