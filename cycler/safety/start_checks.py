"""Whether a cell may be started at all: asked of the position before, and of the first reading at the start."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cycler.contract.capabilities import Capabilities
from cycler.contract.sweep import Reading
from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell
from cycler.model.cell_type import CellType
from cycler.recipe.plan import ContactRule, Plan, PlanStep
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.contact_check import FORMED_V_MIN, judge_passive
from cycler.safety.contact_measures import Passive
from cycler.safety.contact_subject import ContactSubject
from cycler.safety.declaration import Input, in_words, not_available


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefusal:
    """`code` is a reason code; None where the rack and not the cell is at fault."""

    code: str | None
    text: str


def position_refusals(
    cell_type: CellType,
    capabilities: Capabilities,
    inputs: Collection[Input],
    *,
    contactor: bool,
    overridden: bool = False,
) -> list[StartRefusal]:
    """What the position lacks for this product. An unproven limit or watchdog counts as absent; `overridden`: somebody
    has signed that the device may do without a second path."""
    refusals = []
    missing = missing_required(cell_type, inputs)
    if missing:
        refusals.append(f"{cell_type.name} requires protections that have no input here: {in_words(missing)}")
    watchdog = capabilities.watchdog
    watched = not capabilities.autonomous or (watchdog is not None and watchdog.watches == "host" and watchdog.proven)
    second_path = contactor or overridden
    if not watched and not second_path:
        refusals.append("nothing opens the output when the controller falls silent: no proven watchdog, no contactor")
    if capabilities.limit_readback == "no" and not second_path:
        why = f" ({'; '.join(capabilities.limits_missing)})" if capabilities.limits_missing else ""
        refusals.append(f"the device's limits cannot be read back{why}, and there is no contactor as a second path")
    return [StartRefusal(code=None, text=text) for text in refusals]


def missing_required(cell_type: CellType, inputs: Collection[Input]) -> Mapping[AlarmCode, tuple[Input, ...]]:
    """Of the protections that the product must have, those that are *not available*, and what is missing for each."""
    missing = not_available(CATALOGUE, inputs)
    return {code: needs for code, needs in missing.items() if code in cell_type.required_protections}


def ledger_refusal(plan: Plan, cell: Cell, reading: Reading, capabilities: Capabilities) -> StartRefusal | None:
    """What speaks against the cell before anything is done with it; `reading` is with the relay open.

    Its history comes first. Its voltage is the business of the recipe's contact check; only where no such check comes
    ahead of every current is it judged here, once and for all. Where nobody vouches for the cell's state, volts cannot
    tell a cell that was emptied from one that was never charged.
    """
    if cell.state not in plan.from_states:
        expected = ", ".join(plan.from_states)
        return StartRefusal(code="STATE_CONTRADICTED", text=f"the cell is {cell.state}, the recipe takes {expected}")
    if cell.state == "filled" and not capabilities.bipolar_sense:
        text = "a filled cell may be reversed, and this channel cannot read a negative voltage"
        return StartRefusal(code=None, text=text)
    if reading.regulation != "off":
        return StartRefusal(code=None, text=f"the output is {reading.regulation} before the start")
    if cell.state_source == "assumed" and not reading.voltage_v >= FORMED_V_MIN:
        text = f"{reading.voltage_v:.3f} V, and nobody knows whether the cell was ever charged"
        return StartRefusal(code="STATE_CONTRADICTED", text=text)
    if any(isinstance(step, PlanStep) and not step.contact_proven for step in plan.program):
        return None
    subject = ContactSubject(
        cell_type=plan.cell_type,
        state=cell.state,
        channel=capabilities.range,
        rule=ContactRule(),
        bipolar_sense=capabilities.bipolar_sense,
        polarity_proven=cell.polarity is not None,
    )
    verdict = judge_passive(subject, Passive.of((reading,)))
    return None if verdict.code is None else StartRefusal(code=verdict.code, text=verdict.text)
