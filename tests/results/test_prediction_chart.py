"""The drawing of a prediction: every step has a mark, whatever its length; labels keep apart; axes have round marks."""

from dataclasses import dataclass, replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from formed_tray import CHARGE, REST
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cycler.results.prediction import PredictedStep, Prediction
from cycler.results.prediction_chart import WIDTH, clock, prediction_chart
from cycler.results.prediction_page import page, rows, svg

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Two samples a step."""

    elapsed_s: Floats
    step_count: NDArray[np.int64]
    step_time_s: Floats
    voltage_v: Floats
    current_a: Floats
    temperature_degc: Floats
    charged_ah: Floats
    discharged_ah: Floats


def prediction(durations_s: list[float], turns: int | None = None) -> Prediction:
    """Steps one after the other; with `turns` all of them are turns of one loop, a charge and a rest each."""
    begins = np.concatenate([[0.0], np.cumsum(durations_s)])
    steps = []
    for count, duration_s in enumerate(durations_s):
        result = replace(
            (CHARGE, REST)[count % 2],
            step_count=count + 1,
            step_id=f"1.{count % 2 + 1}" if turns else str(count + 1),
            started_s=float(begins[count]),
            duration_s=duration_s,
        )
        of_loop = ((count // 2 + 1, turns),) if turns else ()
        steps.append(PredictedStep(result=result, path=result.step_id, turns=of_loop))
    elapsed_s = np.ravel(np.column_stack([begins[:-1], begins[1:]]))
    zero = np.zeros(len(elapsed_s))
    return Prediction(
        recipe="r",
        version="1.0.0",
        recipe_hash="0",
        cell_type="nmc",
        rated_capacity_ah=5.0,
        start="filled",
        steps=steps,
        samples=Recorded(
            elapsed_s=elapsed_s,
            step_count=np.repeat(np.arange(1, len(durations_s) + 1), 2),
            step_time_s=zero,
            voltage_v=3.0 + np.arange(len(elapsed_s)) % 2,
            current_a=zero,
            temperature_degc=zero + 25,
            charged_ah=zero,
            discharged_ah=zero,
        ),
        air_degc=None,
        trouble=None,
    )


@given(durations_s=st.lists(st.floats(1, 1e6), min_size=1, max_size=120))
def test_every_step_has_a_mark_and_labels_keep_apart_within_the_drawing(durations_s: list[float]) -> None:
    chart = prediction_chart(prediction(durations_s))
    assert len(chart.marks) == len(durations_s)
    assert all(mark.width >= 2 for mark in chart.marks)
    assert all(chart.left <= mark.x <= mark.x + mark.width <= WIDTH for mark in chart.marks)
    assert chart.labels_left_out == len(durations_s) - len(chart.labels)
    at = sorted(label.x for label in chart.labels)
    assert all(after - before > 12.9 for before, after in pairwise(at))
    assert chart.left <= at[0]
    assert at[-1] <= WIDTH
    assert 2 <= len(chart.x_ticks) <= 16


@pytest.mark.parametrize(
    ("duration_s", "name", "first"),
    [
        (90, "time in s", ["0", "10", "20"]),
        (45 * 60, "time in min", ["0", "5", "10"]),
        (48 * 3600, "time in h", ["0", "6", "12"]),
        (200 * 86400, "time in d", ["0", "20", "40"]),
    ],
)
def test_time_is_told_in_the_unit_that_fits(duration_s: float, name: str, first: list[str]) -> None:
    chart = prediction_chart(prediction([duration_s]))
    assert (chart.x_name, [tick.text for tick in chart.x_ticks[:3]]) == (name, first)


def test_turns_of_a_loop_are_bracketed_and_named_where_there_is_room() -> None:
    chart = prediction_chart(prediction([3600.0, 600.0] * 3, turns=3))
    assert [turn.text for turn in chart.turns] == ["turn 1 of 3", "turn 2 of 3", "turn 3 of 3"]
    crowded = prediction_chart(prediction([3600.0, 600.0] * 300, turns=300))
    assert (len(crowded.turns), {turn.text for turn in crowded.turns}) == (300, {""})
    assert [label.text for label in crowded.labels] == ["1.1 charge", "1.2 rest"]
    assert crowded.labels_left_out == 598


def test_a_long_table_keeps_its_ends() -> None:
    shown, left_out = rows(prediction([60.0] * 1000), most=10)
    assert [row.name.split()[0] for row in shown] == ["1", "2", "3", "4", "5", "996", "997", "998", "999", "1000"]
    assert left_out == 990


def test_names_that_look_like_markup_stay_text() -> None:
    odd = replace(prediction([60.0, 1.0]), recipe="<b>&r</b>")
    ElementTree.fromstring(svg(odd))  # noqa: S314 (our own text)
    assert "<b>&r</b>" not in page(odd, version="0")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.25 s"), (59.99, "1 min"), (60, "1 min"), (119.6, "2 min"), (3599.7, "1 h"), (172_509, "47 h 55 min")],
)
def test_times_are_told_in_two_units(seconds: float, text: str) -> None:
    assert clock(seconds) == text
