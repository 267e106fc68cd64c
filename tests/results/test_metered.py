"""What `ocv` and `acir` say of a cell."""

from dataclasses import replace

import pytest
from formed_tray import DISCHARGE, REST

from cycler.model.results import StepResult
from cycler.results.metrics import acir_ohm, k_v_per_h, ocv_v

FIRST = replace(REST, step_type="ocv", tag="ocv1", ocv_v=3.6500, measured_by="hi-01/1", started_s=0.0)
SECOND = replace(FIRST, step_count=9, tag="ocv2", ocv_v=3.6452, started_s=24 * 3600.0)
SKIPPED = replace(SECOND, ocv_v=None, measured_by=None, stop_reason="device-fault", quality=("SKIPPED",))
RESISTANCE = replace(REST, step_type="acir", acir_ohm=0.0142, measured_by="hi-01/1")


def test_k_is_the_fall_of_what_one_meter_measured() -> None:
    """4.8 mV in a day is 0.2 mV/h, whatever the cycler saw."""
    assert k_v_per_h([FIRST, SECOND]) == pytest.approx(0.2e-3)


@pytest.mark.parametrize(
    "second",
    [
        replace(SECOND, measured_by="hi-02/1"),
        replace(SECOND, measured_by="cycler"),
        replace(REST, step_count=9, tag="ocv2", started_s=24 * 3600.0),
        SKIPPED,
    ],
    ids=["another meter", "the cycler", "a rest", "nobody"],
)
def test_two_instruments_give_no_k(second: StepResult) -> None:
    assert k_v_per_h([FIRST, second]) is None


def test_what_a_cycler_measures_in_rests_and_ocvs_is_one_instrument() -> None:
    own = replace(FIRST, ocv_v=4.15, measured_by="cycler")
    later = replace(REST, step_count=9, tag="ocv2", started_s=10 * 3600.0, end_voltage_v=4.14)
    assert k_v_per_h([own, later]) == pytest.approx(1e-3)


def test_the_voltage_of_a_cell_is_what_the_last_ocv_measured_else_the_end_of_the_last_rest() -> None:
    assert ocv_v([FIRST, DISCHARGE, REST]) == 3.65
    assert ocv_v([FIRST, SECOND]) == 3.6452
    assert ocv_v([FIRST, SKIPPED]) == 3.65
    assert ocv_v([REST, SKIPPED]) == SKIPPED.end_voltage_v
    assert ocv_v([DISCHARGE]) is None


def test_the_resistance_of_a_cell_is_that_of_its_last_valid_acir() -> None:
    broken = replace(RESISTANCE, acir_ohm=None, quality=("SKIPPED",))
    assert acir_ohm([replace(RESISTANCE, acir_ohm=0.02), RESISTANCE, broken]) == 0.0142
    assert acir_ohm([REST, broken]) is None
