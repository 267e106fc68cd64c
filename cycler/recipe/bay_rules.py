"""What a step asks of the whole bay, in SI numbers: its chamber, and when all of its cells may go on."""

from math import inf

from cycler.recipe.contact_phases import CONTACT_TIMEOUT_S
from cycler.recipe.model import ChamberStep, ContactStep, ExecutedStep, SoakStep
from cycler.recipe.plan import ChamberRule, ContactRule, SoakRule


def chamber_rule(step: ExecutedStep) -> ChamberRule | None:
    """What it sets the chamber to, where it does."""
    match step:
        case SoakStep():
            return ChamberRule(target_degc=step.chamber.number)
        case ChamberStep():
            rate_k_per_min = None if step.rate is None else 60 * step.rate.number
            return ChamberRule(target_degc=step.target.number, rate_k_per_min=rate_k_per_min)
    return None


def chamber_wait_s(step: ChamberStep) -> float:
    """How long it rests once the chamber has its new set value."""
    return 0.0 if step.wait is None else step.wait.number


def soak_rule(step: ExecutedStep) -> SoakRule | None:
    """When its cells have soaked, where it waits for that."""
    if not isinstance(step, SoakStep):
        return None
    return SoakRule(within_k=step.cells_within.number, hold_s=step.hold.number, timeout_s=step.timeout.number)


def contact_rule(step: ExecutedStep) -> ContactRule | None:
    """What it expects of a contact, where it checks one."""
    if not isinstance(step, ContactStep):
        return None
    return ContactRule(
        ocv_v=None if step.ocv is None else (step.ocv[0].number, step.ocv[1].number),
        continuity_v=None if step.continuity is None else step.continuity.number,
    )


def timeout_s(step: ExecutedStep) -> float:
    """Of steps that the bay ends; inf for all others."""
    match step:
        case SoakStep():
            return step.timeout.number
        case ChamberStep():
            return chamber_wait_s(step)
        case ContactStep():
            return CONTACT_TIMEOUT_S
    return inf
