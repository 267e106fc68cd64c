"""Whether bays have the digital outputs that their recipes set: asked before anybody has connected to a device."""

from collections.abc import Iterator

from cycler.model.rack import Bay
from cycler.recipe.model import Recipe, RestStep, walk
from cycler.recipe.problems import Problem, nearest


def output_problems(bay: Bay, recipe: Recipe) -> Iterator[Problem]:
    """Of one recipe on one bay."""
    for step, _ in walk(recipe.steps):
        for name, _ in (step.outputs or ()) if isinstance(step, RestStep) else ():
            if name not in bay.outputs:
                yield Problem(
                    file=recipe.file,
                    line=step.line,
                    step=step.name,
                    code="no-output",
                    message=f"step {step.name} sets the output {name}, and bay {bay.bay} has none of that name",
                    hint=nearest(name, bay.outputs)
                    if bay.outputs
                    else "name it in the bay's `outputs` in the rack file",
                )
