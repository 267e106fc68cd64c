"""The report: one file, everything in it, nothing from outside, no matter what the cells are called."""

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from math import isnan

import numpy as np
import pytest
from formed_tray import A2, A10, CHARGE, DISCHARGE, NAS_PER_MAH, REST, TRAY, ended
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cycler.model.cell import CellId
from cycler.model.cell_type import Band, CellType
from cycler.model.results import CellOutcome, Counters
from cycler.model.run import Run
from cycler.results.cell_record import CellRecord
from cycler.results.charts import Line, line_chart, strip
from cycler.results.drawing import thinned
from cycler.results.report import render_report
from cycler.results.verdict import judged

NMC = CellType(
    name="nmc", chemistry="nmc811", rated_capacity_ah=5.0, rated_energy_wh=18.0, mass_kg=0.07, envelopes={},
    required_protections=frozenset(), limits={"capacity_ah": Band(low=4.8)},
)  # fmt: skip
LOW = replace(DISCHARGE, moved=Counters(discharged_nas=4500 * NAS_PER_MAH))
VOID = {"meta", "link", "br", "use", "rect", "line", "path", "circle", "img", "hr"}


@dataclass(frozen=True)
class Curve:
    elapsed_s: NDArray[np.float64]
    step_count: NDArray[np.int64]
    step_time_s: NDArray[np.float64]
    voltage_v: NDArray[np.float64]
    current_a: NDArray[np.float64]
    temperature_degc: NDArray[np.float64]
    charged_ah: NDArray[np.float64]
    discharged_ah: NDArray[np.float64]


CURVE = Curve(
    elapsed_s=np.linspace(0, 7800, 100),
    step_count=np.repeat([1, 2, 3, 3], 25),
    step_time_s=np.tile(np.linspace(0, 3600, 50), 2),
    voltage_v=np.linspace(4.2, 2.5, 100),
    current_a=np.full(100, -5.0),
    temperature_degc=np.full(100, np.nan),
    charged_ah=np.zeros(100),
    discharged_ah=np.linspace(0, 5, 100),
)


def report_of(run: Run, *, low: bool) -> str:
    steps = {A2: [CHARGE, REST, LOW if low else DISCHARGE], A10: []}
    absent = CellOutcome(cell=run.cells[A10].cell_id, position=A10, ended="not-started", code="ABSENT")
    records = [
        CellRecord(
            run=run,
            position=at,
            cell_type=NMC,
            outcome=outcome,
            steps=steps[at],
            samples=CURVE if steps[at] else None,
        )
        for at, outcome in ((A2, ended(A2)), (A10, absent))
    ]
    return render_report(judged(records), version="0.1.0", config_hash="sha256:11")


class Balance(HTMLParser):
    """Counts what is open, and gathers what points elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.outside: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [value for name, value in attrs if name in {"src", "href"} and value and value[0] != "#"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_tray_map_shows_every_place_with_its_verdict() -> None:
    text = report_of(TRAY, low=True)
    assert '<span class="slot fail">' in text
    assert '<span class="slot not-run">' in text
    assert text.count('<span class="slot empty">') == 8  # A1, and from A3 to A9


def words_of(text: str) -> str:
    return re.sub(r"\s+", " ", " ".join(Balance(text).words))


def test_it_needs_nothing_from_outside_and_runs_nothing() -> None:
    page = Balance(report_of(TRAY, low=True))
    assert page.outside == []
    assert "script" not in page.tags
    assert page.open == []


def test_the_lot_table_says_verdict_number_and_reason() -> None:
    text = words_of(report_of(TRAY, low=True))
    assert "B01/A2 c-2 fail 4.500" in text
    assert "capacity too low" in text
    assert "B01/A10 c/10 not-run" in text


def test_a_rejected_cell_has_its_own_section_with_evidence_and_advice() -> None:
    text = words_of(report_of(TRAY, low=True))
    assert "Expected Capacity at least 4.800 Ah." in text
    assert "Came 4.500 Ah, 0.300 Ah (6.2%) below the limit." in text
    assert "What to do Compare with neighbours" in text
    assert "voltage <= 2.5 V" in text


def test_a_cell_that_passed_has_none() -> None:
    assert "c-2: " not in words_of(report_of(TRAY, low=False))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "\"'><svg onload=x>", "{{ 7*7 }}"])
def test_a_cells_name_is_only_text(name: str) -> None:
    run = replace(TRAY, cells={**TRAY.cells, A2: replace(TRAY.cells[A2], cell_id=CellId(name))})
    page = Balance(report_of(run, low=True))
    assert "script" not in page.tags
    assert page.open == []
    assert name in "".join(page.words)


def test_equal_runs_give_equal_reports() -> None:
    assert report_of(TRAY, low=True) == report_of(TRAY, low=True)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=2000))
def test_thinning_keeps_the_ends_and_the_extremes(values: list[float]) -> None:
    x, y = thinned(np.arange(len(values)), values, buckets=20)
    known = [value for value in values if not isnan(value)]
    assert len(y) <= 80
    assert x == sorted(x)
    if known:
        assert (y[0], y[-1], min(y), max(y)) == (known[0], known[-1], min(known), max(known))


@given(
    st.lists(st.floats(-1e9, 1e9).map(lambda value: round(value, 6)), min_size=1, max_size=30),
    st.floats(1e-6, 1e6),
)
def test_whatever_the_numbers_a_chart_stays_in_its_box(values: list[float], scale: float) -> None:
    y = [value * scale for value in values]
    chart = line_chart("t", "x", "y", [Line(x=[float(n) for n in range(len(y))], y=y, label="a", style=0)])
    assert chart is not None
    for point in chart.traces[0].points.split():
        across, down = map(float, point.split(","))
        assert chart.left - 1 <= across <= chart.right + 1
        assert chart.top - 1 <= down <= chart.bottom + 1
    assert 2 <= len(chart.y_ticks) <= 12


def test_names_of_neighbouring_marks_do_not_lie_on_each_other() -> None:
    chart = strip(
        "t", "x", [(4.0, "fail", "A1"), (4.01, "fail", "A2"), (5.0, "pass", "A3")], low=4.5, high=None, digits=2
    )
    assert chart is not None
    heights = [dot.label_y for dot in chart.dots if dot.label]
    assert abs(heights[0] - heights[1]) >= 12


def test_an_empty_lot_has_no_charts() -> None:
    assert line_chart("t", "x", "y", []) is None
    assert strip("t", "x", [], low=1.0, high=None, digits=1) is None
