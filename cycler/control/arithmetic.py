"""The arithmetic of a `set` step, on a cell's own numbers."""

from collections.abc import Mapping
from math import isfinite

from cycler.control.tagged import Tags
from cycler.recipe.assignments import OPERATORS
from cycler.recipe.plan import Assignment, Fetched


class NoValueError(ArithmeticError):
    """An expression has no value for this cell; the text says why."""


def value_of(assignment: Assignment, variables: Mapping[str, float], tags: Tags) -> float:
    """In V, A, s, K and their products. Raises `NoValueError`: nothing that is missing counts as 0."""
    stack: list[float] = []
    for term in assignment.terms:
        if isinstance(term, float):
            stack.append(term)
        elif isinstance(term, Fetched):
            stack.append(_fetched(term, variables, tags))
        elif term == "negated":
            stack.append(-stack.pop())
        else:
            right, left = stack.pop(), stack.pop()
            if term == "/" and right == 0.0:
                raise NoValueError("it divides by 0")
            stack.append(OPERATORS[term](left, right))
    (value,) = stack
    if not isfinite(value):
        raise NoValueError("it is too large")
    return value


def _fetched(term: Fetched, variables: Mapping[str, float], tags: Tags) -> float:
    if term.tag is None:
        if term.name not in variables:
            raise NoValueError(f"{term.name} has not been set")
        return variables[term.name]
    tagged = tags.get(term.tag)
    if tagged is None or term.name not in tagged:
        raise NoValueError(f"{term.tag} has no valid {term.name}")
    return tagged[term.name]
