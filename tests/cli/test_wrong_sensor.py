"""Thermocouples that are mixed up: found where the two cells do not do the same."""

from pathlib import Path

import pytest
from command_line import cycler

RECIPE = """\
recipe: warm
version: 1.0.0
cell_type: nmc811-21700
record: {every: 30 s}
steps:
  - contact: {}
  - charge: {current: C/2, until: [capacity >= 40 %], fail: [voltage > 4.1 V, time > 2 h]}
  - rest: {time: 10 min}
"""
SWAPPED = "  - {at: S01/3, defect: wrong-sensor, other: S01/4}\n  - {at: S01/7, defect: wrong-sensor, other: S01/10}\n"
STOPPED = "  - {at: S01/4, defect: reversed}\n  - {at: S01/10, defect: missing}\n"
SENSOR = {"TEMPERATURE", "TRIP_79"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(RECIPE)
    return tmp_path


def reasons(folder: Path, defects: str) -> dict[str, list[str]]:
    (folder / "w.yaml").write_text(f"defects:\n{defects}")
    answer = cycler(
        "simulate", "r.yaml", "--cells", "12", "--start", "formed@20%", "--world", "w.yaml", "--json"
    )  # fmt: skip
    return {cell["position"]: cell["reason_codes"] for cell in answer.document["cells"]}


def test_the_sensor_of_a_cell_that_goes_on_while_the_other_one_rests_is_not_believed(folder: Path) -> None:
    found = reasons(folder, SWAPPED + STOPPED)
    assert (found.pop("S01/4"), found.pop("S01/10")) == (["REVERSED"], ["ABSENT"])
    for swapped in (found.pop("S01/3"), found.pop("S01/7")):
        assert swapped and SENSOR.issuperset(swapped)
    assert list(found.values()) == [[]] * 8


def test_sensors_of_cells_that_do_the_same_cannot_be_told_apart_and_accuse_nobody(folder: Path) -> None:
    assert list(reasons(folder, SWAPPED).values()) == [[]] * 12
