"""Whether positions have the meters that a recipe needs: asked before anybody has connected to a device."""

from collections.abc import Collection, Iterator, Mapping

from cycler.contract.capabilities import MeterRange
from cycler.model.rack import Position
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.measurable import why_not_measurable
from cycler.recipe.plan import MeterRule, PlanStep
from cycler.recipe.problems import Problem
from cycler.service.configuration import Configuration
from cycler.service.wiring import offline_meters


def meter_problems(
    configuration: Configuration, loaded: LoadedRecipe, positions: Collection[Position]
) -> Iterator[Problem]:
    """One for each step that not all of them can measure: `acir`; the voltage of an `ocv` any cycler has.

    Raises `NotInstalled` and `ValueError` for devices that cannot be.
    """
    steps = program(loaded.recipe.steps, lowering_of(loaded.recipe, loaded.cell_type, None))
    metered = [step for step in steps if isinstance(step, PlanStep) and step.meter is not None]
    meters = offline_meters(configuration) if metered else {}
    for step in metered:
        if step.meter is None or step.meter.kind != "acir":
            continue
        found = {place.position: why for place in positions if (why := _why_not(step.meter, place, meters)) is not None}
        if found:
            first, *others = found
            more = f", and so {len(others)} more" if others else ""
            yield Problem(
                file=loaded.recipe.file,
                line=step.line,
                step=step.step_id,
                code="meter",
                message=f"step {step.step_id} cannot be measured at {first}: {found[first]}{more}",
                hint="give the positions a `meter` in the rack file",
            )


def _why_not(rule: MeterRule, position: Position, meters: Mapping[str, MeterRange | None]) -> str | None:
    if position.meter is None:
        return "it has no meter"
    able = meters.get(position.meter.device)
    return None if able is None else why_not_measurable(rule, position.meter, able)
