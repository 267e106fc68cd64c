"""What a cell shows beside its lot: leaks, another chemistry, sensors that cannot be believed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from formed_tray import CHARGE, DISCHARGE, REST, TRAY
from numpy.typing import NDArray

from cycler.model.cell import Cell, CellId
from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellOutcome, Counters, StepResult
from cycler.results.cell_record import CellRecord
from cycler.results.verdict import judged

NMC = CellType(
    name="nmc", chemistry="nmc811", rated_capacity_ah=5.0, rated_energy_wh=18.0, mass_kg=0.07, envelopes={},
    required_protections=frozenset(),
)  # fmt: skip
HOUR = 3600.0
NAMES = [PositionId(f"B01/A{number}") for number in range(1, 13)]
ODD = NAMES[4]


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


@dataclass(frozen=True)
class Made:
    """How a cell is made: a first charge, a rest, a discharge and a rest of an hour, its resistance and its leak."""

    ohm: float = 0.03
    leak_a: float = 0.0
    mean_v: float = 3.65
    drift_k_per_h: float = 0.0
    warmed_k: float = 0.0  # what the discharge warms the cells of the lot by …
    follows: float = 1.0  # … and how much of it this one's sensor shows
    warm_k: float = 0.0  # what a hot neighbour has warmed it by before
    busy_from_s: float = math.inf  # from then on a current that warms it
    last_rest_h: float = 1.0
    plateau_v: float = 0.0  # after the charge
    counted_ratio: float = 1.0  # what the device has counted in the charge, over what the host has
    pulled_v: float = 0.0  # by the next step's current, before its order is seen in force
    noise_v: float = 0.2e-3
    ended: str = "completed"
    code: str | None = None
    last_step: int = 4


def samples_of(made: Made, rng: np.random.Generator) -> Curve:
    """Every ten seconds; the current of C/10 warms the cell by nearly nothing."""
    columns: list[NDArray[np.float64]] = []
    start_s = 0.0
    for step, (hours, amps) in enumerate(((10.0, 0.5), (1.0, 0.0), (10.0, -0.5), (made.last_rest_h, 0.0)), 1):
        if step > made.last_step:
            break
        time_s = np.arange(0.0, hours * HOUR + 1, 10.0)
        relaxed = 1 - np.exp(-time_s / 900)
        slope_v_per_ah = {2: 0.1, 4: 2.0}.get(step, 0.0)  # the OCV is steep where the cell is empty
        rest_v = {2: 4.2, 4: 2.9}.get(step, made.mean_v)
        sign = {2: -1, 4: 1}.get(step, 0)
        volts = rest_v + sign * 2 * made.ohm * relaxed - slope_v_per_ah * made.leak_a * time_s / HOUR
        volts = volts + made.noise_v * rng.standard_normal(len(time_s))
        volts = volts + (made.plateau_v if step == 2 else 0.0)
        if made.pulled_v:
            time_s, volts = np.append(time_s, hours * HOUR + 0.1), np.append(volts, volts[-1] - made.pulled_v)
        elapsed_s = start_s + time_s
        degc = 25.0 + made.drift_k_per_h * elapsed_s / HOUR
        degc = degc + (made.warm_k + made.warmed_k * made.follows * time_s / (hours * HOUR) if step == 3 else 0.0)
        step_column = np.full(len(time_s), float(step))
        zero = np.zeros(len(time_s))
        amps_a = np.where(elapsed_s < made.busy_from_s, amps, 5.0)
        columns.append(np.stack((elapsed_s, step_column, time_s, volts, amps_a, degc, zero, zero)))
        start_s = float(elapsed_s[-1])
    table = np.concatenate(columns, axis=1)
    return Curve(table[0], table[1].astype(np.int64), *table[2:])


def steps_of(made: Made) -> list[StepResult]:
    lost_ah = made.leak_a * 20
    charged, discharged = 5.5 + lost_ah / 2, 5.0 - lost_ah / 2
    apart_v = made.ohm * 0.5

    def moved(into_ah: float, out_ah: float) -> Counters:
        return Counters(
            charged_nas=round(into_ah * NAS_PER_AH),
            discharged_nas=round(out_ah * NAS_PER_AH),
            charged_nws=round(into_ah * (made.mean_v + apart_v) * NAS_PER_AH),
            discharged_nws=round(out_ah * (made.mean_v - apart_v) * NAS_PER_AH),
        )

    witness_nas = round(charged * (made.counted_ratio - 1) * NAS_PER_AH)
    steps = [
        replace(CHARGE, started_s=0.0, duration_s=10 * HOUR, moved=moved(charged, 0), witness_nas=witness_nas),
        replace(REST, started_s=10 * HOUR, duration_s=HOUR),
        replace(DISCHARGE, started_s=11 * HOUR, duration_s=10 * HOUR, moved=moved(0, discharged)),
        replace(REST, step_count=4, step_id="4", started_s=21 * HOUR, duration_s=made.last_rest_h * HOUR),
    ]
    return steps[: made.last_step]


def lot(odd: Made, *, cells: int = 12) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Verdict and reasons of a lot in which one cell is odd."""
    rng = np.random.default_rng(7)
    names = NAMES[:cells]
    run = replace(TRAY, cells={at: Cell(cell_id=CellId(at), cell_type="nmc", state="filled") for at in names})
    records = []
    for at in names:
        ohm = 0.03 * (1 + 0.015 * rng.standard_normal())
        good = Made(ohm=ohm, last_rest_h=odd.last_rest_h, warmed_k=odd.warmed_k)
        made = odd if at == ODD else good
        records.append(
            CellRecord(
                run=run,
                position=at,
                cell_type=NMC,
                outcome=CellOutcome(cell=CellId(at), position=at, ended=made.ended, code=made.code),  # type: ignore[arg-type]
                steps=steps_of(made),
                samples=samples_of(made, rng),
            )
        )
    return [(cell.result.verdict, cell.result.reason_codes) for cell in judged(records)]


