"""The steps that this version knows, by the words that they begin with in a file."""

from collections.abc import Mapping
from typing import Any

from cycler.recipe.model import ExecutedStep, step_word
from cycler.recipe.steps.acir import ACIR
from cycler.recipe.steps.chamber import CHAMBER
from cycler.recipe.steps.contact import CONTACT
from cycler.recipe.steps.dcir import DCIR
from cycler.recipe.steps.drive import CHARGE, DISCHARGE
from cycler.recipe.steps.hold import HOLD
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.ocv import OCV
from cycler.recipe.steps.profile import PROFILE
from cycler.recipe.steps.pulse import PULSE
from cycler.recipe.steps.ramp import RAMP
from cycler.recipe.steps.rest import REST
from cycler.recipe.steps.set import SET
from cycler.recipe.steps.soak import SOAK
from cycler.recipe.steps.stop import STOP

STEP_KINDS: Mapping[str, StepKind[Any]] = {
    "charge": CHARGE,
    "discharge": DISCHARGE,
    "rest": REST,
    "ocv": OCV,
    "acir": ACIR,
    "dcir": DCIR,
    "pulse": PULSE,
    "ramp": RAMP,
    "profile": PROFILE,
    "soak": SOAK,
    "chamber": CHAMBER,
    "contact": CONTACT,
    "hold": HOLD,
    "set": SET,
    "stop": STOP,
}

STEP_WORDS = (*STEP_KINDS, "loop", "recipe")


def kind_of(step: ExecutedStep) -> StepKind[Any]:
    """What the language knows of this one."""
    return STEP_KINDS[step_word(step)]
