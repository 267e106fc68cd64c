"""From the readings of a stage to its numbers."""

from math import isnan, nan

import pytest

from cycler.contract.sweep import Reading, Regulation
from cycler.safety.contact_measures import Charged, Passive, fall_v, swing_v


def reading(
    taken_s: float,
    voltage_v: float,
    current_a: float = 0.0,
    *,
    regulation: Regulation = "off",
    output_v: float | None = None,
    probe_v: float | None = None,
) -> Reading:
    return Reading(
        taken_s=taken_s, voltage_v=voltage_v, current_a=current_a, regulation=regulation, order_id=1, phase=0,
        step_time_s=taken_s, temperature_degc=None, output_v=output_v, probe_v=probe_v, charged_ah=None,
        discharged_ah=None,
    )  # fmt: skip


def test_at_rest_the_middle_of_the_readings_counts_and_their_drift() -> None:
    measured = Passive.of([reading(0, 0.20), reading(1, nan), reading(1, 0.9), reading(2, 0.24)])
    assert measured.voltage_v == 0.24
    assert measured.drift_v_per_s == pytest.approx(0.02)
    assert measured.probe_v is None


def test_a_probe_is_read_where_there_is_one() -> None:
    assert Passive.of([reading(0, 0.2, probe_v=nan), reading(1, 0.2, probe_v=3.6)]).probe_v == 3.6


def test_one_reading_has_no_drift_and_none_has_no_voltage() -> None:
    assert Passive.of([reading(0, 0.2)]).drift_v_per_s == 0
    assert isnan(Passive.of([reading(0, nan)]).voltage_v)
    assert isnan(Passive.of([]).voltage_v)


def test_a_micro_charge_is_its_mean_current_and_its_last_voltage() -> None:
    starting = reading(0, 0.24, regulation="starting")
    flowing = [reading(10 * n, 0.24 + 0.1 * n, 0.1, regulation="cc", output_v=0.5) for n in range(1, 4)]
    measured = Charged.of([starting, *flowing, reading(40, nan, 0.1)], set_a=0.1, clamp_v=0.74)
    assert measured.current_a == pytest.approx(0.1)
    assert measured.moved_ah == pytest.approx(0.1 * 30 / 3600)
    assert (measured.voltage_v, measured.excess_v) == (pytest.approx(0.54), pytest.approx(-0.04))


def test_an_output_that_is_measured_in_some_readings_only_is_compared_with_its_own_reading() -> None:
    rising = [reading(10 * n, 0.24 + 0.1 * n, 0.1, regulation="cc", output_v=0.36 if n == 1 else None) for n in (1, 2)]
    measured = Charged.of(rising, set_a=0.1, clamp_v=0.74)
    assert (measured.voltage_v, measured.excess_v) == (pytest.approx(0.44), pytest.approx(0.02))


def test_a_charge_that_never_starts_moves_nothing() -> None:
    measured = Charged.of([reading(0, 0.24, regulation="starting")], set_a=0.1, clamp_v=0.74)
    assert (measured.current_a, measured.moved_ah, measured.voltage_v) == (0, 0, 0.24)
    assert isnan(Charged.of([], set_a=0.1, clamp_v=0.74).voltage_v)


def test_a_fall_is_from_the_end_of_the_charge_to_the_end_of_the_rest() -> None:
    charged = Charged.of([reading(30, 0.55, 0.1, regulation="cc")], set_a=0.1, clamp_v=0.74)
    assert fall_v(charged, [reading(31, 0.545), reading(40, 0.54), reading(41, nan)]) == pytest.approx(0.01)
    assert isnan(fall_v(charged, []))


def test_an_idle_position_swings_upwards_from_its_first_reading() -> None:
    assert swing_v([reading(0, 0.2), reading(1, 0.5), reading(2, nan), reading(3, 0.1)]) == pytest.approx(0.3)
    assert swing_v([reading(0, 0.2), reading(1, 0.1)]) == 0
    assert swing_v([]) == 0