def odd_one(odd: Made, *, cells: int = 12) -> tuple[str, tuple[str, ...]]:
    """Of the odd cell; all others must have passed."""
    results = lot(odd, cells=cells)
    others = [result for index, result in enumerate(results) if NAMES[index] != ODD]
    assert others == [("pass", ())] * (cells - 1)
    return results[NAMES.index(ODD)]


def test_a_good_lot_passes() -> None:
    assert odd_one(Made()) == ("pass", ())


def test_a_micro_short_of_a_kiloohm_is_found_at_rest_and_in_the_cycle() -> None:
    assert odd_one(Made(leak_a=3.7e-3)) == ("fail", ("SELF_DISCHARGE",))


def test_a_healthy_leak_is_none() -> None:
    assert odd_one(Made(leak_a=25e-6)) == ("pass", ())


def test_a_resistance_moves_the_voltage_at_rest_and_is_no_leak() -> None:
    assert odd_one(Made(ohm=0.048)) == ("pass", ())


def test_what_comes_after_the_end_of_a_rest_is_no_leak() -> None:
    assert odd_one(Made(pulled_v=0.5)) == ("pass", ())


def test_the_longer_a_rest_the_smaller_the_leak_that_it_shows() -> None:
    assert odd_one(Made(leak_a=0.3e-3)) == ("pass", ())
    assert odd_one(Made(leak_a=0.3e-3, last_rest_h=10.0)) == ("fail", ("SELF_DISCHARGE",))


def test_a_lot_that_is_too_small_accuses_nobody() -> None:
    assert odd_one(Made(leak_a=3.7e-3), cells=7) == ("pass", ())


def test_a_charge_that_swallows_more_than_its_lot_leaks() -> None:
    broken_off = Made(leak_a=0.2, ended="failed", code="TIMEOUT", last_step=1)
    assert odd_one(broken_off) == ("fail", ("SELF_DISCHARGE", "TIMEOUT"))


def test_a_cell_that_stands_higher_than_its_lot_when_full_has_plated_lithium() -> None:
    assert odd_one(Made(plateau_v=0.03)) == ("fail", ("LOW_EFFICIENCY",))
    assert odd_one(Made(plateau_v=0.005)) == ("pass", ())
    assert odd_one(Made(plateau_v=-0.03)) == ("pass", ())


