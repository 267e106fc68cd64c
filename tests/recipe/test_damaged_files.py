"""Whatever happens to a file on its way: it loads, or it is an `InvalidFile`; never anything else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import NOWHERE

from cycler.recipe.canonical import canonical_text
from cycler.recipe.cell_type_file import read_cell_type
from cycler.recipe.compile import load_recipe, load_recipe_text
from cycler.recipe.lookup import LIBRARY
from cycler.recipe.problems import InvalidFile
from cycler.recipe.yaml_nodes import load_bytes

RECIPE = (LIBRARY / "nmc811-21700-grading.yaml").read_text()
CELL_TYPE = (LIBRARY / "cell-types" / "nmc811-21700.yaml").read_text()

pieces = st.sampled_from(
    [*"{}[]:,#-\n \t0.", "4.2", " V", "nan", "C/0", "-1", "1e300", "loop: {times: 2, steps: [", "~"]
)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """With one to three stretches cut out or written over."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.one_of(st.just(""), pieces)) + text[end:]
    return text


@given(text=damaged(RECIPE))
def test_a_damaged_recipe_loads_or_is_an_invalid_file(text: str) -> None:
    try:
        loaded = load_recipe_text(text, file="damaged.yaml", beside=NOWHERE)
    except InvalidFile as refused:
        assert all(problem.message for problem in refused.problems)
    else:
        again = load_recipe_text(canonical_text(loaded.recipe), file="again.yaml", beside=NOWHERE)
        assert again.recipe == loaded.recipe


@given(text=damaged(CELL_TYPE))
def test_a_damaged_cell_type_loads_or_is_an_invalid_file(text: str) -> None:
    try:
        cell_type = read_cell_type(load_bytes(text.encode(), "damaged.yaml"), "damaged.yaml")
    except InvalidFile as refused:
        assert all(problem.message for problem in refused.problems)
    else:
        assert cell_type.rated_capacity_ah > 0


@pytest.mark.parametrize("end", [1, 100, 300, 500, len(RECIPE) - 60, len(RECIPE) - 3])
def test_a_truncated_recipe_does_not_load(tmp_path: Path, end: int) -> None:
    path = tmp_path / "truncated.yaml"
    path.write_text(RECIPE[:end])
    with pytest.raises(InvalidFile):
        load_recipe(path)


def test_problems_of_the_cell_type_are_told_with_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "cell-types").mkdir()
    (tmp_path / "cell-types" / "nmc811-21700.yaml").write_text(CELL_TYPE.replace("5.0 Ah", "0 Ah"))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    with pytest.raises(InvalidFile) as refused:
        load_recipe(path)
    assert {Path(problem.file).name for problem in refused.value.problems} == {"recipe.yaml", "nmc811-21700.yaml"}
    assert any("0 Ah is not above 0" in problem.message for problem in refused.value.problems)
