"""Every recipe that ships, run on a simulated cell: it does what it is for, and the page about it says so."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import library_table
import pytest
from library_runs import LibraryRun, library, run_library

from cycler.model.cell_type import Band
from cycler.model.results import NAS_PER_AH, StepResult
from cycler.results.metrics import acir_ohm, capacity_ah, dcir_ohm, first_cycle_efficiency, k_v_per_h

SHIPPED_RATIO_MAX = 0.30
"""Of rated capacity, by air."""

K_HEALTHY_V_PER_H = 2e-3 / 24
USUAL_EFFICIENCY = Band(low=0.84, high=0.92)
"""Of the first cycle of NMC, for the cell type that has no limits for it."""


@pytest.mark.slow
def test_every_recipe_does_what_it_is_for_and_the_page_says_so() -> None:
    """One rack runs them all, which costs a fifth of running one after the other."""
    runs = run_library()
    assert runs.keys() == library().keys()
    assert {name: run.outcome.detail for name, run in runs.items() if run.outcome.ended != "completed"} == {}
    wrong = []
    for name, run in runs.items():
        try:
            _keeps_its_promises(run)
            _expectation(name)(run)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert wrong == []
    page = library_table.PAGE.read_text(encoding="utf-8")
    assert library_table.updated(page, runs) == page, "run: .venv/bin/python tests/helpers/library_table.py"


def _keeps_its_promises(run: LibraryRun) -> None:
    recipe, cell_type = run.loaded.recipe, run.loaded.cell_type
    assert run.outcome.state == (recipe.to_state or run.loaded.recipe.from_state[0])
    capacity_band = cell_type.limits["capacity_ah"]
    if (measured_ah := capacity_ah(run.steps)) is not None and any(step.tag == "cap" for step in run.steps):
        assert measured_ah in capacity_band


def _forms(run: LibraryRun) -> None:
    limits = run.loaded.cell_type.limits
    efficiency = first_cycle_efficiency(run.steps, "filled")
    assert efficiency is not None
    assert efficiency in limits.get("first_cycle_efficiency", USUAL_EFFICIENCY)
    assert _of_rated(run) == pytest.approx(0.17 if run.loaded.cell_type.name == "lfp-26650" else 0.26, abs=0.02)
    _measures_resistance(run)
    if any(step.tag == "ocv2" for step in run.steps):
        k = k_v_per_h(run.steps)
        assert k is not None
        assert 0 < k < K_HEALTHY_V_PER_H


def _grades(run: LibraryRun) -> None:
    assert capacity_ah(run.steps) is not None
    _measures_resistance(run)


def _measures_resistance(run: LibraryRun) -> None:
    """With the limits of the cell type, which are of this pulse at this state of charge."""
    resistance_ohm = dcir_ohm(run.steps)
    assert resistance_ohm is not None
    assert resistance_ohm in run.loaded.cell_type.limits["dcir_ohm"]


def _forms_until_degassing(run: LibraryRun) -> None:
    assert run.charged_ah / 5.0 == pytest.approx(0.37, abs=0.002)
    assert run.discharged_ah == 0
    assert 3.0 < run.steps[-1].end_voltage_v < 3.7  # what the second part expects


def _forms_after_degassing(run: LibraryRun) -> None:
    (first, *_) = (step for step in run.steps if step.step_type == "charge")
    assert _charged_ah(first) / 5.0 == pytest.approx(0.80, abs=0.01)  # 117 % of rated, with the first part
    assert run.soc > 0.97


def _ships(run: LibraryRun) -> None:
    assert 0.2 < _of_rated(run) < SHIPPED_RATIO_MAX - 0.01


def _discharges_safely(run: LibraryRun) -> None:
    _, *emptied = run.steps  # behind the contact check
    assert sum(_charged_ah(step) for step in emptied) == 0
    assert all(step.end_voltage_v > 0 for step in emptied)
    assert 0.25 < emptied[-1].end_voltage_v < 1
    assert emptied[-1].step_id == "evidence"
    assert run.soc < 0


def _iec61960(run: LibraryRun) -> None:
    pulses = run.named("pulse")
    assert [len(pulse.pulse) for pulse in pulses] == [1] * 10
    own = 10 / 3600 / 5 + 1 / 3600  # of rated, by each pulse
    taken = [_taken(run, pulse, since="fill") for pulse in pulses]
    assert taken == pytest.approx([n * (0.1 + own) for n in range(10)], abs=0.003)
    assert all(0.02 < pulse.pulse[0].resistance_ohm < 0.03 for pulse in pulses)
    assert all(pulse.pulse[0].reference.current_a == pytest.approx(-1.0, abs=0.01) for pulse in pulses)


def _iso12405(run: LibraryRun) -> None:
    profiles = run.named("profile")
    assert [1 - _taken(run, step, since="fill") for step in profiles] == pytest.approx(
        [0.9, 0.7, 0.5, 0.35, 0.2], abs=0.003
    )
    assert all([point.nominal_s for point in step.train] == [18.0, 102.0, 20.0] for step in profiles)
    assert all(0.025 < step.train[0].resistance_ohm < 0.045 for step in profiles)


def _hppc(run: LibraryRun) -> None:
    profiles = run.named("profile")
    assert [1 - _taken(run, step, since="fill") for step in profiles] == pytest.approx(
        [n / 10 for n in range(9, 0, -1)], abs=0.003
    )
    emptiest = profiles[-1].train[0].resistance_ohm
    assert all(0.025 < point.resistance_ohm <= emptiest for step in profiles for point in step.train)


def _low_soc(run: LibraryRun) -> None:
    at_5, at_10 = (pulse.pulse[-1].resistance_ohm for pulse in run.named("pulse"))
    assert at_5 > at_10 > 0.04
    assert _of_rated(run) == pytest.approx(0.10, abs=0.005)


def _rates(run: LibraryRun) -> None:
    given_ah = [_discharged_ah(step) for step in run.named("out")]
    assert len(given_ah) == 5
    assert all(one < other for one, other in pairwise(given_ah))  # from 1C to C/5
    assert given_ah[-1] - given_ah[0] < 0.1
    assert [step.end_current_a for step in run.named("out")] == pytest.approx([-5, -3.75, -2.5, -5 / 3, -1], abs=0.02)


def _cycles(run: LibraryRun) -> None:
    """It goes on while the cell gives 99.99 % of what it gave at first, and ends before its three turns are over."""
    first, *later = (_discharged_ah(step) for step in run.steps if step.tag == "cap")
    assert [ah / first < 0.9999 for ah in later] == [False, True]
    assert len(run.named("out")) == 2


def _tests(run: LibraryRun) -> None:
    _measures_resistance(run)
    (whole,) = (_discharged_ah(step) for step in run.steps if step.tag == "cap")
    assert _charged_ah(run.named("half")[0]) == pytest.approx(whole / 2, abs=0.005)


def _stores(run: LibraryRun) -> None:
    assert _of_rated(run) == pytest.approx(0.52, abs=0.02)


def _recovers(run: LibraryRun) -> None:
    retained, again = (_discharged_ah(step) for step in run.steps if step.tag in {"retained", "cap"})
    assert retained / again == pytest.approx(0.48, abs=0.03)


def _measures_ocv(run: LibraryRun) -> None:
    (ocv,) = (step for step in run.steps if step.step_type == "ocv")
    assert ocv.measured_by is not None
    assert ocv.measured_by.startswith("meter/")
    assert ocv.ocv_v == pytest.approx(ocv.end_voltage_v, abs=1e-4)
    assert acir_ohm(run.steps) == pytest.approx(0.0084, abs=0.0005)
    assert run.charged_ah + run.discharged_ah == pytest.approx(0, abs=1e-6)


Expectation = Callable[[LibraryRun], None]

EXPECTED: Mapping[str, Expectation] = {
    "nmc811-pouch-form-A": _forms_until_degassing,
    "nmc811-pouch-form-B": _forms_after_degassing,
    "formation": _forms,
    "grading": _grades,
    "ship": _ships,
    "safe-discharge": _discharges_safely,
    "dcir-iec61960": _iec61960,
    "pulse-iso12405": _iso12405,
    "hppc": _hppc,
    "dcir-low-soc": _low_soc,
    "rate-capability": _rates,
    "cycle-life": _cycles,
    "reference-test": _tests,
    "storage": _stores,
    "storage-recovery": _recovers,
    "ocv1": _measures_ocv,
    "ocv2": _measures_ocv,
    "formation-fast": _forms,
    "formation-high-current": _forms,
}
"""By the name of the recipe, without that of its cell type in front."""


def _expectation(name: str) -> Expectation:
    cell_type = library()[name].cell_type.name
    return EXPECTED[name.removeprefix(f"{cell_type}-")]


def _of_rated(run: LibraryRun) -> float:
    """What was left in the cell."""
    cell_type = run.loaded.cell_type
    return run.soc * (cell_type.simulation.capacity_ah or 0.0) / cell_type.rated_capacity_ah


def _taken(run: LibraryRun, until: StepResult, *, since: str) -> float:
    """Of rated: what came out of the cell, what went back in counted, between the end of one step and another."""

    def between() -> Iterator[StepResult]:
        begun = False
        for step in run.steps:
            if step is until:
                return
            if begun:
                yield step
            begun = begun or step.step_id == since

    return sum(_discharged_ah(step) - _charged_ah(step) for step in between()) / run.loaded.cell_type.rated_capacity_ah


def _charged_ah(step: StepResult) -> float:
    return step.moved.charged_nas / NAS_PER_AH


def _discharged_ah(step: StepResult) -> float:
    return step.moved.discharged_nas / NAS_PER_AH
