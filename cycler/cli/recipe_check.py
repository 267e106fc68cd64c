"""The work of `cycler recipe`: what a recipe does, and what speaks against it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from cycler.cli.recipe_whole import Whole, whole
from cycler.contract.capabilities import ChannelRange
from cycler.model.rack import BayId
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.compile import check as check_on
from cycler.recipe.describe import describe, worst_case_s
from cycler.recipe.lookup import given_cell_type
from cycler.recipe.plan import PlanStep
from cycler.recipe.problems import Problem
from cycler.recipe.worst_case import Program
from cycler.record.schema import JournalUnusable
from cycler.service.abuse import refuse_abuse
from cycler.service.approvals import Standing, approvals_in, standing
from cycler.service.chamber_check import chamber_problems
from cycler.service.clock import utcnow
from cycler.service.configuration import Configuration
from cycler.service.meter_check import meter_problems
from cycler.service.output_check import output_problems
from cycler.service.protection_check import protection_problems
from cycler.service.rack_file import load_configuration
from cycler.service.recipes import recipe_named
from cycler.service.wiring import offline_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A recipe that reads well, and what its cell type or the rack's channels have against it."""

    recipe: LoadedRecipe
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]  # what could not be checked
    whole: Whole
    standing: Standing | None = None  # whether people let it run on the rack; None without one, or without its store

    def lines(self) -> Iterator[str]:
        """For people."""
        for problem in self.problems:
            yield f"error: {problem}"
        if not self.problems:
            named = self.recipe.recipe
            yield f"{named.recipe} {named.version} is fine on {self.recipe.cell_type.name}: {content_hash(named)[:12]}"
        for warning in self.whole.warnings:
            yield f"warning: {warning}"
        for note in self.notes:
            yield f"note: {note}"
        if self.standing is not None and not self.problems:
            yield f"note: on real cells it {'may' if self.standing.may_run else 'may not'} run: {self.standing.text}"
        if not self.problems:
            yield from self.whole.lines()

    def document(self) -> Mapping[str, object]:
        """For programs."""
        if self.problems:
            return {"errors": [problem.as_json() for problem in self.problems]}
        named = self.recipe.recipe
        return {
            "recipe": named.recipe,
            "version": named.version,
            "hash": content_hash(named),
            "cell_type": self.recipe.cell_type.name,
            "worst_case_s": worst_case_s(named, self.recipe.cell_type),
            "notes": list(self.notes),
            "release": None
            if self.standing is None
            else {"may_run": self.standing.may_run, "text": self.standing.text},
            **self.whole.document(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A recipe in words and in its canonical form."""

    recipe: LoadedRecipe
    lines: tuple[str, ...]
    canonical: str

    def document(self) -> Mapping[str, object]:
        """For programs."""
        named = self.recipe.recipe
        return {
            "recipe": named.recipe,
            "version": named.version,
            "hash": content_hash(named),
            "cell_type": self.recipe.cell_type.name,
            "lines": list(self.lines),
            "canonical": self.canonical,
        }


def check_recipe(recipe: str, config: Path | None, cell_type: str | None) -> Checked:
    """Against a rack's channels and chambers, too, where one is given. Raises `InvalidFile` and `Refused`."""
    loaded = _load(recipe, cell_type)
    problems: dict[str, Problem] = {}
    notes: list[str] = []
    configuration = None if config is None else load_configuration(config)
    of_run = whole(loaded, configuration)
    if configuration is not None:
        refuse_abuse(configuration.rack, loaded.recipe)
        ranges = offline_ranges(configuration)
        notes += _not_known(ranges, of_run.steps)
        for channel in dict.fromkeys(channel for channel in ranges.values() if channel is not None):
            for problem in check_on(loaded.recipe, loaded.cell_type, channel):
                problems.setdefault(str(problem), problem)
        of_bays = {bay: _of_bay(configuration, bay, loaded) for bay in configuration.rack.bays}
        found = [problem for of_bay in of_bays.values() for problem in of_bay]
        if all(of_bays.values()):
            problems |= {str(problem): problem for problem in found}
        else:  # there are bays on which it can run
            notes += [problem.message for problem in found]
        if of_run.no_bay_can:
            problems |= {str(problem): problem for problem in of_run.power}
        else:
            notes += [problem.message for problem in of_run.power]
    release = _standing(loaded, configuration, notes)
    return Checked(
        recipe=loaded,
        problems=tuple(problems.values()),
        notes=tuple(notes),
        whole=of_run,
        standing=release,
    )


def show_recipe(recipe: str, cell_type: str | None) -> Shown:
    """Raises `InvalidFile` for files that do not read."""
    loaded = _load(recipe, cell_type)
    return Shown(
        recipe=loaded,
        lines=tuple(describe(loaded.recipe, loaded.cell_type)),
        canonical=canonical_text(loaded.recipe),
    )


def _load(recipe: str, cell_type: str | None) -> LoadedRecipe:
    own = None if cell_type is None else given_cell_type(cell_type, beside=Path.cwd())
    return recipe_named(recipe, beside=Path.cwd(), cell_type=own)


def _of_bay(configuration: Configuration, bay: BayId, loaded: LoadedRecipe) -> list[Problem]:
    """What the bay lacks for the recipe, with a cell in every position that is not left empty."""
    positions = [position for position in configuration.rack.bays[bay].positions.values() if not position.empty]
    chamber = chamber_problems(configuration, {bay: loaded})
    outputs = output_problems(configuration.rack.bays[bay], loaded.recipe)
    protections = protection_problems(configuration.rack, positions, loaded.cell_type, loaded.recipe.file)
    return [*chamber, *outputs, *protections, *meter_problems(configuration, loaded, positions)]


def _standing(loaded: LoadedRecipe, configuration: Configuration | None, notes: list[str]) -> Standing | None:
    if configuration is None or configuration.store is None:
        return None
    try:
        approvals = approvals_in(configuration.store)
    except (JournalUnusable, OSError) as error:
        notes.append(f"who has approved it cannot be read: {error}")
        return None
    return standing(approvals, content_hash(loaded.recipe), utcnow())


def _not_known(ranges: Mapping[str, ChannelRange | None], steps: Program) -> Iterator[str]:
    """What cannot be said of the rack's cyclers before they are connected to."""
    phases = (
        phase for step in steps if isinstance(step, PlanStep) for each in step.variants for phase in each.different
    )
    asks_ohm = any(phase.resistance_ohm is not None for phase in phases)
    for device, channel in ranges.items():
        if channel is None:
            yield f"{device} does not tell its range before it is connected: give `rated`"
        elif asks_ohm and channel.resistance_ohm_max == inf:
            yield f"{device} does not tell before it is connected which resistances it holds, if any"
