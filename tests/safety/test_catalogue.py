"""One table of all alarm codes; what a position does not have is computed from its inputs."""

import re
from pathlib import Path
from typing import get_args

import pytest
from protections_table import PAGE, updated

from cycler.model.alarm import AlarmCode
from cycler.model.interlock import KINDS
from cycler.model.results import REASON_CODES
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.declaration import Input, in_words, not_available
from cycler.safety.inputs import TOLD_BY_CYCLERS
from cycler.safety.protections import QUANTITIES

ROOT = Path(__file__).parents[2]
ROWS = list(CATALOGUE.values())
FROM_RACKS: set[str] = {"temperature", "tray temperatures", "second voltage", "chamber"} | {f"{k} input" for k in KINDS}
BY_DEVICES = {AlarmCode.HOST_LOSS, AlarmCode.LIMIT_READBACK_DIFFERS}
"""What a device judges, and tells by what it does."""
BEFORE_A_START = {AlarmCode.LIMIT_NOT_PROVEN}


def test_every_code_has_one_row_and_every_row_a_name_and_a_remedy() -> None:
    assert list(CATALOGUE) == list(AlarmCode)
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.remedy.endswith(".") and row.when for row in ROWS)


def test_debounces_are_samples_and_time() -> None:
    assert all(row.debounce.samples >= 1 and row.debounce.for_s >= 0.0 for row in ROWS)
    assert all(row.debounce.samples > 1 for row in ROWS if row.debounce.for_s)


def test_every_kind_of_interlock_is_an_input_of_its_code() -> None:
    assert all(CATALOGUE[code].needs == (f"{kind} input",) for kind, code in KINDS.items())
    assert {f"{kind} input" for kind in KINDS} <= set(get_args(Input))


def test_what_stands_for_a_code_is_a_reason_code() -> None:
    assert {code for row in ROWS for code in row.raised_as} <= REASON_CODES


def test_every_guard_is_in_the_catalogue_as_a_protection_of_samples() -> None:
    assert all(CATALOGUE[code].tier == "sample" and "judge" not in CATALOGUE[code].needs for code in QUANTITIES)


def test_nothing_can_be_available_that_no_code_raises() -> None:
    """Not by this table, the names of the codes or of the interlocks, nor by the judgement of cells: by what judges."""
    silent = {"alarm.py", "interlock.py", "catalogue.py", "reasons.py"}
    sources = [path for path in (ROOT / "cycler").rglob("*.py") if path.name not in silent]
    raised = {name for path in sources for name in re.findall(r"AlarmCode\.([A-Z_]+)", path.read_text("utf-8"))}
    possible = TOLD_BY_CYCLERS | FROM_RACKS
    for row in ROWS:
        by_interlock = row.code in KINDS.values()
        judged = row.code.name in raised or row.raised_as or by_interlock or row.code in BY_DEVICES | BEFORE_A_START
        assert bool(judged) or row.missing(possible), row.code  # type: ignore[arg-type]


def test_a_protection_is_available_where_all_its_inputs_are() -> None:
    bare = not_available(CATALOGUE, {"voltage", "current"})
    assert AlarmCode.OVER_VOLTAGE not in bare
    assert bare[AlarmCode.OVER_TEMPERATURE] == ("temperature",)
    warm = not_available(CATALOGUE, {"voltage", "current", "temperature"})
    assert AlarmCode.OVER_TEMPERATURE not in warm
    assert in_words({AlarmCode.DOOR: bare[AlarmCode.DOOR]}) == "57 (no door input)"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.code.value))
def test_what_latches_is_reset_by_a_person(row: object) -> None:
    assert row.latches == (row.reset in {"maintenance", "local"})  # type: ignore[attr-defined]
    if row.action == "off-latched":  # type: ignore[attr-defined]
        assert row.reset == "local"  # type: ignore[attr-defined]


def test_the_page_says_what_the_table_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == updated(text), "write it anew: .venv/bin/python tests/helpers/protections_table.py"
