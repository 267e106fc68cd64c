"""Whether a cell may be started at all: asked of the position before, and of the first reading at the start."""

from collections.abc import Collection
from dataclasses import dataclass

from cycler.contract.capabilities import Capabilities
from cycler.contract.sweep import Reading
from cycler.model.cell_type import CellType, Envelope
from cycler.safety.protections import available


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefusal:
    """`code` is a reason code; None where the rack and not the cell is at fault."""

    code: str | None
    text: str


def position_refusals(
    cell_type: CellType, capabilities: Capabilities, *, temperature_measured: bool, contactor: bool
) -> list[StartRefusal]:
    """What the position lacks for this product. An unproven limit or watchdog counts as absent."""
    refusals = []
    missing = sorted(cell_type.required_protections - available(temperature_measured=temperature_measured))
    if missing:
        listed = ", ".join(str(int(code)) for code in missing)
        refusals.append(f"{cell_type.name} requires protection {listed}, which has no input here")
    watchdog = capabilities.watchdog
    watched = not capabilities.autonomous or (watchdog is not None and watchdog.watches == "host" and watchdog.proven)
    if not watched and not contactor:
        refusals.append("nothing opens the output when the controller falls silent: no proven watchdog, no contactor")
    if capabilities.limit_readback == "no" and not contactor:
        refusals.append("the device's limits cannot be read back, and there is no contactor as a second path")
    return [StartRefusal(code=None, text=text) for text in refusals]


def cell_refusal(reading: Reading, envelope: Envelope, *, states: Collection[str], state: str) -> StartRefusal | None:
    """What speaks against the cell itself: its history, then its voltage with the relay open."""
    if state not in states:
        expected = ", ".join(states)
        return StartRefusal(code="STATE_CONTRADICTED", text=f"the cell is {state}, the recipe takes {expected}")
    if reading.regulation != "off":
        return StartRefusal(code=None, text=f"the output is {reading.regulation} before the start")
    low_v, high_v = envelope.voltage_v_min - envelope.trip_margin_v, envelope.voltage_v_max + envelope.trip_margin_v
    if not low_v <= reading.voltage_v <= high_v:
        text = f"{reading.voltage_v:.3f} V before the start, a {state} cell has {low_v:.2f} to {high_v:.2f} V"
        return StartRefusal(code="STATE_CONTRADICTED", text=text)
    return None
