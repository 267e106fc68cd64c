"""Metrics, verdicts, reasons and grades of formed cells."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from formed_tray import A2, A10, CHARGE, DISCHARGE, NAS_PER_MAH, REST, TRAY, ended
from hypothesis import given
from hypothesis import strategies as st
from pulse_points import point

from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import Band, CellType
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, REASON_CODES, CellOutcome, CellResult, Counters, StepResult, Verdict
from cycler.results import metrics
from cycler.results.cell_record import CellRecord
from cycler.results.reasons import decides_before, reason
from cycler.results.signs import Sign
from cycler.results.verdict import JudgedCell, judged, judged_cell, never_ended, place_order
from cycler.results.words import findings

NMC = CellType(
    name="nmc",
    chemistry="nmc811",
    rated_capacity_ah=5.0,
    rated_energy_wh=18.0,
    mass_kg=0.07,
    envelopes={},
    required_protections=frozenset(),
    limits={"capacity_ah": Band(low=4.8, high=5.5), "dcir_ohm": Band(high=0.030)},
    grades={"A": {"capacity_ah": Band(low=5.05)}, "B": {"capacity_ah": Band(low=4.9)}},
)
DCIR = replace(
    REST, step_count=5, step_id="5", step_type="dcir",
    pulse=(point(10.0, 0.025), point(0.1, 0.015)),
)  # fmt: skip
LAST_REST = replace(REST, step_count=4, end_voltage_v=3.1)


def discharged(milliamperehours: int, **facts: object) -> StepResult:
    moved = Counters(discharged_nas=milliamperehours * NAS_PER_MAH)
    return replace(DISCHARGE, moved=moved, **facts)  # type: ignore[arg-type]


def resisting(ohm: float) -> StepResult:
    return replace(DCIR, pulse=(replace(DCIR.pulse[0], resistance_ohm=ohm),))


def record_of(steps: Sequence[StepResult], outcome: CellOutcome | None = None, state: str = "formed") -> CellRecord:
    cell = replace(TRAY.cells[A2], state=state)
    run = replace(TRAY, cells={A2: cell})
    return CellRecord(run=run, position=A2, cell_type=NMC, outcome=outcome or ended(A2), steps=steps)


def judged_of(steps: Sequence[StepResult], outcome: CellOutcome | None = None) -> JudgedCell:
    return judged_cell(record_of(steps, outcome))


def result_of(steps: Sequence[StepResult], outcome: CellOutcome | None = None) -> CellResult:
    return judged_of(steps, outcome).result


def stopped(how: str, code: str | None) -> CellOutcome:
    return replace(ended(A2), ended=how, code=code)


def test_a_good_cell_passes_with_its_numbers() -> None:
    result = result_of([CHARGE, REST, DISCHARGE, LAST_REST, DCIR])
    assert (result.verdict, result.reason_codes, result.grade) == ("pass", (), "B")
    assert result.capacity_ah == 5.0
    assert result.dcir_ohm == 0.025
    assert result.ocv_v == 3.1
    assert result.end_voltage_v == DCIR.end_voltage_v
    assert result.energy_in_wh == 19.0
    assert result.energy_out_wh == 18.0


def test_the_efficiency_is_that_of_a_cycle_that_began_empty() -> None:
    emptied = replace(DISCHARGE, cycle=1, tag=None, moved=Counters(discharged_nas=1500 * NAS_PER_MAH))
    charged, measured = replace(CHARGE, cycle=2), replace(DISCHARGE, cycle=2)
    assert metrics.cycle_efficiency_ratio([emptied, REST, charged, measured], "formed") == pytest.approx(5.0 / 5.1)
    assert metrics.cycle_efficiency_ratio([CHARGE, DISCHARGE], "formed") is None
    half = replace(emptied, stop_reason="capacity")
    assert metrics.cycle_efficiency_ratio([half, REST, charged, measured], "formed") is None


PRECHARGE = replace(CHARGE, step_id="pre", stop_reason="capacity", moved=Counters(charged_nas=100 * NAS_PER_MAH))
CONTACT = replace(REST, step_type="contact", moved=Counters(charged_nas=NAS_PER_MAH))


def test_the_first_cycle_counts_all_that_went_in_since_the_cell_was_filled() -> None:
    later = [replace(CHARGE, cycle=2), replace(DISCHARGE, cycle=2, moved=Counters(discharged_nas=NAS_PER_MAH))]
    steps = [CONTACT, PRECHARGE, CHARGE, REST, DISCHARGE, *later]
    assert metrics.first_cycle_efficiency(steps, "filled") == pytest.approx(5000 / (1 + 100 + 5100))


def test_a_formed_cell_has_no_first_cycle() -> None:
    assert metrics.first_cycle_efficiency([CHARGE, DISCHARGE], "formed") is None


def test_the_first_cycle_goes_on_over_two_recipes() -> None:
    ratio = metrics.first_cycle_efficiency([CHARGE, DISCHARGE], "precharged", [CONTACT, PRECHARGE])
    assert ratio == pytest.approx(5000 / (1 + 100 + 5100))
    assert metrics.first_cycle_efficiency([CHARGE, DISCHARGE], "precharged") is None


@pytest.mark.parametrize(
    "spoilt",
    [
        replace(DISCHARGE, stop_reason="capacity"),
        replace(DISCHARGE, stop_reason="trip"),
        replace(DISCHARGE, charge_source="unknown"),
        REST,
    ],
)
def test_a_first_cycle_that_is_not_whole_has_no_efficiency(spoilt: StepResult) -> None:
    assert metrics.first_cycle_efficiency([CHARGE, spoilt], "filled") is None


def resting(tag: str, *, until_s: float, volts: float, **facts: object) -> StepResult:
    return replace(REST, tag=tag, started_s=until_s - 600, duration_s=600, end_voltage_v=volts, **facts)  # type: ignore[arg-type]


def test_the_k_value_is_the_fall_per_hour_from_ocv1_to_ocv2() -> None:
    first, second = resting("ocv1", until_s=3600, volts=3.6), resting("ocv2", until_s=3600 * 25, volts=3.5976)
    assert metrics.k_v_per_h([first, second]) == pytest.approx(0.1e-3)
    assert metrics.k_v_per_h([first]) is None
    assert metrics.k_v_per_h([second, replace(second, tag="ocv1")]) is None
    assert metrics.k_v_per_h([first, replace(second, stop_reason="abort")]) is None


@pytest.mark.parametrize(
    ("limits", "steps", "code"),
    [
        ({"first_cycle_efficiency": Band(low=0.99)}, [CHARGE, DISCHARGE], "LOW_EFFICIENCY"),
        (
            {"k_v_per_h": Band(high=0.08e-3)},
            [resting("ocv1", until_s=3600, volts=3.6), resting("ocv2", until_s=7200, volts=3.5999), CHARGE],
            "HIGH_K",
        ),
        ({"contact_ohm": Band(high=0.01)}, [replace(CHARGE, contact_ohm=0.02)], "BAD_CONTACT"),
    ],
)
def test_every_metric_of_a_cell_type_can_be_bounded(
    limits: dict[str, Band], steps: list[StepResult], code: str
) -> None:
    record = replace(record_of(steps, state="filled"), cell_type=replace(NMC, limits=limits))
    assert judged_cell(record).result.reason_codes == (code,)


def test_a_graded_step_at_the_wrong_temperature_fails_no_cell() -> None:
    result = result_of([discharged(4700, quality=("TEMPERATURE",))])
    assert (result.verdict, result.reason_codes) == ("retest", ("TEMPERATURE",))
    assert result_of([discharged(5000, quality=("TEMPERATURE",))]).verdict == "pass"


def test_the_capacity_is_that_of_the_last_valid_step_tagged_cap() -> None:
    steps = [discharged(5000), discharged(4950), discharged(2000, stop_reason="abort"), discharged(700, tag=None)]
    assert metrics.capacity_ah(steps) == 4.95


def test_without_the_tag_the_last_complete_discharge_counts() -> None:
    steps = [discharged(4900, tag=None), discharged(1000, tag=None, stop_reason="capacity"), CHARGE]
    assert metrics.capacity_ah(steps) == 4.9


@pytest.mark.parametrize(
    "spoilt",
    [
        {"gap_s": 601.0, "quality": ("INTERRUPTED",)},
        {"charge_source": "unknown"},
        {"quality": ("SKIPPED",)},
        {"stop_reason": "trip"},
    ],
)
def test_a_capacity_that_was_not_measured_validly_asks_for_a_retest(spoilt: dict[str, object]) -> None:
    result = result_of([CHARGE, discharged(5000, **spoilt)])
    assert result.capacity_ah is None
    assert (result.verdict, result.reason_codes) == ("retest", ("INTERRUPTED",))


def test_a_short_pause_does_not_spoil_the_capacity() -> None:
    assert result_of([discharged(5000, gap_s=599.0, quality=("INTERRUPTED",))]).verdict == "pass"


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ([discharged(4700)], ("LOW_CAPACITY",)),
        ([discharged(5000), resisting(0.031)], ("HIGH_DCIR",)),
        ([discharged(4700), resisting(0.031)], ("LOW_CAPACITY", "HIGH_DCIR")),
    ],
)
def test_a_metric_outside_its_limit_fails_the_cell(steps: list[StepResult], codes: tuple[str, ...]) -> None:
    result = result_of(steps)
    assert (result.verdict, result.reason_codes, result.grade) == ("fail", codes, None)


def test_limits_are_inclusive() -> None:
    assert result_of([discharged(4800), resisting(0.030)]).verdict == "pass"


def test_a_cell_that_is_better_than_it_can_be_is_measured_again() -> None:
    result = result_of([discharged(6000)])
    assert (result.verdict, result.reason_codes) == ("retest", ("STATE_CONTRADICTED",))


def test_a_failing_metric_decides_before_a_doubtful_one() -> None:
    result = result_of([discharged(6000), resisting(0.05)])
    assert (result.verdict, result.reason_codes) == ("fail", ("HIGH_DCIR", "STATE_CONTRADICTED"))


def test_what_the_run_did_not_measure_is_not_judged() -> None:
    assert result_of([CHARGE, REST]).verdict == "pass"


@pytest.mark.parametrize(
    ("how", "code", "verdict", "codes"),
    [
        ("failed", "PRE_LOW", "fail", ("PRE_LOW",)),
        ("failed", "SHORT", "quarantine", ("SHORT",)),
        ("failed", "BAD_CONTACT", "retest", ("BAD_CONTACT",)),
        ("tripped", "TRIP_9", "quarantine", ("TRIP_9",)),
        ("tripped", "TRIP_6", "fail", ("TRIP_6",)),
        ("tripped", "TRIP_49", "retest", ("TRIP_49",)),
        ("tripped", "TRIP_78", "retest", ("TRIP_78",)),
        ("tripped", "SENSE_OPEN", "retest", ("SENSE_OPEN",)),
        ("failed", "LOST_CONTACT", "retest", ("LOST_CONTACT",)),
        ("stopped", None, "retest", ("INTERRUPTED",)),
        ("failed", "SENSE_OPEN", "retest", ("SENSE_OPEN",)),
        ("failed", "CROSSED_SENSE", "retest", ("CROSSED_SENSE",)),
        ("failed", "TEMPERATURE", "retest", ("TEMPERATURE",)),
        ("failed", "TIMEOUT", "fail", ("TIMEOUT",)),
        ("failed", "SELF_DISCHARGE", "fail", ("SELF_DISCHARGE",)),
        ("failed", "WRONG_TRAY", "quarantine", ("WRONG_TRAY",)),
        ("not-started", "ABSENT", "not-run", ("ABSENT",)),
        ("not-started", "WRONG_CHEMISTRY", "not-run", ("WRONG_CHEMISTRY",)),
        ("not-started", "STATE_CONTRADICTED", "not-run", ("STATE_CONTRADICTED",)),
        ("not-started", "BAD_CONTACT", "retest", ("BAD_CONTACT",)),
        ("not-started", "REVERSED", "quarantine", ("REVERSED",)),
        ("failed", "SITE_RULE_7", "fail", ("SITE_RULE_7",)),
    ],
)
def test_how_the_run_ended_decides(how: str, code: str | None, verdict: str, codes: tuple[str, ...]) -> None:
    result = result_of([discharged(5000)], stopped(how, code))
    assert (result.verdict, result.reason_codes, result.grade) == (verdict, codes, None)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("ABSENT", "not-run"),
        ("POLARITY_UNPROVEN", "not-run"),
        ("STATE_CONTRADICTED", "not-run"),
        ("WRONG_CHEMISTRY", "not-run"),
        ("SENSE_OPEN", "retest"),
        ("REVERSED", "quarantine"),
        ("SHORT", "quarantine"),
    ],
)
def test_a_cell_that_the_contact_check_kept_from_current_was_not_run(code: str, verdict: str) -> None:
    noise = replace(CONTACT, moved=Counters(charged_nas=NAS_PER_MAH // 1000), stop_reason="fail")
    assert result_of([noise], stopped("failed", code)).verdict == verdict


def test_the_first_grade_that_fits_is_given() -> None:
    assert [result_of([discharged(mah)]).grade for mah in (5100, 4950, 4850)] == ["A", "B", None]


def test_a_lot_is_in_the_order_of_its_positions_and_misses_nobody() -> None:
    facts = {A10: (never_ended(TRAY.cells[A10], A10), [CHARGE]), A2: (ended(A2), [DISCHARGE])}
    cells = judged(
        [
            CellRecord(run=TRAY, position=at, cell_type=NMC, outcome=outcome, steps=steps)
            for at, (outcome, steps) in facts.items()
        ]
    )
    assert [(cell.result.position, cell.result.verdict) for cell in cells] == [(A2, "pass"), (A10, "retest")]


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from("AB"), st.integers(1, 300)), unique=True))
def test_positions_are_ordered_as_people_count(places: list[tuple[int, str, int]]) -> None:
    names = [PositionId(f"B{bay:02d}/{row}{place}") for bay, row, place in places]
    ordered = [PositionId(f"B{bay:02d}/{row}{place}") for bay, row, place in sorted(places)]
    assert sorted(names, key=place_order) == ordered


@given(st.lists(st.tuples(st.integers(0, 10**16), st.integers(0, 10**16)), max_size=20))
def test_energy_is_the_exact_sum_of_the_steps(moved: list[tuple[int, int]]) -> None:
    steps = [replace(CHARGE, moved=Counters(charged_nws=into, discharged_nws=out)) for into, out in moved]
    assert metrics.energy_in_wh(steps) == sum(into for into, _ in moved) / NAS_PER_AH
    assert metrics.energy_out_wh(steps) == sum(out for _, out in moved) / NAS_PER_AH


@pytest.mark.parametrize("code", sorted(REASON_CODES))
def test_every_reason_code_has_words_and_an_advice(code: str) -> None:
    (finding,) = findings(judged_of([CHARGE], stopped("failed", code)), [])
    assert reason(code).words == finding.title != ""
    assert "wrote the recipe" not in finding.to_do


def test_every_alarm_can_be_a_reason() -> None:
    for alarm in AlarmCode:
        assert reason(f"TRIP_{alarm.value}").words == f"tripped: {alarm.name.lower().replace('_', ' ')}"


def test_the_heavier_verdict_decides_and_causes_come_before_what_they_bring_about() -> None:
    codes = ["LOW_CAPACITY", "INTERRUPTED", "LOW_EFFICIENCY", "SELF_DISCHARGE", "SHORT"]
    assert sorted(codes, key=decides_before) == [
        "SHORT", "SELF_DISCHARGE", "LOW_EFFICIENCY", "LOW_CAPACITY", "INTERRUPTED",
    ]  # fmt: skip


def test_a_finding_says_what_was_expected_and_how_far_away_it_was() -> None:
    lot = [result_of([discharged(5000)]), result_of([discharged(5100)]), result_of([discharged(4500)])]
    (finding,) = findings(judged_of([discharged(4500)]), lot)
    assert finding.title == "capacity too low"
    assert finding.expected == (
        "Capacity 4.800 Ah to 5.500 Ah. The cells like it that passed have a median of 5.050 Ah."
    )
    assert finding.came == "4.500 Ah, 0.300 Ah (6.2%) below the limit, 0.550 Ah (10.9%) below the median."
    assert finding.step_counts == (DISCHARGE.step_count,)


def test_a_trip_is_told_with_its_name_and_where_the_step_stood() -> None:
    outcome = replace(stopped("tripped", "TRIP_9"), detail="46.2 °C.")
    tripped = replace(CHARGE, stop_reason="trip", stop_text="")
    (finding,) = findings(judged_of([tripped], outcome), [])
    assert finding.title == "tripped: over temperature"
    assert finding.came.startswith("46.2 °C. Step 1 (charge 1) ended after 60.0 min by trip")
    assert "4.200 V" in finding.came
    assert "Do not energise" in finding.to_do


def test_a_cell_that_failed_without_a_code_has_a_finding_all_the_same() -> None:
    (finding,) = findings(judged_of([CHARGE], stopped("failed", None)), [])
    assert finding.title == "the recipe's own limit"


def test_a_cell_that_was_refused_for_the_racks_sake_is_said_to_be_not_started() -> None:
    (finding,) = findings(judged_of([], replace(stopped("not-started", None), detail="the channel cannot.")), [])
    assert finding.title == "not started"
    assert finding.to_do == "Mend what is named and start it again."


@pytest.mark.parametrize("verdict", ["fail", "retest", "quarantine"])
def test_the_recipes_own_verdict_is_that_of_the_cell(verdict: Verdict) -> None:
    outcome = replace(stopped("failed", "LOW_CAPACITY"), verdict=verdict, detail="the recipe stops")
    judged = judged_of([CHARGE], outcome)
    assert (judged.result.verdict, judged.result.reason_codes) == (verdict, ("LOW_CAPACITY",))
    assert judged.result.grade is None
    (finding,) = findings(judged, [])
    assert finding.title == "capacity too low"
    assert finding.came.startswith("The recipe stops.")


def test_what_weighs_more_than_the_recipes_verdict_decides() -> None:
    outcome = replace(stopped("failed", "LOW_CAPACITY"), verdict="retest")
    leaks = Sign(code="SELF_DISCHARGE", expected="", came="", step_counts=())
    result = judged_cell(record_of([CHARGE], outcome), [leaks]).result
    assert (result.verdict, result.reason_codes) == ("fail", ("SELF_DISCHARGE", "LOW_CAPACITY"))
    worse = judged_cell(record_of([CHARGE], replace(outcome, verdict="quarantine")), [leaks]).result
    assert (worse.verdict, worse.reason_codes) == ("quarantine", ("LOW_CAPACITY", "SELF_DISCHARGE"))
