"""Which envelope each step of a recipe is held to, and what is known of a cell by then.

A recipe that takes filled cells holds them to the filled envelope through its first charge; from the next step on they
are formed. Within that charge the cell passes the latch by its voltage. A precharged cell is formed, but may never have
had the voltage from which on the formed envelope's lower bound guards.

A recipe that leaves its cells recycled holds them to the disposal envelope from its first current on. What comes before
that, the contact check, is still a formed cell's: it may charge.
"""

from dataclasses import dataclass

from cycler.model.cell import LedgerState
from cycler.model.cell_type import CellType, Envelope, Phase
from cycler.recipe.model import (
    ContactStep,
    DcirStep,
    DriveStep,
    LoopStep,
    ProfileStep,
    PulseStep,
    RampStep,
    Recipe,
    Step,
    walk,
)
from cycler.recipe.plan import Latch, LowerBound

FORMED_V = 2.5
"""A cell that has once had this is unformed no more: its copper is safe, and its history has begun."""

UNARMED: frozenset[LedgerState] = frozenset({"filled", "precharged"})
"""Before a cell has been formed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOfLife:
    """Of one recipe, by the paths of its steps."""

    takes_filled: bool
    latches: bool  # cells may come whose lower bound is not yet armed
    filled: frozenset[str]  # executed in the filled envelope
    disposal: frozenset[str]  # executed in the disposal envelope
    abuse: bool  # all of it executed in the abuse envelope
    unproven: frozenset[str]  # before a contact check that comes ahead of any other current, and that check itself

    def phase_of(self, path: str) -> Phase:
        """Whose envelope the step is held to."""
        if self.abuse:
            return "abuse"
        if path in self.filled:
            return "filled"
        return "disposal" if path in self.disposal else "formed"


def start_of_life(recipe: Recipe) -> StartOfLife:
    """In the order of the file."""
    takes_filled = "filled" in recipe.from_state
    steps = [step for step, _ in walk(recipe.steps) if not isinstance(step, LoopStep)]
    first_drive = next((n for n, step in enumerate(steps) if drives(step)), len(steps) - 1)
    first_current = next((n for n, step in enumerate(steps) if drives(step) or isinstance(step, ContactStep)), None)
    checked = first_current is not None and isinstance(steps[first_current], ContactStep)
    return StartOfLife(
        takes_filled=takes_filled,
        abuse=recipe.purpose == "abuse",
        latches=not UNARMED.isdisjoint(recipe.from_state),
        filled=frozenset(step.path for step in steps[: first_drive + 1]) if takes_filled else frozenset(),
        disposal=frozenset(step.path for step in steps[first_drive:]) if recipe.to_state == "recycled" else frozenset(),
        unproven=frozenset(step.path for step in steps[: (first_current or 0) + 1]) if checked else frozenset(),
    )


def envelope_of(cell_type: CellType, phase: Phase) -> Envelope:
    """The formed one where the cell type has none for that phase."""
    return cell_type.envelopes.get(phase, cell_type.envelopes["formed"])


def latch_of(recipe: Recipe, cell_type: CellType) -> Latch | None:
    """None for a recipe whose cells have all been formed: their lower bound has been armed for long."""
    if not start_of_life(recipe).latches:
        return None
    formed = cell_type.envelopes["formed"]
    arms_v = max(FORMED_V, formed.voltage_v_min + formed.trip_margin_v)
    return Latch(formed_v=FORMED_V, arms_v=arms_v)


def lower_bound(phase: Phase, envelope: Envelope, cell_type: CellType) -> LowerBound:
    """Of a step in a recipe with a latch. `envelope` is the step's own, which only narrows that of its phase."""
    before_v = envelope.voltage_v_min if phase == "filled" else envelope_of(cell_type, "filled").voltage_v_min
    return LowerBound(
        before_v=before_v, armed_v=max(cell_type.envelopes["formed"].voltage_v_min, envelope.voltage_v_min)
    )


def drives(step: Step) -> bool:
    """Whether current flows in the step itself, a contact check's apart."""
    return isinstance(step, DriveStep | DcirStep | PulseStep | RampStep | ProfileStep)
