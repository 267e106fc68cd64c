"""A soak judges cells: near the set value, near their middle, for so long."""

from math import nan

import pytest

from cycler.model.rack import PositionId
from cycler.recipe.plan import ChamberRule, SoakRule
from cycler.safety.soak_watch import SoakWatch

RULE = SoakRule(within_k=2.0, hold_s=600.0, timeout_s=10_800.0)


def watch() -> SoakWatch:
    return SoakWatch(RULE, ChamberRule(target_degc=25.0), started_s=1000.0)


def cells(*degc: float) -> dict[PositionId, float]:
    return {PositionId(f"A{place}"): each for place, each in enumerate(degc, start=1)}


def test_cells_have_soaked_once_they_have_been_within_for_the_whole_hold() -> None:
    soak = watch()
    assert soak.take(1000.0, cells(24.0, 26.0)).state == "waiting"
    assert soak.take(1599.9, cells(24.0, 26.0)).state == "waiting"
    done = soak.take(1600.0, cells(24.0, 26.0))
    assert (done.state, done.outside) == ("soaked", ())


def test_one_reading_outside_begins_the_hold_anew() -> None:
    soak = watch()
    soak.take(1000.0, cells(25.0, 25.0))
    lost = soak.take(1300.0, cells(25.0, 27.1))
    assert (lost.state, lost.outside, lost.text) == ("waiting", (PositionId("A2"),), "A2 at 27.1 degC")
    soak.take(1301.0, cells(25.0, 25.0))
    assert soak.take(1900.0, cells(25.0, 25.0)).state == "waiting"
    assert soak.take(1901.0, cells(25.0, 25.0)).state == "soaked"


@pytest.mark.parametrize("degc", [22.9, 27.1, nan])
def test_a_cell_off_the_set_value_or_without_a_reading_is_outside(degc: float) -> None:
    assert watch().take(1000.0, cells(25.0, 25.0, degc)).outside == (PositionId("A3"),)


@pytest.mark.parametrize("degc", [23.0, 27.0])
def test_the_edge_is_inside(degc: float) -> None:
    assert watch().take(1000.0, cells(25.0, 25.0, degc)).outside == ()


def test_a_cell_far_from_the_others_is_outside_though_near_the_set_value() -> None:
    assert watch().take(1000.0, cells(23.2, 23.2, 26.0)).outside == (PositionId("A3"),)
    assert watch().take(1000.0, cells(24.0, 24.0, 26.0)).outside == ()


def test_it_times_out_and_names_who_was_outside() -> None:
    soak = watch()
    assert soak.take(11_799.9, cells(25.0, 30.0)).state == "waiting"
    late = soak.take(11_800.0, cells(25.0, 30.0))
    assert (late.state, late.outside) == ("timed-out", (PositionId("A2"),))


def test_what_has_soaked_at_the_last_moment_has_soaked() -> None:
    soak = watch()
    soak.take(11_200.0, cells(25.0))
    assert soak.take(11_800.0, cells(25.0)).state == "soaked"


def test_nobody_waits_for_a_bay_in_which_no_cell_runs_any_more() -> None:
    assert watch().take(1000.0, {}).state == "soaked"
