"""Which of the conditions that are true in one reading decides: fail beats hold beats until."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cycler.control.condition_watch import ConditionWatch, Judgement, Now
from cycler.model.results import StopReason
from cycler.recipe.plan import Condition

_FAIL, _HOLD, _UNTIL = range(3)

# What a bare bound means, where a recipe gives no code of its own.
_MEANT = {"time": "TIMEOUT", "total_time": "TIMEOUT", "temperature": "TEMPERATURE", "temperature_rise": "TEMPERATURE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`text` names every condition that was true; `code` is a reason code, of a fail only."""

    kind: Literal["fail", "hold", "go-on"]
    condition: Condition
    reason: StopReason
    code: str | None
    text: str


def decide(watches: Sequence[tuple[ConditionWatch, bool]], now: Now) -> Decision | None:
    """Asks every watch, so that all that is true is on record. With each: whether it stands under `fail`."""
    met: list[tuple[int, Condition, Judgement]] = []
    for watch, is_fail in watches:
        judgement = watch.judge(now)
        if judgement is not None:
            met.append((_rank(watch.condition, judgement, is_fail=is_fail), watch.condition, judgement))
    if not met:
        return None
    rank, condition, judgement = min(met, key=lambda entry: entry[0])
    text = "; ".join(entry[1].text for entry in met)
    if rank == _FAIL:
        if judgement == "lost-contact":
            return Decision(kind="fail", condition=condition, reason="lost-contact", code="LOST_CONTACT", text=text)
        meant = (_MEANT[test.quantity] for test in condition.tests if test.quantity in _MEANT)
        code = condition.outcome.code or next(meant, None)
        return Decision(kind="fail", condition=condition, reason="fail", code=code, text=text)
    if rank == _HOLD:
        return Decision(kind="hold", condition=condition, reason="hold", code=None, text=text)
    reason: StopReason = "already-at-target" if judgement == "already-at-target" else condition.tests[0].quantity
    return Decision(kind="go-on", condition=condition, reason=reason, code=None, text=text)


def _rank(condition: Condition, judgement: Judgement, *, is_fail: bool) -> int:
    if judgement == "lost-contact":
        return _FAIL
    if judgement == "missed":
        return _FAIL if is_fail else _HOLD
    return {"fail": _FAIL, "hold": _HOLD}.get(condition.outcome.kind, _UNTIL)
