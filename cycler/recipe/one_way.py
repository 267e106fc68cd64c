"""Which way a step moves charge, where it plans one way only: then it has a capacity and an energy of its own."""

from cycler.recipe.bounds import DriveDirection
from cycler.recipe.model import DriveStep, ProfileStep, PulseStep, RampStep, Recipe, Step, step_word, walk


def only_direction(step: Step) -> DriveDirection | None:
    """None where the step goes both ways, or is none whose charge counts for later ones."""
    match step:
        case DriveStep():
            return step.direction
        case PulseStep():
            flows = [flow.number for flow, _ in step.train]
        case ProfileStep():
            flows = [flow.number for _, flow in step.points]
        case RampStep(quantity="current"):
            flows = [step.from_.number, step.to.number]
        case RampStep():  # a voltage that rises only ever charges
            flows = [step.to.number - step.from_.number]
        case _:
            return None
    charges, discharges = max(flows) > 0, min(flows) < 0
    if charges == discharges:
        return None
    return "charge" if charges else "discharge"


def both_ways_tags(recipe: Recipe) -> dict[str, str]:
    """The tags of pulse trains, ramps and profiles that charge and discharge, each with the word of its step."""
    found = {}
    for step, _ in walk(recipe.steps):
        if isinstance(step, PulseStep | RampStep | ProfileStep) and step.tag and only_direction(step) is None:
            found[step.tag] = step_word(step)
    return found
