"""One thing is changed at a time, and the rest stays as it was."""

import ast
from pathlib import Path

from mutate import ROOT, TESTS, equivalents, unnumbered
from mutations import mutations

from cycler.safety.catalogue import CATALOGUE

SOURCE = """
def tripped(v, high):
    if not high:
        return False
    return v > high + 1 and v < 9
"""


def test_every_comparison_sum_and_connective_is_changed_by_itself() -> None:
    found = {unnumbered(mutation) for mutation in mutations(SOURCE)}
    assert found == {
        "if not high:  [never 0: the branch is never taken]",
        "if not high:  [not 0: dropped]",
        "return v > high + 1 and v < 9  [connective 0: Or]",
        "return v > high + 1 and v < 9  [shift 0: Gt -> GtE]",
        "return v > high + 1 and v < 9  [flip 0: Gt -> LtE]",
        "return v > high + 1 and v < 9  [shift 0: Lt -> LtE]",
        "return v > high + 1 and v < 9  [flip 0: Lt -> GtE]",
        "return v > high + 1 and v < 9  [sum 0: Sub]",
    }
    plain = ast.unparse(ast.parse(SOURCE))
    for mutation in mutations(SOURCE):
        changed = [
            pair for pair in zip(plain.splitlines(), mutation.source.splitlines(), strict=True) if len(set(pair)) > 1
        ]
        assert len(changed) == 1


def test_every_protection_of_the_table_is_taken_out_once() -> None:
    source = (ROOT / "cycler/safety/catalogue.py").read_text(encoding="utf-8")
    assert sum("taken out" in each.name for each in mutations(source)) == len(CATALOGUE)


def test_what_is_known_as_equivalent_is_still_there() -> None:
    for module, change in equivalents():
        source = (ROOT / module).read_text(encoding="utf-8")
        assert change in {unnumbered(mutation) for mutation in mutations(source)}


def test_the_tests_that_are_to_notice_exist() -> None:
    assert [path for module, tests in TESTS.items() for path in (module, *tests) if not Path(ROOT, path).exists()] == []
