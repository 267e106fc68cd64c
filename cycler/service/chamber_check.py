"""Whether bays can have the temperatures that their recipes want: asked before anybody has connected to a device."""

from collections.abc import Iterator, Mapping

from cycler.contract.capabilities import ChamberRange
from cycler.control.program_cursor import Program
from cycler.control.reservations import conflicts
from cycler.model.rack import BayId
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.plan import PlanStep
from cycler.recipe.problems import Problem
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.wiring import offline_chamber


def chamber_problems(configuration: Configuration, recipes: Mapping[BayId, LoadedRecipe]) -> Iterator[Problem]:
    """Of recipes without other problems, each on its bay, that are to run at the same time."""
    sharing: dict[str, dict[BayId, list[Program]]] = {}
    for bay, loaded in recipes.items():
        steps = program(loaded.recipe.steps, lowering_of(loaded.recipe, loaded.cell_type, None))
        chamber = configuration.rack.bays[bay].chamber
        if chamber is None:
            yield from _without_chamber(bay, steps, file=loaded.recipe.file)
        else:
            sharing.setdefault(chamber, {})[bay] = [steps]
            able = offline_chamber(_device(configuration, chamber))
            if able is not None:
                yield from _beyond(chamber, able, steps, file=loaded.recipe.file)
    for chamber, programs in sharing.items():
        for against in conflicts(programs):
            yield Problem(
                file=str(configuration.file),
                line=0,
                code="chamber-conflict",
                message=f"the bays of chamber {chamber}: {against}",
                hint="run them one after the other, or with the same temperatures in the same order",
            )


def _device(configuration: Configuration, name: str) -> DeviceConfiguration:
    return next(device for device in configuration.devices if device.settings.device == name)


def _beyond(chamber: str, able: ChamberRange, steps: Program, *, file: str) -> Iterator[Problem]:
    """Temperatures and rates that the chamber cannot be told."""
    for step in steps:
        if not isinstance(step, PlanStep) or step.chamber is None:
            continue
        target_degc, rate_k_per_min = step.chamber.target_degc, step.chamber.rate_k_per_min
        if not able.temperature_degc_min <= target_degc <= able.temperature_degc_max:
            reach = f"{able.temperature_degc_min:g} to {able.temperature_degc_max:g} degC"
            yield Problem(
                file=file,
                line=step.line,
                step=step.step_id,
                code="chamber-range",
                message=f"step {step.step_id} wants {target_degc:g} degC, chamber {chamber} reaches {reach}",
            )
        if rate_k_per_min is not None and rate_k_per_min > able.rate_k_per_min_max:
            most = f"at most {able.rate_k_per_min_max:g} K/min" if able.rate_k_per_min_max else "no rate"
            yield Problem(
                file=file,
                line=step.line,
                step=step.step_id,
                code="chamber-rate",
                message=f"step {step.step_id} wants {rate_k_per_min:g} K/min, chamber {chamber} takes {most}",
                hint="without `rate` it goes as fast as it can",
            )


def _without_chamber(bay: BayId, steps: Program, *, file: str) -> Iterator[Problem]:
    """A room may have the temperature of a soak, but it cannot be set and cannot have two."""
    first_degc: float | None = None
    for step in steps:
        if not isinstance(step, PlanStep) or step.chamber is None:
            continue
        target_degc = step.chamber.target_degc
        if step.soak is None or (first_degc is not None and target_degc != first_degc):
            yield Problem(
                file=file,
                line=step.line,
                step=step.step_id,
                code="no-chamber",
                message=f"step {step.step_id} wants {target_degc:g} degC, and bay {bay} has no chamber to get there",
                hint="name a `chamber` in the bay's entry of the rack file",
            )
            return
        first_degc = target_degc
