"""From the expressions of a `set` to what a channel works out: postfix terms in V, A, s and K."""

from collections.abc import Iterator, Mapping

from cycler.model.cell_type import CellType
from cycler.recipe.dimensions import DIMENSIONS, PLAIN, Dimension
from cycler.recipe.expression import FIELDS, Expression, FieldOf, Name, Negative, Number, Operation
from cycler.recipe.model import SetStep
from cycler.recipe.plan import Assignment, Fetched, Term
from cycler.recipe.units import Quantity


def assignments(step: SetStep, cell_type: CellType, variables: Mapping[str, Dimension]) -> tuple[Assignment, ...]:
    """`variables` are all that the recipe sets: any other name is a tag."""
    return tuple(_assignment(name, value, cell_type, variables) for name, value in step.values)


def coherent(quantity: Quantity, cell_type: CellType) -> float:
    """In V, A, s, K and their products."""
    rated = cell_type.rated_capacity_ah if quantity.unit == "C" else 1.0
    return quantity.number * DIMENSIONS[quantity.unit][1] * rated


def _assignment(
    name: str, expression: Expression, cell_type: CellType, variables: Mapping[str, Dimension]
) -> Assignment:
    unit, unit_si = variables.get(name, PLAIN).unit
    return Assignment(
        variable=name,
        terms=tuple(_terms(expression, cell_type, variables)),
        unit=unit,
        unit_si=unit_si,
        text=f"{name} = {expression}",
    )


def _terms(expression: Expression, cell_type: CellType, variables: Mapping[str, Dimension]) -> Iterator[Term]:
    match expression:
        case Number(quantity=quantity):
            yield coherent(quantity, cell_type)
        case Name(name=name) if name in variables:
            yield Fetched(name)
        case Name(name=name):
            yield from _field(name, "capacity")
        case FieldOf(tag=tag, field=field):
            yield from _field(tag, field)
        case Negative(of=of):
            yield from _terms(of, cell_type, variables)
            yield "negated"
        case Operation(operator=operator, left=left, right=right):
            yield from _terms(left, cell_type, variables)
            yield from _terms(right, cell_type, variables)
            yield operator


def _field(tag: str, field: str) -> Iterator[Term]:
    yield Fetched(field, tag)
    scale = DIMENSIONS[FIELDS[field].unit][1]
    if scale != 1.0:
        yield from (scale, "*")
