"""The table of what becomes of an interrupted cell, row by row."""

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from cycler.control.resume_rule import Asked, Decision, Found, Way, decide
from cycler.model.cell_type import Envelope
from cycler.recipe.plan import (
    ContactRule,
    HoldRule,
    MeterRule,
    PlanStep,
    PulseRule,
    RecordRule,
    SoakRule,
    TrainRule,
)

ENVELOPE = Envelope(
    voltage_v_min=2.5,
    voltage_v_max=4.2,
    charge_current_a=5.0,
    discharge_current_a=5.0,
    charge_temperature_degc=(0.0, 45.0),
    discharge_temperature_degc=(-20.0, 60.0),
    capacity_ah=6.0,
)
GAP_S = 7200.0


def step(kind: str, **more: Any) -> PlanStep:
    known: dict[str, Any] = {"step_id": "1", "path": "1", "line": 1, "step_type": kind, "tag": None, "variants": ()}
    known |= {"record": RecordRule(), "envelope": ENVELOPE, "time_s_max": 1e5}
    return PlanStep(**(known | more))


def found(in_force: PlanStep | None, charges: int = 0, **more: Any) -> Found:
    """A healthy cell, ten seconds after."""
    known: dict[str, Any] = {
        "gap_s": 10.0,
        "last_v": 3.7,
        "voltage_v": 3.7 - 0.05 * charges,
        "relay_open": True,
        "in_window": True,
        "resume_gap_s": GAP_S,
        "resumes": 0,
        "resumes_max": 3,
        "has_rest_before": True,
    }
    return Found(step=in_force, charges=charges, **(known | more))


CHARGE, GRADED, REST = step("charge"), step("discharge", tag="cap"), step("rest")
SOAK = step("soak", soak=SoakRule(within_k=2.0, hold_s=600.0, timeout_s=3600.0))
PRECHARGE = step("charge", ledger_phase="filled")

ROWS: dict[str, tuple[Found, Way, Asked]] = {
    "nothing had begun": (found(None), "begin", "nobody"),
    "a rest counts its gap": (found(REST, gap_s=86400.0), "inside", "nobody"),
    "a soak counts its gap": (
        found(step("soak", soak=SoakRule(within_k=2, hold_s=1, timeout_s=9))),
        "inside",
        "nobody",
    ),
    "a rest after a clock that was set": (found(REST, gap_s=None), "inside", "nobody"),
    "a rest whose cell has moved": (found(REST, voltage_v=3.5), "inside", "engineer"),
    "a rest whose cell is not read": (found(REST, voltage_v=nan), "inside", "engineer"),
    "a charge within the gap": (found(CHARGE, 1, gap_s=GAP_S), "inside", "nobody"),
    "a charge beyond the gap": (found(CHARGE, 1, gap_s=GAP_S + 1), "inside", "engineer"),
    "a charge after a clock that was set": (found(CHARGE, 1, gap_s=None), "inside", "engineer"),
    "a charge off its temperature": (found(CHARGE, 1, in_window=False), "inside", "temperature"),
    "a charge of another cell": (found(CHARGE, 1, voltage_v=3.0), "inside", "engineer"),
    "a charge whose relay is not open": (found(CHARGE, 1, relay_open=False), "inside", "engineer"),
    "a graded step, soon": (found(GRADED, -1, gap_s=600.0), "inside", "nobody"),
    "a graded step, late": (found(GRADED, -1, gap_s=601.0), "inside", "nobody"),
    "a dcir": (found(step("dcir", pulse=PulseRule(values_s=(1.0,))), -1), "from the rest before", "nobody"),
    "a dcir without a rest": (
        found(step("dcir", pulse=PulseRule(values_s=(1.0,))), -1, has_rest_before=False),
        "repeat",
        "engineer",
    ),
    "a profile": (found(step("profile", train=TrainRule()), 1), "from the rest before", "nobody"),
    "an acir": (found(step("acir", meter=MeterRule(kind="acir"))), "from the rest before", "nobody"),
    "an ocv": (found(step("ocv", meter=MeterRule(kind="ocv"))), "inside", "nobody"),
    "a precharge below 2 V": (found(PRECHARGE, 1, last_v=1.5, voltage_v=1.4), "inside", "nobody"),
    "a precharge beyond the gap": (
        found(PRECHARGE, 1, last_v=1.5, voltage_v=1.4, gap_s=GAP_S + 1),
        "inside",
        "engineer",
    ),
    "a contact check": (found(step("contact", contact=ContactRule())), "repeat", "nobody"),
    "a hold": (found(step("hold", hold=HoldRule(message="look"))), "inside", "nobody"),
    "a device that goes on and counts": (
        found(CHARGE, 1, ran_alone=True, runs_on=True, counted=True, relay_open=False),
        "adopt",
        "nobody",
    ),
    "a device that has gone on and does not count": (found(CHARGE, 1, ran_alone=True), "inside", "engineer"),
    "a device that has gone on to its end, and counts": (
        found(CHARGE, 1, ran_alone=True, counted=True, voltage_v=4.1),
        "inside",
        "nobody",
    ),
    "a door that is open": (found(CHARGE, 1, touched="the door is open"), "inside", "operator"),
    "another device": (found(REST, changed="psb-01 is not what it was"), "inside", "engineer"),
    "too many resumes": (found(CHARGE, 1, resumes=3), "end", "nobody"),
    "after an emergency stop": (found(REST, forbidden="the interlock estop is latched"), "end", "nobody"),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_table(row: str) -> None:
    cell, way, asks = ROWS[row]
    decision = decide(cell)
    assert (decision.way, decision.asks) == (way, asks), decision.text


def test_a_precharge_below_two_volts_goes_first() -> None:
    assert decide(ROWS["a precharge below 2 V"][0]).first
    assert not decide(found(PRECHARGE, 1)).first
    assert not decide(found(CHARGE, 1, last_v=1.5, voltage_v=1.4)).first


def test_an_emergency_stop_comes_before_everything_else() -> None:
    """Whatever else is to be said of a cell, it says nothing against the end of its run."""
    for cell, _, _ in ROWS.values():
        assert decide(replace(cell, forbidden="fire")) == Decision(way="end", text="never after this: fire")


def test_late_numbers_of_a_graded_step_do_not_count_and_that_is_said() -> None:
    assert "do not count" in decide(ROWS["a graded step, late"][0]).text
    assert "do not count" not in decide(ROWS["a graded step, soon"][0]).text
