"""What only all positions of a bay together can tell."""

from collections.abc import Mapping, Sequence

import pytest
from contact_cells import answer, fresh

from cycler.model.rack import PositionId
from cycler.safety.contact_bay import Checked, judge_crossing, judge_tray
from cycler.safety.contact_verdict import ContactVerdict

GOOD = ContactVerdict(code=None, text="as expected", current_allowed=True)


def of(code: str | None) -> ContactVerdict:
    return GOOD if code is None else ContactVerdict(code=code, text=f"it is {code}", current_allowed=False)


def tray(codes: Sequence[str | None]) -> dict[PositionId, Checked]:
    subject, passive = fresh()
    return {
        PositionId(f"B01/A{place}"): Checked(subject=subject, passive=passive, verdict=of(code))
        for place, code in enumerate(codes, start=1)
    }


def empty(unexpected: int) -> dict[PositionId, ContactVerdict]:
    return {PositionId(f"B01/D{place}"): of("UNEXPECTED_CELL") for place in range(unexpected)}


def codes(verdicts: Mapping[PositionId, ContactVerdict]) -> list[str | None]:
    return [verdict.code for verdict in verdicts.values()]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (["STATE_CONTRADICTED"] * 2 + [None] * 2, True),
        (["STATE_CONTRADICTED", "WRONG_CHEMISTRY", None, None], True),
        (["STATE_CONTRADICTED"] + [None] * 3, False),
        (["WRONG_CHEMISTRY"] * 2 + [None] * 3, False),
        (["WRONG_CHEMISTRY"] * 2 + [None] * 2 + ["ABSENT"] * 4, True),  # of those that are there
        (["WRONG_CHEMISTRY"], False),  # one cell is no tray
        (["ABSENT"] * 4, False),
        (["REVERSED"] * 4, False),
    ],
)
def test_a_tray_is_wrong_when_half_of_its_cells_are_not_what_was_promised(given: list[str | None], wrong: bool) -> None:
    verdicts = judge_tray(tray(given), {})
    assert codes(verdicts) == (["WRONG_TRAY"] * len(given) if wrong else given)


def test_a_wrong_tray_lets_no_current_flow_and_keeps_the_evidence_of_each_cell() -> None:
    verdicts = judge_tray(tray(["STATE_CONTRADICTED", "STATE_CONTRADICTED", None]), {})
    assert not any(verdict.current_allowed for verdict in verdicts.values())
    assert verdicts[PositionId("B01/A3")].text == "2 of 3 cells are not what the ledger says; here: as expected"


@pytest.mark.parametrize(
    ("absent", "unexpected", "wrong"), [(2, 2, True), (3, 3, True), (1, 1, False), (2, 1, False), (2, 3, False)]
)
def test_a_tray_that_is_turned_round_has_its_cells_where_others_are_missing(
    absent: int, unexpected: int, wrong: bool
) -> None:
    given = [None] * 6 + ["ABSENT"] * absent
    verdicts = judge_tray(tray(given), empty(unexpected))
    assert codes(verdicts) == (["WRONG_TRAY"] * len(given) if wrong else given)


def checked(*, rise_ratio: float, swing_ratio: float, current_ratio: float = 1.0) -> Checked:
    """Of what a good cell does."""
    subject, passive = fresh()
    charged = answer(subject, passive, rise_ratio=rise_ratio, current_ratio=current_ratio)
    expected_v = subject.expected_rise_v(passive.voltage_v, charged)
    return Checked(
        subject=subject, passive=passive, verdict=GOOD, charged=charged, idle_swing_v=swing_ratio * expected_v
    )


def test_crossed_sense_wires_are_silent_in_their_own_charge_and_answer_in_the_others() -> None:
    verdicts = judge_crossing(
        {
            PositionId("A1"): checked(rise_ratio=0.0, swing_ratio=1.0),
            PositionId("A2"): checked(rise_ratio=0.0, swing_ratio=1.0),
            PositionId("A3"): checked(rise_ratio=1.0, swing_ratio=0.0),
        }
    )
    assert codes(verdicts) == ["CROSSED_SENSE", "CROSSED_SENSE", None]
    crossed = verdicts[PositionId("A1")]
    assert (crossed.current_allowed, crossed.actions) == (False, ("maintenance",))
    assert "sense wires are crossed (A2)" in crossed.text


@pytest.mark.parametrize(
    ("rise", "swing", "current", "crossed"),
    [(0.29, 0.51, 1.0, True), (0.31, 0.51, 1.0, False), (0.29, 0.49, 1.0, False), (0.0, 1.0, 0.49, False)],
)
def test_crossing_at_its_edges(rise: float, swing: float, current: float, crossed: bool) -> None:
    verdicts = judge_crossing({PositionId("A1"): checked(rise_ratio=rise, swing_ratio=swing, current_ratio=current)})
    assert codes(verdicts) == ["CROSSED_SENSE" if crossed else None]


def test_a_position_that_was_not_charged_is_not_called_crossed() -> None:
    assert codes(judge_crossing(tray([None, "ABSENT"]))) == [None, "ABSENT"]
