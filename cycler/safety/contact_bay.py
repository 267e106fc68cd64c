"""What only the positions of a bay together can tell: crossed sense wires, and a tray that is not the one promised."""

from collections.abc import Mapping
from dataclasses import dataclass

from cycler.model.rack import PositionId
from cycler.safety.contact_check import FLOWS_RATIO
from cycler.safety.contact_measures import Charged, Passive
from cycler.safety.contact_subject import ContactSubject
from cycler.safety.contact_verdict import ContactVerdict

SILENT_RATIO = 0.3
ANSWER_RATIO = 0.5
"""Of the expected rise: what crossed wires leave at the one position, and show at the other."""

WRONG_TRAY_RATIO = 0.5
WRONG_TRAY_MIN = 2
_ANOTHER_CELL = frozenset({"STATE_CONTRADICTED", "WRONG_CHEMISTRY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One position that should have a cell, as far as its check has come."""

    subject: ContactSubject
    passive: Passive
    verdict: ContactVerdict
    charged: Charged | None = None
    idle_swing_v: float = 0.0  # while the other group was charged


def judge_tray(
    checked: Mapping[PositionId, Checked], empty: Mapping[PositionId, ContactVerdict]
) -> dict[PositionId, ContactVerdict]:
    """After the passive stage, before any current: the new verdicts of all positions that should have a cell.

    `empty` are those of the positions that should have none.
    """
    verdicts = {position: each.verdict for position, each in checked.items()}
    others = [position for position, verdict in verdicts.items() if verdict.code in _ANOTHER_CELL]
    present = [position for position, verdict in verdicts.items() if verdict.code != "ABSENT"]
    absent = len(verdicts) - len(present)
    unexpected = [position for position, verdict in empty.items() if verdict.code == "UNEXPECTED_CELL"]
    if len(others) >= max(WRONG_TRAY_MIN, WRONG_TRAY_RATIO * len(present)):
        why = f"{len(others)} of {len(present)} cells are not what the ledger says"
    elif len(unexpected) >= WRONG_TRAY_MIN and len(unexpected) == absent:
        why = f"{absent} cells are missing and {absent} stand where there should be none: the tray may be turned round"
    else:
        return verdicts
    return {
        position: ContactVerdict(code="WRONG_TRAY", text=f"{why}; here: {verdict.text}", current_allowed=False)
        for position, verdict in verdicts.items()
    }


def judge_crossing(checked: Mapping[PositionId, Checked]) -> dict[PositionId, ContactVerdict]:
    """After both groups have been charged: the new verdicts. Who is silent when charged answers when others are."""
    crossed = [position for position, each in checked.items() if _is_crossed(each)]
    verdicts = {position: each.verdict for position, each in checked.items()}
    for position in crossed:
        each = checked[position]
        partners = ", ".join(other for other in crossed if other != position) or "no other position does"
        text = (
            f"{1e3 * each.idle_swing_v:.3g} mV up while it rested and only others were charged, none in its own"
            f" charge: sense wires are crossed ({partners})"
        )
        verdicts[position] = ContactVerdict(code="CROSSED_SENSE", text=text, current_allowed=False)
    return verdicts


def _is_crossed(each: Checked) -> bool:
    charged, subject = each.charged, each.subject
    if charged is None or charged.current_a < FLOWS_RATIO * charged.set_a:
        return False
    expected_v = subject.expected_rise_v(each.passive.voltage_v, charged)
    rise_v = charged.voltage_v - each.passive.voltage_v
    answers = each.idle_swing_v >= max(ANSWER_RATIO * expected_v, subject.tolerance_v)
    return answers and rise_v <= SILENT_RATIO * expected_v
