"""Which protections the positions of a rack have, as far as its file alone tells."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import CellType
from cycler.model.rack import Position, PositionId, Rack
from cycler.recipe.problems import Problem
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.declaration import Input, in_words, not_available
from cycler.safety.inputs import TOLD_BY_CYCLERS, inputs_of_rack
from cycler.safety.start_checks import missing_required


def not_available_on(rack: Rack) -> Mapping[PositionId, Mapping[AlarmCode, tuple[Input, ...]]]:
    """Of every position, with the inputs that it lacks for each of them. Devices are taken to give what they may."""
    positions = [position for bay in rack.bays.values() for position in bay.positions.values()]
    return {each.position: not_available(CATALOGUE, inputs_of_rack(rack, each) | TOLD_BY_CYCLERS) for each in positions}


def protection_lines(rack: Rack) -> Iterator[str]:
    """For people: equal positions together, the codes by what is missing for them."""
    alike: defaultdict[tuple[tuple[Input, tuple[int, ...]], ...], list[PositionId]] = defaultdict(list)
    for position, missing in not_available_on(rack).items():
        by_input: defaultdict[Input, list[int]] = defaultdict(list)
        for code, needs in missing.items():
            by_input[needs[0]].append(int(code))
        alike[tuple((need, tuple(codes)) for need, codes in by_input.items())].append(position)
    for lacks, positions in alike.items():
        first, last = positions[0], positions[-1]
        which = first if first == last else f"{first} to {last} ({len(positions)})"
        codes = sum(len(codes) for _, codes in lacks)
        yield f"protections at {which}: {len(CATALOGUE) - codes} of {len(CATALOGUE)}; not available are"
        for need, numbers in lacks:
            yield f"  {', '.join(map(str, numbers))}: no {need}"


def protection_problems(
    rack: Rack, positions: Collection[Position], cell_type: CellType, file: str
) -> Iterator[Problem]:
    """What the cell type requires and these positions do not have. `file`: of the recipe."""
    for position in positions:
        missing = missing_required(cell_type, inputs_of_rack(rack, position) | TOLD_BY_CYCLERS)
        if missing:
            yield Problem(
                file=file,
                line=0,
                step=None,
                code="protections",
                message=f"{cell_type.name} requires protections that {position.position} does not have:"
                f" {in_words(missing)}",
                hint="wire and configure the input; what a code needs stands in docs/protections.md",
            )
            return
