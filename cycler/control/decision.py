"""Which of the conditions that are true in one reading decides: fail beats hold beats until."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cycler.contract.order import Direction
from cycler.control.condition_watch import ConditionWatch, Judgement, Now
from cycler.model.results import StopReason
from cycler.recipe.plan import Comparison, Condition, PlanStep

_FAIL, _HOLD, _UNTIL = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`text` names every condition that was true; `code` is a reason code, of a fail only."""

    kind: Literal["fail", "hold", "go-on"]
    condition: Condition
    reason: StopReason
    code: str | None
    text: str


def decide(watches: Sequence[tuple[ConditionWatch, bool]], now: Now, step: PlanStep) -> Decision | None:
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
        code = condition.outcome.code or _code(condition, now.direction, step)
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


def _code(condition: Condition, direction: Direction, step: PlanStep) -> str | None:
    """Where the recipe gives none. Heat explains what a cell does; a time only says when that is looked at."""
    meant = [code for test in condition.tests if (code := _meant(test, direction, step)) is not None]
    return min(meant, key=lambda code: {"TEMPERATURE": 0, "TIMEOUT": 2}.get(code, 1), default=None)


def _meant(test: Comparison, direction: Direction, step: PlanStep) -> str | None:
    """What it says of a cell that a bound was passed."""
    high = test.relation in {">", ">="}
    match test.quantity:
        case "time" | "total_time":
            return "TIMEOUT"
        case "temperature" | "temperature_rise":
            return "TEMPERATURE"
        case "capacity" | "energy" if not high:
            return "LOW_CAPACITY"
        case "capacity" | "energy":  # what a cell cannot hold has leaked away; what it cannot give, it cannot have had
            return "STATE_CONTRADICTED" if direction == "discharge" else "SELF_DISCHARGE"
        case "dv":
            return "SELF_DISCHARGE"
        case "voltage" if step.pulse is not None or (step.train is not None and step.train.measures):
            return "HIGH_DCIR"
        case "voltage":
            return f"{'PRE' if step.ledger_phase == 'filled' else 'FORM'}_{'HIGH' if high else 'LOW'}"
    return None
