"""What a chamber keeps and does not keep shows in the quality of the steps that are graded, and nowhere else."""

from math import nan

import pytest
from machine_bench import charge, compare, discharge, plan, pulse, rest, started, step, until

from cycler.control.progress import Climate
from cycler.model.results import Quality
from cycler.recipe.plan import ChamberRule, PlanPhase, PlanStep, SoakRule

KEPT = Climate(23.0, 27.0, air_is_off=False)
LOST = Climate(23.0, 27.0, air_is_off=True)
TEN_MINUTES = until(compare("time", ">=", 600.0))


def qualities(*steps: PlanStep, degc: float = 25.0, climates: dict[float, Climate]) -> list[tuple[Quality, ...]]:
    """Of the steps, with what surrounds the cell from these times on."""
    bench = started(plan(*steps), temperature_degc=degc, counter=True)
    for at_s, climate in climates.items():
        bench.run(at_s - bench.time_s)
        bench.machine.surround(climate)
    return [result.quality for result in bench.run().results]


def test_a_graded_step_in_a_chamber_that_keeps_its_temperature_is_fine() -> None:
    graded = discharge(1.0, TEN_MINUTES, tag="cap")
    assert qualities(graded, climates={0.0: KEPT}) == [("OK",)]


def test_air_that_is_off_for_a_while_marks_the_graded_step_that_it_falls_in() -> None:
    steps = (charge(1.0, TEN_MINUTES), rest(600.0), discharge(1.0, TEN_MINUTES, tag="cap"), rest(600.0))
    found = qualities(*steps, climates={0.0: KEPT, 1500.0: LOST, 1510.0: KEPT})
    assert found == [("OK",), ("OK",), ("TEMPERATURE",), ("OK",)]


def test_air_that_was_off_before_a_graded_step_and_still_is_marks_it() -> None:
    steps = (rest(600.0), pulse(1.0, 10.0, (10.0,)))
    assert "TEMPERATURE" in qualities(*steps, climates={0.0: KEPT, 300.0: LOST})[1]


def test_a_cell_that_is_too_warm_as_it_enters_a_graded_step_marks_it() -> None:
    steps = (discharge(1.0, TEN_MINUTES, tag="cap"), rest(600.0, tag="ocv1"))
    assert qualities(*steps, degc=28.0, climates={0.0: KEPT}) == [("TEMPERATURE",), ("OK",)]


def test_steps_that_grade_nothing_and_cells_without_a_chamber_are_not_marked() -> None:
    graded = discharge(1.0, TEN_MINUTES, tag="cap")
    assert qualities(charge(1.0, TEN_MINUTES), degc=28.0, climates={0.0: LOST}) == [("OK",)]
    assert qualities(graded, degc=28.0, climates={}) == [("OK",)]


@pytest.mark.parametrize(("degc", "quality"), [(25.0, ("OK",)), (nan, ("INFERRED",))])
def test_a_soak_that_no_sensor_has_seen_is_inferred(degc: float, quality: tuple[str, ...]) -> None:
    soak = step(
        "soak",
        PlanPhase(direction="rest", held=True),
        chamber=ChamberRule(target_degc=25.0),
        soak=SoakRule(within_k=2.0, hold_s=600.0, timeout_s=3600.0),
    )
    measured = degc == degc  # noqa: PLR0124 (not NaN)
    bench = started(plan(soak, rest(5.0)), temperature_measured=measured, temperature_degc=degc).run(20_000.0)
    assert bench.machine.held, "nothing but the bay ends a soak, however long that takes"
    bench.take(bench.machine.release("completed", "soaked"))
    assert bench.run().results[0].quality == quality
