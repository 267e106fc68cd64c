"""From a file to a plan. What loads may be asked of its cell type; what compiles, also of a channel."""

from dataclasses import dataclass
from pathlib import Path

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType, DcirDefaults
from cycler.recipe.canonical import content_hash
from cycler.recipe.check import StepCheck
from cycler.recipe.contact_place import check_contact_places
from cycler.recipe.contradictions import contradictions
from cycler.recipe.fields import as_title
from cycler.recipe.ledger_phase import latch_of
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.model import Recipe
from cycler.recipe.plan import ContactGroup, Plan, PlanStep
from cycler.recipe.problems import InvalidFile, MistakeError, Problem, Problems
from cycler.recipe.reach import check_reach
from cycler.recipe.read import read_recipe
from cycler.recipe.references import check_references
from cycler.recipe.subrecipes import SubRecipes, check_states
from cycler.recipe.variables import check_variables
from cycler.recipe.worst_case import Program, worst_case
from cycler.recipe.yaml_nodes import MapNode, load_bytes, load_file


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecipe:
    """A recipe and the cell type that its numbers are of."""

    recipe: Recipe
    cell_type: CellType


def load_recipe(path: Path, *, cell_type: CellType | None = None) -> LoadedRecipe:
    """Read a recipe and everything that it names, and check it against the cell type.

    The cell type is looked up beside the file, then in the library, unless it is given. Raises `InvalidFile` with all
    problems that could be found.
    """
    return _load(load_file(path), str(path), path.parent, cell_type)


def load_recipe_text(text: str, *, file: str, beside: Path, cell_type: CellType | None = None) -> LoadedRecipe:
    """As `load_recipe`, for a text that is at hand: a run's own recipe, an import."""
    return _load(load_bytes(text.encode(), file), file, beside, cell_type)


def check(recipe: Recipe, cell_type: CellType, channel: ChannelRange | None) -> list[Problem]:
    """What speaks against running the recipe on this type of cell, on such a channel."""
    problems = Problems(recipe.file)
    if recipe.cell_type != cell_type.name:
        problems.add(0, "cell-type", f"the recipe is for {recipe.cell_type}, not for {cell_type.name}")
    _check_steps(recipe, cell_type, channel, problems)
    return problems.found


def compile_plan(recipe: Recipe, cell_type: CellType, channel: ChannelRange, group: ContactGroup = 0) -> Plan:
    """Ready to run at a position of this contact group. Raises `InvalidFile` with what `check` finds."""
    problems = check(recipe, cell_type, channel)
    if problems:
        raise InvalidFile(problems)
    steps = program(recipe.steps, lowering_of(recipe, cell_type, channel, group))
    return Plan(
        recipe=recipe.recipe,
        version=recipe.version,
        recipe_hash=content_hash(recipe),
        cell_type=cell_type,
        from_states=recipe.from_state,
        to_state=recipe.to_state,
        is_abuse=recipe.purpose == "abuse",
        latch=latch_of(recipe, cell_type),
        program=steps,
        time_s_max=worst_case(steps).time_s,
    )


def _load(
    root: MapNode,
    file: str,
    beside: Path,
    cell_type: CellType | None,
    *,
    above: tuple[Path, ...] = (),
    known: dict[Path, Recipe | None] | None = None,
) -> LoadedRecipe:
    """`above`: the files that name this one, outermost first; `known`: the recipes that have been read for them."""
    problems = Problems(file, beside=beside)
    others: list[Problem] = []  # of the cell type's own file
    if cell_type is None:
        cell_type = _named_cell_type(root, beside, problems, others)
    here = (*above, Path(file).resolve())
    known = {} if known is None else known

    def load(path: Path) -> Recipe:
        return _load(load_file(path), str(path), path.parent, cell_type, above=here, known=known).recipe

    subrecipes = SubRecipes(beside=beside, above=here, load=load, known=known, others=others) if cell_type else None
    recipe = read_recipe(root, problems, cell_type.dcir if cell_type else DcirDefaults(), subrecipes)
    if recipe is not None and not problems.found:
        check_references(recipe, problems)
        check_variables(recipe, problems)
        check_states(recipe, problems)
    if recipe is not None and cell_type is not None:
        if recipe.cell_type != cell_type.name:
            line = root.key_lines["cell_type"]
            problems.add(line, "cell-type", f"the recipe is for {recipe.cell_type}, not for {cell_type.name}")
        _check_steps(recipe, cell_type, None, problems)
        if not problems.found:
            return LoadedRecipe(recipe=recipe, cell_type=cell_type)
    raise InvalidFile([*problems.found, *others])


def _named_cell_type(root: MapNode, beside: Path, problems: Problems, others: list[Problem]) -> CellType | None:
    node = root.entries.get("cell_type")
    if node is None:
        return None  # reported as a missing key
    try:
        name = as_title(node)
    except MistakeError:
        return None  # reported when the key is read
    try:
        return find_cell_type(name, beside=beside)
    except LookupError as error:
        problems.add(node.line, "cell-type", f"no cell type is named {name}", str(error.args[0]))
    except InvalidFile as error:
        problems.add(node.line, "cell-type", f"the cell type {name} cannot be used: its file has problems")
        others.extend(error.problems)
    return None


def _check_steps(recipe: Recipe, cell_type: CellType, channel: ChannelRange | None, problems: Problems) -> None:
    lowering = lowering_of(recipe, cell_type, channel)
    if lowering.life.takes_filled and "filled" not in cell_type.envelopes:
        message = f"the recipe takes filled cells, but {cell_type.name} has no envelope for them"
        problems.add(0, "from-state", message, "add envelope: {filled: …} to the cell type")
        return
    if lowering.life.disposal and "disposal" not in cell_type.envelopes:
        message = f"the recipe leaves its cells recycled, but {cell_type.name} has no envelope for their disposal"
        problems.add(0, "to-state", message, "add envelope: {disposal: …} to the cell type")
        return
    if lowering.life.abuse and "abuse" not in cell_type.envelopes:
        message = f"the recipe is an abuse test, but {cell_type.name} has no envelope for one"
        problems.add(0, "purpose", message, "add envelope: {abuse: …} to a cell type of its own")
        return
    chamber_degc: float | None = None  # as the steps before have set it, in the order of the file
    lowered = program(recipe.steps, lowering)
    for step in lowered:
        if isinstance(step, PlanStep):
            if step.chamber is not None:
                chamber_degc = step.chamber.target_degc
            StepCheck(step, cell_type, channel, problems, chamber_degc=chamber_degc).run()
    check_contact_places(lowered, problems)
    check_reach(lowered, problems)
    _check_sense(lowered, cell_type, problems)


def _check_sense(lowered: Program, cell_type: CellType, problems: Problems) -> None:
    """Whether the conditions of steps contradict one another; nobody asks that of steps that could hurt a cell."""
    wrong = {problem.step for problem in problems.found}
    for each in contradictions(lowered, cell_type, file=problems.file):
        found = each.problem
        if each.certain and found.step not in wrong:
            problems.step = found.step
            problems.add(found.line, found.code, found.message, found.hint)
    problems.step = None
