"""Readings that are not taken any more: found where something must have moved, and nowhere else."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import ChannelId, Regulation, Sweep
from cycler.control.standstill import LOOK_S, Standstill
from cycler.results.reasons import reason
from cycler.safety.frozen import PASSED_RATIO, STILL_S
from sims.testing.rack_run import CellRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, hours, minutes, rest, soak, voltage

FROZEN_S = 300.4
HALF_C = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(50)))


def found_after_s(cell: CellRun) -> float:
    assert cell.outcome is not None
    assert (cell.outcome.code, cell.stop_reason) == ("TRIP_79", "trip")
    assert reason("TRIP_79").verdict == "retest"
    return cell.last_sample.elapsed_s - FROZEN_S


@pytest.mark.parametrize("counter", ["true", "false"])
def test_a_channel_whose_noise_or_counter_is_missing_is_found_within_a_minute_and_a_half(counter: str) -> None:
    rack = SimRack(options={"counter": counter}).load("c1").load("c2")
    run = rack.disturb("cyc-01", "frozen", channel="1", after_s=FROZEN_S).run(HALF_C)
    assert found_after_s(run["c1"]) < LOOK_S + STILL_S + 30.0
    assert rack.output_is_open("c1")
    assert run["c2"].stop_reason == "time"
    (tripped,) = run.happened("protection.tripped")
    assert (tripped.code, tripped.position) == ("79", "B01/A1")


def test_a_device_without_either_is_found_by_the_charge_that_has_passed() -> None:
    rack = SimRack(driver="ea_psb").load("c1", state="formed@10%").load("c2", state="formed@10%")
    run = rack.disturb("psb-01", "frozen", after_s=FROZEN_S).run(HALF_C)
    passed_s = PASSED_RATIO / 0.5 * 3600
    assert passed_s <= found_after_s(run["c1"]) < passed_s + 2 * LOOK_S
    assert run["c2"].stop_reason == "time"


def test_a_freeze_that_thaws_in_time_stops_nobody() -> None:
    rack = SimRack().load("c1").disturb("cyc-01", "frozen", after_s=FROZEN_S, for_s=20.0)
    assert rack.run(HALF_C)["c1"].stop_reason == "time"


def test_what_stands_still_at_rest_is_healthy() -> None:
    rack = SimRack(ideal=True).load("c1").load("c2").run(rest(minutes=30), HALF_C, rest(minutes=60))
    assert [cell.outcome.code for cell in rack.cells.values() if cell.outcome is not None] == [None, None]


# A channel by itself.

FINE = ChannelRange(
    voltage_v_min=0.0, voltage_v_max=5.0, charge_current_a_max=6.0, discharge_current_a_max=6.0, power_w_max=30.0,
    voltage_accuracy_v=0.001, current_accuracy_a=0.001, voltage_resolution_v=0.0004, current_resolution_a=0.0004,
)  # fmt: skip
COARSE = replace(FINE, voltage_resolution_v=0.01)
NOISY = replace(FINE, voltage_noise_v=0.0004)
RATED_AH = 2.5


def swept(
    readings: Iterable[tuple[float, float, float]],
    channel: ChannelRange,
    regulation: Regulation,
    *,
    counted: bool = False,
) -> float | None:
    """Time, V and A of one channel: when it was found to be frozen. What has flowed is counted right."""
    standstill = Standstill(channel)
    charged_ah = before_s = 0.0
    for taken_s, voltage_v, current_a in readings:
        charged_ah += current_a * (taken_s - before_s) / 3600
        before_s = taken_s
        sweep = Sweep(
            taken_s=taken_s, taken_utc=datetime(2026, 1, 1, tzinfo=UTC), channels=(ChannelId("1"),),
            voltage_v=[voltage_v], current_a=[current_a], regulation=[regulation], order_id=[1], phase=[0],
            step_time_s=[taken_s], charged_ah=[charged_ah] if counted else None,
            discharged_ah=[0.0] if counted else None,
        )  # fmt: skip
        if taken_s >= standstill.due_s and standstill.look(sweep, lambda: {0: RATED_AH}):
            return taken_s
    return None


def still(hours: float, *, current_a: float) -> list[tuple[float, float, float]]:
    return [(float(second), 3.32, current_a) for second in range(int(hours * 3600))]


def test_lfp_on_its_plateau_and_in_its_taper_stands_still_on_a_coarse_converter_and_is_healthy() -> None:
    assert swept(still(4.0, current_a=0.5), COARSE, "cc") is None
    assert swept(still(4.0, current_a=0.5), COARSE, "cv") is None
    assert swept(still(4.0, current_a=0.5), FINE, "cv") is None
    assert swept(still(4.0, current_a=0.0), NOISY, "off") is None
    assert swept(still(0.09 * RATED_AH / 0.5, current_a=0.5), FINE, "cc") is None


def test_a_plateau_of_a_fifth_of_the_capacity_is_no_cells() -> None:
    found_s = swept(still(4.0, current_a=0.5), FINE, "cc")
    assert found_s is not None
    assert found_s == pytest.approx(PASSED_RATIO * RATED_AH / 0.5 * 3600, abs=LOOK_S)


def test_a_counter_that_goes_on_shows_that_a_channel_lives() -> None:
    assert swept(still(4.0, current_a=0.5), NOISY, "cc", counted=True) is None


def test_the_less_noise_is_seen_the_longer_its_absence_says_nothing() -> None:
    times_s = [
        swept(still(1.0, current_a=0.5), replace(FINE, voltage_noise_v=noise_v), "cc")
        for noise_v in (0.0020, 0.0004, 0.0002)
    ]
    assert None not in times_s
    assert times_s == sorted(times_s, key=lambda time_s: time_s or 0.0)
    assert times_s[0] != times_s[-1]


# Temperature.


def enclosed(cells: int) -> SimRack:
    rack = SimRack()
    for number in range(cells):
        rack.load(f"c{number}", state="formed@10%")
    return rack.enclose("B01")


def test_a_sensor_that_stands_still_while_its_neighbours_warm_is_found() -> None:
    run = enclosed(5).disturb("tc-01", "frozen", channel="2", after_s=FROZEN_S).run(
        charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(60)))
    )  # fmt: skip
    assert found_after_s(run["c1"]) < 1200.0
    assert [run[f"c{number}"].stop_reason for number in (0, 2, 3, 4)] == ["time"] * 4


def test_a_whole_module_that_stands_still_is_found_where_eight_cells_carry_a_current() -> None:
    warm = charge(c_rate=0.34, until=(voltage(4.15), amp_hours(6), hours(2)))
    run = enclosed(8).disturb("tc-01", "frozen", after_s=FROZEN_S).run(warm)
    assert {cell.outcome.code for cell in run.cells.values() if cell.outcome is not None} == {"TRIP_79"}
    assert found_after_s(run["c0"]) < 3600.0 + 120.0


def test_sensors_that_stand_still_with_all_cells_at_rest_are_healthy() -> None:
    run = enclosed(8).run(soak(degc=25.0), rest(minutes=100))
    assert {cell.outcome.code for cell in run.cells.values() if cell.outcome is not None} == {None}
