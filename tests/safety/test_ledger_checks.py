"""What is asked of a cell's history before anything is done with it."""

from dataclasses import replace

import pytest
from recipe_texts import CHANNEL, DISCHARGE, HEAD, load

from cycler.contract.capabilities import Capabilities
from cycler.contract.sweep import ChannelId, Reading, Regulation
from cycler.model.cell import Cell, CellId, LedgerState
from cycler.recipe.compile import compile_plan
from cycler.recipe.plan import Plan
from cycler.safety.start_checks import StartRefusal, ledger_refusal

CAPABILITIES = Capabilities(
    channels=(ChannelId("1"),), range=CHANNEL, bipolar_sense=True, autonomous=False, phases_max=1, order_time_s=0.1,
    start_delay_s=0.0, sweep_time_s=0.1, idle_s_max=3.0, rest="relay-open", regulation_reported=True,
    charge_counter=False,
)  # fmt: skip
PRECHARGE = "charge: {current: C/50, until: [capacity >= 2 %], fail: [voltage > 3.6 V, time > 2 h]}"


def plan(*steps: str, states: str) -> Plan:
    loaded = load(*steps, head=f"{HEAD}from_state: [{states}]\n")
    return compile_plan(loaded.recipe, loaded.cell_type, CHANNEL)


FORMED = plan(DISCHARGE, states="formed, aged")
FILLED = plan(PRECHARGE, states="filled")
FILLED_CHECKED = plan("rest: {time: 1 min}", "contact: {}", PRECHARGE, states="filled")
FORMED_CHECKED = plan("contact: {}", DISCHARGE, states="formed")


def refusal(
    made: Plan,
    state: LedgerState,
    voltage_v: float,
    *,
    bipolar: bool = True,
    known: bool = True,
    proven: bool = False,
    regulation: Regulation = "off",
) -> StartRefusal | None:
    return ledger_refusal(
        made,
        Cell(
            cell_id=CellId("c1"), cell_type="nmc811-21700", state=state,
            state_source="declared" if known else "assumed", polarity="operator" if proven else None,
        ),
        Reading(
            taken_s=0.0, voltage_v=voltage_v, current_a=0.0, regulation=regulation, order_id=0, phase=0,
            step_time_s=0.0, temperature_degc=None, output_v=None, probe_v=None, charged_ah=None, discharged_ah=None,
        ),
        replace(CAPABILITIES, bipolar_sense=bipolar),
    )  # fmt: skip


def code(refused: StartRefusal | None) -> str | None:
    return None if refused is None else refused.code


def test_a_cell_in_another_state_is_refused() -> None:
    assert refusal(FORMED, "aged", 3.5) is None
    refused = refusal(FORMED, "filled", 3.5)
    assert refused is not None
    assert (refused.code, refused.text) == ("STATE_CONTRADICTED", "the cell is filled, the recipe takes formed, aged")
    assert code(refusal(FILLED_CHECKED, "formed", 0.24)) == "STATE_CONTRADICTED"


def test_a_filled_cell_is_refused_where_it_could_be_reversed_unseen() -> None:
    assert refusal(FILLED_CHECKED, "filled", 0.24) is None
    refused = refusal(FILLED_CHECKED, "filled", 0.24, bipolar=False)
    assert refused is not None and refused.code is None
    assert "cannot read a negative voltage" in refused.text
    assert refusal(FORMED, "formed", 3.5, bipolar=False) is None


def test_an_unknown_history_below_2_v_is_refused() -> None:
    assert refusal(FILLED_CHECKED, "filled", 1.999, known=True) is None
    assert code(refusal(FILLED_CHECKED, "filled", 1.999, known=False)) == "STATE_CONTRADICTED"
    assert code(refusal(FILLED_CHECKED, "filled", float("nan"), known=False)) == "STATE_CONTRADICTED"
    assert refusal(FILLED_CHECKED, "filled", 2.0, known=False) is None


def test_an_output_that_is_on_already_is_refused() -> None:
    refused = refusal(FORMED_CHECKED, "formed", 3.5, regulation="cc")
    assert refused is not None and refused.text == "the output is cc before the start"


@pytest.mark.parametrize("voltage_v", [-3.0, 0.0, 1.0, 4.9])
def test_a_recipe_with_a_contact_check_leaves_the_voltage_to_it(voltage_v: float) -> None:
    assert refusal(FILLED_CHECKED, "filled", voltage_v) is None
    assert refusal(FORMED_CHECKED, "formed", voltage_v) is None


@pytest.mark.parametrize(
    ("made", "state", "voltage_v", "expected"),
    [
        (FORMED, "formed", 2.5, None),
        (FORMED, "formed", 2.4, "WRONG_CHEMISTRY"),
        (FORMED, "formed", 1.9, "STATE_CONTRADICTED"),
        (FORMED, "formed", 0.0, "ABSENT"),
        (FORMED, "formed", -3.6, "REVERSED"),
        (FILLED, "filled", 0.24, None),
        (FILLED, "filled", 0.0, "POLARITY_UNPROVEN"),
        (FILLED, "filled", -0.2, "REVERSED"),
        (FILLED, "filled", 3.6, "STATE_CONTRADICTED"),
    ],
)
def test_without_a_contact_check_the_voltage_is_judged_at_the_start(
    made: Plan, state: LedgerState, voltage_v: float, expected: str | None
) -> None:
    assert code(refusal(made, state, voltage_v)) == expected


def test_evidence_of_its_polarity_lets_a_filled_cell_near_0_v_start() -> None:
    assert code(refusal(FILLED, "filled", 0.0)) == "POLARITY_UNPROVEN"
    assert refusal(FILLED, "filled", 0.0, proven=True) is None
    assert code(refusal(FILLED, "filled", -0.2, proven=True)) == "REVERSED"
