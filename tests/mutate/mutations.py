"""What is changed in a module, one thing at a time: a comparison, a sum, a connective, a branch, a protection."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

SHIFTED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
FLIPPED = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SUMS = {ast.Add: ast.Sub, ast.Sub: ast.Add}
KINDS = ("shift", "flip", "sum", "connective", "not", "never", "removed")


@dataclass(frozen=True, slots=True)
class Mutation:
    """`name` tells one from all others of its module, as long as that does not change."""

    name: str
    source: str


def mutations(source: str) -> Iterator[Mutation]:
    """All of a module."""
    tree, lines = ast.parse(source), source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt):
            for kind in KINDS:
                for part, said in _changed(node, kind):
                    where = f"{node.lineno}: {lines[node.lineno - 1].strip()}"
                    yield Mutation(name=f"{where}  [{kind} {part}: {said}]", source=ast.unparse(tree))


def _changed(node: ast.AST, kind: str) -> Iterator[tuple[int, str]]:
    """Changes the node in place; what follows a `yield` takes it back.

    What a module's own helper makes as an item of a list or tuple is a row of a table or a guard, and is taken out.
    """
    match node, kind:
        case ast.Compare(), "shift" | "flip":
            table = SHIFTED if kind == "shift" else FLIPPED
            for place, operator in enumerate(list(node.ops)):
                if type(operator) in table:
                    node.ops[place] = table[type(operator)]()
                    yield place, f"{type(operator).__name__} -> {type(node.ops[place]).__name__}"
                    node.ops[place] = operator
        case ast.BinOp(), "sum" if type(node.op) in SUMS:
            before = node.op
            node.op = SUMS[type(before)]()
            yield 0, type(node.op).__name__
            node.op = before
        case ast.BoolOp(), "connective":
            connective = node.op
            node.op = ast.Or() if isinstance(connective, ast.And) else ast.And()
            yield 0, type(node.op).__name__
            node.op = connective
        case ast.UnaryOp(op=ast.Not()), "not":
            negation, node.op = node.op, ast.UAdd()
            yield 0, "dropped"
            node.op = negation
        case ast.If(), "never":
            test, node.test = node.test, ast.Constant(value=False)
            yield 0, "the branch is never taken"
            node.test = test
        case ((ast.List() | ast.Tuple()), "removed"):
            for place, element in enumerate(list(node.elts)):
                if isinstance(element, ast.Call) and getattr(element.func, "id", "").startswith("_"):
                    del node.elts[place]
                    yield place, "taken out"
                    node.elts.insert(place, element)
