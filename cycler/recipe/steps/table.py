"""The steps that this version knows, by the words that they begin with in a file."""

from collections.abc import Mapping
from typing import Any

from cycler.recipe.model import ExecutedStep, step_word
from cycler.recipe.steps.chamber import CHAMBER
from cycler.recipe.steps.contact import CONTACT
from cycler.recipe.steps.dcir import DCIR
from cycler.recipe.steps.drive import CHARGE, DISCHARGE
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.rest import REST
from cycler.recipe.steps.soak import SOAK

NOT_YET = ("ocv", "acir", "pulse", "ramp", "profile", "hold", "set", "stop", "recipe")
"""Words of the recipe language that this version refuses by name."""

STEP_KINDS: Mapping[str, StepKind[Any]] = {
    "charge": CHARGE,
    "discharge": DISCHARGE,
    "rest": REST,
    "dcir": DCIR,
    "soak": SOAK,
    "chamber": CHAMBER,
    "contact": CONTACT,
}

STEP_WORDS = (*STEP_KINDS, "loop")


def kind_of(step: ExecutedStep) -> StepKind[Any]:
    """What the language knows of this one."""
    return STEP_KINDS[step_word(step)]