@pytest.mark.parametrize("mean_v", [3.25, 3.85])
def test_another_chemistry_takes_and_gives_its_charge_at_other_voltages(mean_v: float) -> None:
    assert odd_one(Made(mean_v=mean_v)) == ("quarantine", ("WRONG_CHEMISTRY",))


def test_a_charge_that_device_and_host_count_apart_is_believed_of_neither() -> None:
    assert odd_one(Made(counted_ratio=1.05)) == ("retest", ("TRIP_36",))
    assert odd_one(Made(counted_ratio=0.9)) == ("retest", ("TRIP_36",))
    assert odd_one(Made(counted_ratio=1.01)) == ("pass", ())


def test_a_cell_by_itself_is_compared_with_what_is_rated() -> None:
    rng = np.random.default_rng(1)
    run = replace(TRAY, cells={ODD: Cell(cell_id=CellId("x"), cell_type="nmc", state="filled")})
    outcome = CellOutcome(cell=CellId("x"), position=ODD, ended="completed")
    codes = []
    for made in (Made(mean_v=3.2), Made()):
        record = CellRecord(
            run=run, position=ODD, cell_type=NMC, outcome=outcome, steps=steps_of(made), samples=samples_of(made, rng)
        )
        codes.append(judged([record])[0].result.reason_codes)
    assert codes == [("WRONG_CHEMISTRY",), ()]


@pytest.mark.parametrize("drift_k_per_h", [0.5, -0.5])
def test_a_sensor_that_drifts_away_from_its_neighbours_asks_for_a_retest(drift_k_per_h: float) -> None:
    assert odd_one(Made(drift_k_per_h=drift_k_per_h)) == ("retest", ("TEMPERATURE",))


def test_a_trip_by_heat_that_only_the_sensor_saw_condemns_no_cell() -> None:
    tripped = Made(drift_k_per_h=2.0, ended="tripped", code="TRIP_9", last_step=3)
    assert odd_one(tripped) == ("retest", ("TEMPERATURE", "TRIP_9"))


def test_a_warm_cell_whose_voltage_lags_is_believed() -> None:
    warm = Made(drift_k_per_h=2.0, mean_v=3.6, ended="tripped", code="TRIP_9", last_step=1)
    assert odd_one(warm) == ("quarantine", ("TRIP_9", "TRIP_12"))
    assert odd_one(Made(drift_k_per_h=0.5, mean_v=3.61, last_step=3)) == ("fail", ("TRIP_12",))


def test_a_quiet_time_that_is_too_short_to_tell_says_nothing() -> None:
    assert odd_one(Made(drift_k_per_h=2.0, busy_from_s=600.0)) == ("pass", ())


def test_a_sensor_within_its_tolerance_says_nothing() -> None:
    assert odd_one(Made(drift_k_per_h=0.1)) == ("pass", ())


@pytest.mark.parametrize("follows", [0.0, 0.2, -0.5])
def test_a_sensor_that_its_own_cells_current_does_not_warm_sits_elsewhere(follows: float) -> None:
    assert odd_one(Made(warmed_k=3.0, follows=follows)) == ("retest", ("TEMPERATURE",))


def test_a_sensor_that_is_warmed_less_than_others_sits_badly_at_worst() -> None:
    assert odd_one(Made(warmed_k=3.0, follows=0.5)) == ("pass", ())


def test_a_cell_that_a_neighbour_has_warmed_before_is_believed() -> None:
    assert odd_one(Made(warmed_k=3.0, warm_k=3.0, follows=0.1)) == ("pass", ())


def test_where_the_current_warms_nobody_no_sensor_is_accused() -> None:
    assert odd_one(Made(warmed_k=1.5, follows=0.0)) == ("pass", ())


def test_a_step_that_was_broken_off_says_nothing_of_the_sensor() -> None:
    early = Made(warmed_k=3.0, follows=0.0, ended="tripped", code="TRIP_3", last_step=1)
    assert odd_one(early)[1] == ("TRIP_3",)


def test_a_cell_of_another_kind_is_not_blamed_on_its_sensor() -> None:
    codes = odd_one(Made(warmed_k=3.0, follows=0.3, mean_v=3.25))[1]
    assert "WRONG_CHEMISTRY" in codes and "TEMPERATURE" not in codes
