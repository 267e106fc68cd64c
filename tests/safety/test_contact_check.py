"""The table of verdicts: each row on both sides of each of its thresholds."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import exp, nan, nextafter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import Reading
from cycler.model.cell import LedgerState
from cycler.model.cell_type import Band, CellType
from cycler.model.results import REASON_CODES
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.plan import ContactRule
from cycler.safety.contact_check import (
    contact_resistance_ohm,
    judge_empty,
    judge_first_current,
    judge_passive,
    judge_response,
)
from cycler.safety.contact_measures import Charged, Passive
from cycler.safety.contact_subject import ContactSubject
from cycler.safety.contact_verdict import ACTIONS, ContactVerdict

CHANNEL = ChannelRange(
    voltage_v_min=0.0,
    voltage_v_max=5.0,
    charge_current_a_max=15.0,
    discharge_current_a_max=15.0,
    power_w_max=75.0,
    voltage_accuracy_v=0.001,
    current_accuracy_a=0.003,
    voltage_noise_v=0.0003,
    voltage_resolution_v=0.0001,
    current_resolution_a=0.0002,
)
"""Formation grade: good to 0.02 % of its scale."""
SUPPLY = replace(
    CHANNEL, voltage_v_max=10.0, voltage_accuracy_v=0.01, current_accuracy_a=0.03, voltage_noise_v=0.001,
    voltage_resolution_v=0.001, current_resolution_a=0.001,
)  # fmt: skip
"""A simple bidirectional supply."""

SET_A = 0.1
MOVED_AH = SET_A * 30 / 3600


@cache
def cell_type(name: str = "nmc811-21700") -> CellType:
    return find_cell_type(name, beside=Path("/nonexistent"))


def subject(
    state: LedgerState = "filled",
    *,
    channel: ChannelRange = CHANNEL,
    of: str = "nmc811-21700",
    rule: ContactRule = ContactRule(),  # noqa: B008 (frozen)
    last_ocv_v: float | None = None,
    polarity_proven: bool = False,
    bipolar_sense: bool = True,
) -> ContactSubject:
    return ContactSubject(
        cell_type=cell_type(of), state=state, channel=channel, rule=rule, last_ocv_v=last_ocv_v,
        polarity_proven=polarity_proven, bipolar_sense=bipolar_sense,
    )  # fmt: skip


def passive(
    voltage_v: float, *, drift_v_per_s: float = 0.0, probe_v: float | None = None, of: ContactSubject | None = None
) -> ContactVerdict:
    return judge_passive(of or subject(), Passive(voltage_v=voltage_v, drift_v_per_s=drift_v_per_s, probe_v=probe_v))


def response(
    rise_v: float,
    *,
    rest_v: float = 0.24,
    fall_v: float = 0.005,
    current_a: float = SET_A,
    output_v: float | None = None,
    clamp_v: float | None = None,
    of: ContactSubject | None = None,
) -> ContactVerdict:
    charged = Charged(
        set_a=SET_A,
        clamp_v=rest_v + 0.5 if clamp_v is None else clamp_v,
        current_a=current_a,
        moved_ah=current_a * 30 / 3600,
        voltage_v=rest_v + rise_v,
        excess_v=None if output_v is None else output_v - (rest_v + rise_v),
    )
    return judge_response(of or subject(), Passive(voltage_v=rest_v), charged, fall_v)


def up(value: float) -> float:
    return nextafter(value, 9)


def down(value: float) -> float:
    return nextafter(value, -9)


FORMED = subject("formed")
LFP = subject("formed", of="lfp-26650")
LCO = subject("formed", of="lco-pouch")
BEGUN = subject("precharged", of="lco-pouch")
WINDOW = subject("precharged", rule=ContactRule(ocv_v=(3.0, 3.7)))
KNOWN = subject("aged", rule=ContactRule(continuity_v=0.03), last_ocv_v=3.5)

PASSIVE_EDGES = [
    # name, cell, just fine, just not, code, and what the first of the two is then called
    ("reversed", subject(), -0.05, down(-0.05), "REVERSED", "POLARITY_UNPROVEN"),
    ("reversed, formed", FORMED, -0.05, down(-0.05), "REVERSED", "ABSENT"),
    ("polarity unproven", subject(), up(0.05), 0.05, "POLARITY_UNPROVEN", None),
    ("a formed voltage", subject(), down(2.0), 2.0, "STATE_CONTRADICTED", None),
    ("absent, formed", FORMED, up(0.05), 0.05, "ABSENT", "STATE_CONTRADICTED"),
    ("emptied", FORMED, 2.0, down(2.0), "STATE_CONTRADICTED", "WRONG_CHEMISTRY"),
    ("emptied, lfp", LFP, 2.0 - 0.05, down(2.0 - 0.05), "STATE_CONTRADICTED", None),
    (
        "precharged and not yet so high",
        subject("precharged", of="lco-pouch"),
        2.0,
        down(2.0),
        "STATE_CONTRADICTED",
        None,
    ),
    ("too low for its kind", LCO, 3.0 - 0.05, down(3.0 - 0.05), "WRONG_CHEMISTRY", None),
    ("too high for its kind", LFP, 3.6 + 0.05, up(3.6 + 0.05), "WRONG_CHEMISTRY", None),
    ("below the recipe's window", WINDOW, 3.0, down(3.0), "WRONG_CHEMISTRY", None),
    ("above the recipe's window", WINDOW, 3.7, up(3.7), "WRONG_CHEMISTRY", None),
    ("fallen since", KNOWN, 3.4701, 3.4699, "STATE_CONTRADICTED", None),
    ("risen since", KNOWN, 3.5299, 3.5301, "STATE_CONTRADICTED", None),
    ("end of the scale", FORMED, down(4.9), 4.9, "SENSE_OPEN", "WRONG_CHEMISTRY"),
]


@pytest.mark.parametrize(
    ("of", "fine_v", "bad_v", "code", "fine"),
    [edge[1:] for edge in PASSIVE_EDGES],
    ids=[edge[0] for edge in PASSIVE_EDGES],
)
def test_the_passive_stage_at_its_edges(
    of: ContactSubject, fine_v: float, bad_v: float, code: str, fine: str | None
) -> None:
    assert passive(fine_v, of=of).code == fine
    assert passive(bad_v, of=of).code == code


def test_an_unproven_polarity_allows_the_micro_charge_and_nothing_after_it() -> None:
    near = passive(0.03)
    assert (near.code, near.current_allowed, near.actions[0]) == ("POLARITY_UNPROVEN", True, "prove-polarity")
    after = response(0.33, rest_v=0.03)
    assert (after.code, after.current_allowed) == ("POLARITY_UNPROVEN", False)
    assert "0.030 V, 330 mV up by 0.833 mAh" in after.text
    assert response(0.33, rest_v=up(0.05)).code is None


def test_a_formed_cell_that_stands_the_wrong_way_round_is_reported_in_volts() -> None:
    assert passive(-3.6, of=FORMED).text == "-3.600 V with the relay open, below -50 mV: it is reversed"


def test_evidence_proves_polarity() -> None:
    proven = subject(polarity_proven=True)
    assert passive(0.03, of=proven).code is None
    assert response(0.33, rest_v=0.03, of=proven).code is None
    assert passive(-0.06, of=proven).code == "REVERSED"


@pytest.mark.parametrize("drift", [0.0065, -0.0065])
def test_a_reading_that_drifts_floats(drift: float) -> None:
    assert passive(0.24, drift_v_per_s=drift).code == "SENSE_OPEN"
    assert passive(0.24, drift_v_per_s=drift * 0.9).code is None
    assert passive(0.24, drift_v_per_s=drift, of=subject(channel=SUPPLY)).code is None  # two readings of that noise


def test_a_probe_that_shows_another_voltage_finds_the_open_sense_lead() -> None:
    assert passive(0.24, probe_v=0.2919).code is None
    verdict = passive(0.24, probe_v=0.2921)
    assert (verdict.code, verdict.current_allowed, verdict.actions[0]) == ("SENSE_OPEN", False, "re-press")
    assert "the sense shows 0.240 V, the probe 0.292 V" in verdict.text


def test_a_channel_blind_to_negative_voltages_says_so() -> None:
    assert "reversed would look the same" in passive(0.0, of=subject("formed", bipolar_sense=False)).text
    assert "reversed" not in passive(0.0, of=FORMED).text


def test_no_reading_is_no_cell() -> None:
    assert passive(nan).code == "SENSE_OPEN"
    assert response(nan).code == "SENSE_OPEN"
    assert response(0.3, fall_v=nan).code == "SENSE_OPEN"


def test_continuity_is_asked_only_of_a_cell_with_a_past() -> None:
    assert passive(3.9, of=subject("aged", rule=ContactRule(continuity_v=0.03))).code is None
    assert passive(3.9, of=subject("aged", last_ocv_v=3.5)).code is None


@pytest.mark.parametrize("table", ["nmc811", "lfp", "lco"])
def test_a_fresh_cell_of_each_table_answers_as_expected(table: str) -> None:
    """The rises of the first-charge tables, from 0.24 V by 0.02 % of rated."""
    rise_v = {"nmc811": 0.388, "lfp": 0.365, "lco": 0.419}[table]
    fresh = subject(of={"nmc811": "nmc811-21700", "lfp": "lfp-26650", "lco": "lco-pouch"}[table])
    rated_ah = fresh.cell_type.rated_capacity_ah
    charged = Charged(
        set_a=rated_ah / 50, clamp_v=0.74, current_a=rated_ah / 50, moved_ah=0.0002 * rated_ah, voltage_v=0.24 + rise_v
    )
    assert fresh.expected_rise_v(0.24, charged) == pytest.approx(rise_v, rel=0.12)
    verdict = judge_response(fresh, Passive(voltage_v=0.24), charged, 0.005)
    assert verdict.code is None
    assert verdict.text.startswith("fresh unformed: 0.240 V")


def expected_v(rest_v: float) -> float:
    charged = Charged(set_a=SET_A, clamp_v=9, current_a=SET_A, moved_ah=MOVED_AH, voltage_v=0)
    return subject().expected_rise_v(rest_v, charged)


@pytest.mark.parametrize("rest_v", [0.06, 0.24, 0.5, 1.0, 1.9])
def test_a_short_rises_by_less_than_half_of_what_its_state_predicts(rest_v: float) -> None:
    half_v = expected_v(rest_v) / 2
    assert response(half_v * 1.001, rest_v=rest_v).code is None
    verdict = response(half_v * 0.999, rest_v=rest_v, fall_v=0.2 * half_v + 0.01)
    assert (verdict.code, verdict.current_allowed, verdict.actions) == ("SHORT", False, ("quarantine",))


@pytest.mark.parametrize("rest_v", [0.06, 0.24, 0.5, 1.0, 1.9])
def test_half_of_the_rise_that_stays_is_the_answer_of_two_cells(rest_v: float) -> None:
    half_v = expected_v(rest_v) / 2
    verdict = response(half_v * 0.95, rest_v=rest_v, fall_v=0.005)
    assert (verdict.code, verdict.current_allowed, verdict.actions) == ("STATE_CONTRADICTED", False, ("engineer",))
    assert response(half_v * 0.6, rest_v=rest_v, fall_v=0.005).code == "SHORT"


@pytest.mark.parametrize("short_ohm", [0.05, 0.1, 0.5, 1.0, 2.0, 5.0])
def test_a_hard_short_is_found_by_its_rise_or_by_its_fall(short_ohm: float) -> None:
    """A filled cell is a capacitor of 9.5 F there; the short has emptied it before."""
    tau_s = short_ohm * 9.5
    rise_v = SET_A * short_ohm * (1 - exp(-30 / tau_s))
    fall_v = rise_v * (1 - exp(-10 / tau_s))
    proven = subject(polarity_proven=True)
    assert response(rise_v, rest_v=0.0, fall_v=fall_v, of=proven).code == "SHORT"


def test_a_good_cell_falls_by_its_resistance_and_little_more() -> None:
    most_v = SET_A * 2 * 0.036 + 0.001 + 0.05 * expected_v(0.24)
    assert response(0.31, fall_v=most_v - 1e-6).code is None
    assert response(0.31, fall_v=most_v + 1e-6).code == "SHORT"


def test_a_formed_cell_that_stands_lower_after_a_charge_than_before_it_is_shorted() -> None:
    assert response(0.005, rest_v=3.5, fall_v=0.0259, of=FORMED).code is None
    verdict = response(0.005, rest_v=3.5, fall_v=0.0261, of=FORMED)
    assert (verdict.code, verdict.text) == ("SHORT", "21.1 mV below where it stood before 0.833 mAh went in")


def test_an_empty_formed_cell_may_resist_ten_times_as_much_as_in_its_pulses() -> None:
    assert response(0.06, rest_v=2.5, fall_v=0.055, of=FORMED).code is None


def test_a_formed_cell_needs_no_channel_that_resolves_its_resistance() -> None:
    verdict = response(0.0, rest_v=3.5, fall_v=0.0, of=subject("formed", channel=SUPPLY))
    assert (verdict.code, verdict.current_allowed) == (None, True)
    assert verdict.text.startswith("formed: 3.500 V")


def test_absent_is_the_clamp_without_a_current() -> None:
    verdict = response(0.5, current_a=0.0)
    assert (verdict.code, verdict.current_allowed) == ("ABSENT", False)
    assert verdict.actions == ("re-press", "go-without")
    assert verdict.text == "0.740 V, the clamp, while 0 mA of 100 mA flowed: no cell is there"
    assert response(0.0, rest_v=0.01, current_a=0.0).code == "ABSENT"


def test_a_cell_that_shows_but_takes_no_current_has_an_open_power_contact() -> None:
    verdict = response(0.0, current_a=0.0)
    assert (verdict.code, verdict.actions) == ("BAD_CONTACT", ("re-press", "maintenance"))
    assert response(0.31, current_a=SET_A / 2).code != "BAD_CONTACT"
    assert response(0.31, current_a=down(SET_A / 2)).code == "BAD_CONTACT"


def test_the_clamp_with_a_current_is_an_open_sense_lead() -> None:
    slack_v = 0.005 + 0.002 + 0.001
    assert response(0.5 - slack_v + 1e-6).code == "SENSE_OPEN"
    assert response(0.5 - slack_v - 1e-6, fall_v=0.0).code is None


def test_an_output_that_moves_while_the_sense_does_not_is_an_open_sense_lead() -> None:
    assert response(0.31, output_v=0.55 + 0.1019).code is None
    verdict = response(0.31, output_v=0.55 + 0.1021)
    assert verdict.code == "SENSE_OPEN"
    assert "the output is at 0.652 V with 100 mA flowing, the sense at 0.550 V" in verdict.text


def test_an_output_that_is_at_the_clamp_like_the_sense_shows_another_kind_of_cell() -> None:
    verdict = response(0.5, output_v=0.745)
    assert verdict.code == "WRONG_CHEMISTRY"
    assert verdict.text.startswith("output and sense are both at 0.740 V, the clamp, with 100 mA flowing")
    assert response(0.5, output_v=0.740 - 0.1019).code == "WRONG_CHEMISTRY"
    assert response(0.5, output_v=0.740 - 0.1021).code == "SENSE_OPEN"


def test_what_does_not_answer_at_all_is_an_open_sense_lead_not_a_short() -> None:
    assert response(0.00099).code == "SENSE_OPEN"
    assert response(0.00101).code == "SHORT"


def test_a_position_that_is_empty_on_purpose_has_no_cell() -> None:
    for voltage_v in (0.0, 0.1, -0.1, 5.0):
        assert judge_empty(CHANNEL, Passive(voltage_v=voltage_v)).code is None
    assert judge_empty(CHANNEL, Passive(voltage_v=0.24, drift_v_per_s=0.02)).code is None
    for voltage_v in (0.11, -0.11, 3.5):
        verdict = judge_empty(CHANNEL, Passive(voltage_v=voltage_v))
        assert (verdict.code, verdict.current_allowed, verdict.actions) == ("UNEXPECTED_CELL", False, ("engineer",))


def reading(*, current_a: float, output_v: float | None) -> Reading:
    return Reading(
        taken_s=0.0, voltage_v=3.5, current_a=current_a, regulation="cc", order_id=1, phase=0, step_time_s=1.0,
        temperature_degc=None, output_v=output_v, probe_v=None, charged_ah=None, discharged_ah=None,
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
def test_bad_contacts_show_at_the_first_real_current(sign: int) -> None:
    def at(contact_ohm: float, current_a: float = 0.5) -> ContactVerdict | None:
        flowing_a = sign * current_a
        there = reading(current_a=flowing_a, output_v=3.5 + flowing_a * contact_ohm)
        return judge_first_current(cell_type(), there, voltage_accuracy_v=0.0)

    good, bad = at(0.0049), at(0.0051)
    assert good is not None and good.code is None and good.text == "contacts of 4.90 mOhm at 0.5 A"
    assert bad is not None and bad.code == "BAD_CONTACT" and not bad.current_allowed
    assert at(0.0051, current_a=0.499) is None


def test_contacts_are_not_called_bad_by_what_the_instrument_may_be_off() -> None:
    for contact_ohm, code in ((0.0249, None), (0.0251, "BAD_CONTACT")):
        there = reading(current_a=0.5, output_v=3.5 + 0.5 * contact_ohm)
        verdict = judge_first_current(cell_type(), there, voltage_accuracy_v=0.005)
        assert verdict is not None and verdict.code == code


def test_contacts_cannot_be_judged_without_an_output_voltage() -> None:
    for output_v in (None, nan):
        assert contact_resistance_ohm(cell_type(), reading(current_a=5.0, output_v=output_v)) is None
    assert contact_resistance_ohm(cell_type(), reading(current_a=nan, output_v=3.5)) is None


def test_the_limit_of_the_contacts_is_the_cell_types() -> None:
    strict = replace(cell_type(), limits={"contact_ohm": Band(high=0.002)})
    verdict = judge_first_current(strict, reading(current_a=1.0, output_v=3.503), voltage_accuracy_v=0.0)
    assert verdict is not None and verdict.code == "BAD_CONTACT"


def verdicts() -> Iterator[ContactVerdict]:
    for state in ("filled", "precharged", "formed"):
        for voltage_v in (-3.0, -0.1, 0.0, 0.2, 1.0, 2.2, 3.0, 4.5, 5.0, nan):
            of = subject(state)  # type: ignore[arg-type]  # all are ledger states
            yield passive(voltage_v, of=of)
            for rise_v in (-0.1, 0.0, 0.05, 0.3, 0.5):
                for current_a in (0.0, SET_A):
                    yield response(rise_v, rest_v=voltage_v, current_a=current_a, of=of)


def test_every_verdict_has_a_known_code_a_sentence_and_an_action() -> None:
    for verdict in verdicts():
        assert verdict.text
        assert verdict.code is None or verdict.code in REASON_CODES
        assert (verdict.actions == ("none",)) == (verdict.code is None)
        if verdict.code is None:
            assert verdict.current_allowed
        elif verdict.code != "POLARITY_UNPROVEN":
            assert not verdict.current_allowed
    assert set(ACTIONS) <= REASON_CODES


@given(
    voltage_v=st.floats(-5, 5),
    state=st.sampled_from(["filled", "precharged", "formed", "aged", "graded"]),
    drift=st.floats(-0.1, 0.1),
)
def test_no_current_ever_flows_into_a_reversed_or_an_emptied_cell(
    voltage_v: float, state: LedgerState, drift: float
) -> None:
    verdict = passive(voltage_v, drift_v_per_s=drift, of=subject(state))
    if voltage_v < -0.05 or (state != "filled" and voltage_v < 2.0):
        assert not verdict.current_allowed
