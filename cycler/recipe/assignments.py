"""From the expressions of a `set` to what a channel works out: postfix terms in V, A, s and K."""

import operator
from collections.abc import Callable, Iterator, Mapping
from math import isfinite

from cycler.model.cell_type import CellType
from cycler.recipe.dimensions import DIMENSIONS, PLAIN, Dimension
from cycler.recipe.expression import FIELDS, Expression, FieldOf, Name, Negative, Number, Operation
from cycler.recipe.model import SetStep
from cycler.recipe.plan import Assignment, Fetched, Term
from cycler.recipe.units import Quantity

OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def never_a_value(assignment: Assignment) -> str:
    """Why it has no value, whatever is measured; empty where it may have one."""
    stack: list[float | None] = []  # None: only a run tells
    for term in assignment.terms:
        if isinstance(term, float):
            stack.append(term)
        elif isinstance(term, Fetched):
            stack.append(None)
        elif term == "negated":
            known = stack.pop()
            stack.append(None if known is None else -known)
        else:
            right, left = stack.pop(), stack.pop()
            if term == "/" and right == 0.0:
                return "it divides by 0"
            stack.append(None if left is None or right is None else OPERATORS[term](left, right))
        if stack[-1] is not None and not isfinite(stack[-1]):
            return "it is too large"
    return ""


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
        case Operation(operator=sign, left=left, right=right):
            yield from _terms(left, cell_type, variables)
            yield from _terms(right, cell_type, variables)
            yield sign


def _field(tag: str, field: str) -> Iterator[Term]:
    yield Fetched(field, tag)
    scale = DIMENSIONS[FIELDS[field].unit][1]
    if scale != 1.0:
        yield from (scale, "*")
