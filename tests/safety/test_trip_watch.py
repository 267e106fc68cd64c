"""After a trip a cell is cold once it is measured, no warmer than it may be charged at, and does nothing by itself."""

from math import nan

import pytest

from cycler.safety.trip_watch import CellWatch

EVERY_S, HOUR_S = 10.0, 3600.0


def watched(temperature_degc: float, voltage_v: float, *, k_per_h: float = 0.0, v_per_h: float = 0.0) -> CellWatch:
    """For an hour, with what changes steadily."""
    cell = CellWatch(0.0, cold_degc=45.0, has_sensor=True)
    for step in range(int(HOUR_S / EVERY_S) + 1):
        hours = step * EVERY_S / HOUR_S
        cell.take(
            step * EVERY_S,
            voltage_v=voltage_v + v_per_h * hours,
            temperature_degc=temperature_degc + k_per_h * hours,
        )
    return cell


def test_a_cell_that_cools_and_keeps_its_voltage_is_cold() -> None:
    cell = watched(47.0, 3.7, k_per_h=-10.0)
    assert (cell.doubt, cell.warms, cell.falls) == (None, None, None)


@pytest.mark.parametrize(("k_per_h", "warms"), [(3.0, False), (5.0, True), (60.0, True)])
def test_a_cell_that_warms_itself_is_told_and_is_not_cold(k_per_h: float, warms: bool) -> None:
    cell = watched(25.0 if k_per_h < 20 else -20.0, 3.7, k_per_h=k_per_h)
    assert (cell.warms is not None) is warms
    assert (cell.doubt is not None) is warms


def test_a_cell_that_has_warmed_and_stays_so_is_cold_again() -> None:
    cell = watched(25.0, 3.7, k_per_h=10.0)
    for step in range(1, int(HOUR_S / EVERY_S)):
        cell.take(HOUR_S + step * EVERY_S, voltage_v=3.7, temperature_degc=35.0)
    assert cell.doubt is None


def test_one_reading_that_is_off_alarms_nobody() -> None:
    cell = watched(25.0, 3.7)
    for voltage_v, degc in [(3.2, 30.0), (3.2, 30.0), (3.7, 25.0)]:
        cell.take(HOUR_S + EVERY_S, voltage_v=voltage_v, temperature_degc=degc)
        assert (cell.warms, cell.falls) == (None, None)


@pytest.mark.parametrize(("v_per_h", "falls"), [(0.1, False), (-0.05, False), (-0.07, True)])
def test_a_voltage_that_falls_once_it_has_relaxed_is_told(v_per_h: float, falls: bool) -> None:
    cell = watched(25.0, 3.7, v_per_h=v_per_h)
    assert (cell.falls is not None) is falls
    assert (cell.doubt is not None) is falls


def test_what_a_cell_relaxes_by_at_first_is_no_fall() -> None:
    cell = CellWatch(0.0, cold_degc=45.0, has_sensor=True)
    for at_s in range(0, 3600, 10):
        cell.take(float(at_s), voltage_v=4.1 if at_s < 300 else 3.9, temperature_degc=25.0)
    assert cell.doubt is None


@pytest.mark.parametrize(("voltage_v", "degc"), [(nan, 25.0), (3.7, nan), (3.7, 46.0)])
def test_what_is_not_measured_or_too_warm_is_not_cold(voltage_v: float, degc: float) -> None:
    assert watched(degc, voltage_v).doubt is not None


def test_without_a_sensor_the_voltage_alone_tells() -> None:
    cell = CellWatch(0.0, cold_degc=45.0, has_sensor=False)
    cell.take(0.0, voltage_v=3.7, temperature_degc=nan)
    assert cell.doubt is None
