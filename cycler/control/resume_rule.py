"""What becomes of a cell whose run was interrupted: one pure function, row by row of the field's table.

Every time and voltage here that no cell type gives is judgement.
"""

from dataclasses import dataclass
from math import isnan
from typing import Final, Literal

from cycler.model.results import VALID_GAP_S_MAX
from cycler.recipe.plan import PlanStep

PRECHARGE_V: Final = 2.0
"""Copper dissolves in a cell that stays below this for long."""

RELAXED_V: Final = 0.5  # a current that ends moves the voltage this far, at most
AT_REST_V: Final = 0.1  # … and a rest this far
NOISE_V: Final = 0.02

Way = Literal["begin", "inside", "from the rest before", "repeat", "adopt", "end"]
"""`adopt`: its device goes on with the order. `end`: the run is over for this cell."""

Asked = Literal["nobody", "operator", "engineer", "temperature"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A cell as control finds it again. Voltages in V; NaN where nothing is known.

    `step`: the one in force, None before the first. `gap_s`: since the last sample on record, None where clocks
    disagree. `charges`: -1, 0 or 1, the direction of its current. `forbidden`: an emergency stop, or fire. `changed`:
    the device is not the one that it was. `touched`: a hand may have been in the bay. `ran_alone`: its device may go on
    without control; `runs_on`: it still does, with the order in force. `counted`: the device has counted its charge all
    along. `in_window`: its temperature is where the recipe wants it.
    """

    step: PlanStep | None
    gap_s: float | None
    charges: int
    last_v: float
    voltage_v: float
    relay_open: bool
    in_window: bool
    resume_gap_s: float
    resumes: int
    resumes_max: int
    has_rest_before: bool
    forbidden: str | None = None
    changed: str | None = None
    touched: str | None = None
    ran_alone: bool = False
    runs_on: bool = False
    counted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`way` is taken at once where `asks` is nobody, else when who is asked says so.

    `first`: before all others of its run.
    """

    way: Way
    text: str
    asks: Asked = "nobody"
    first: bool = False


def decide(found: Found) -> Decision:
    """By the first rule that speaks."""
    for rule in (_forbidden, _budget, _changed, _touched, _alone, _implausible):
        decision = rule(found)
        if decision is not None:
            return decision
    return _by_step(found)


def _forbidden(found: Found) -> Decision | None:
    if found.forbidden is None:
        return None
    return Decision(way="end", text=f"never after this: {found.forbidden}")


def _budget(found: Found) -> Decision | None:
    if found.resumes < found.resumes_max:
        return None
    return Decision(way="end", text=f"it has been resumed {found.resumes} times already, and is to be tested again")


def _changed(found: Found) -> Decision | None:
    if found.changed is None:
        return None
    return Decision(way=_way(found), text=found.changed, asks="engineer")


def _touched(found: Found) -> Decision | None:
    if found.touched is None:
        return None
    text = f"{found.touched}: see that the tray and its cells are the same, then resume"
    return Decision(way=_way(found), text=text, asks="operator")


def _alone(found: Found) -> Decision | None:
    if found.runs_on and found.counted:
        return Decision(way="adopt", text="its device has gone on with the step")
    if found.ran_alone and not found.counted:
        text = "its device may have gone on alone, and what has flowed is not known"
        return Decision(way=_way(found), text=text, asks="engineer")
    return None


def _implausible(found: Found) -> Decision | None:
    if found.step is None:
        return None
    if not found.relay_open:
        return Decision(way=_way(found), text="its relay is not open", asks="engineer")
    if isnan(found.voltage_v) or isnan(found.last_v):
        return Decision(way=_way(found), text="its voltage is not known", asks="engineer")
    if found.step.contact is not None:
        return None  # it judges that by itself, before any current
    moved_v = found.voltage_v - found.last_v
    both_ways = found.step.pulse is not None or found.step.train is not None
    still_v = AT_REST_V if found.charges == 0 else NOISE_V
    up_v = RELAXED_V if found.charges < 0 or both_ways else still_v
    down_v = RELAXED_V if found.charges > 0 or both_ways else still_v
    if -down_v <= moved_v <= up_v or found.counted:
        return None
    text = f"{found.voltage_v:.3f} V after {found.last_v:.3f} V: see that it is the same cell, then resume"
    return Decision(way=_way(found), text=text, asks="engineer")


def _by_step(found: Found) -> Decision:
    step, gap_s = found.step, found.gap_s
    way = _way(found)
    if step is None:
        return Decision(way=way, text="no step had begun")
    if step.contact is not None:
        return Decision(way=way, text="its contacts are checked from the beginning")
    if way == "from the rest before":
        return Decision(way=way, text=f"a {step.step_type} is never resumed inside: from the rest before it")
    if way == "repeat":
        return Decision(way=way, text=f"no rest comes before the {step.step_type}", asks="engineer")
    if not found.charges:
        counts = "the gap counts as rest" if gap_s is not None else "the clock was set: how long it rested is not known"
        return Decision(way=way, text=counts)
    if gap_s is None:
        return Decision(way=way, text="the clock was set: how long the gap was is not known", asks="engineer")
    if not found.in_window:
        return Decision(way=way, text="until it has its temperature again", asks="temperature")
    if step.tag is not None:
        invalid = gap_s > VALID_GAP_S_MAX
        text = "to its end, but its numbers do not count" if invalid else "inside the step"
        return Decision(way=way, text=text)
    precharge = step.ledger_phase == "filled" and found.charges > 0 and found.voltage_v < PRECHARGE_V
    if gap_s > found.resume_gap_s:
        text = f"{gap_s / 3600:.1f} h without control, the cell type allows {found.resume_gap_s / 3600:g} h"
        return Decision(way=way, text=text, asks="engineer", first=precharge)
    return Decision(way=way, text="inside the step", first=precharge)


def _way(found: Found) -> Way:
    """How it would go on, whoever is asked before."""
    step = found.step
    if step is None:
        return "begin"
    if step.contact is not None:
        return "repeat"
    if step.pulse is None and step.train is None and (step.meter is None or step.meter.kind != "acir"):
        return "inside"
    return "from the rest before" if found.has_rest_before else "repeat"
