"""The world file: which cells stand where in a simulation, and what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId, Rack
from cycler.model.world import Defect, SimulatedCell, WorldDeclaration
from cycler.recipe.fields import Fields, as_list, as_map, as_text
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.problems import InvalidFile, MistakeError, Problems, nearest
from cycler.recipe.units import parse_quantity
from cycler.recipe.yaml_nodes import MapNode, Node, load_file

SEED_MAX = 2**32 - 1
AMBIENT_DEGC = (-40.0, 80.0)
"""What the cells' physics is good for, and then some."""

_DEFECT_NUMBERS: Mapping[str, tuple[str, str]] = {
    "factor": ("factor", ""),
    "resistance": ("resistance_ohm", "Ohm"),
}
"""Each number of a defect in the file, with its name and base unit in the declaration."""


def everywhere(
    rack: Rack, cell_type: CellType, *, seed: int, state: str | None = None, ideal: bool = False
) -> WorldDeclaration:
    """Without a world file every position that is not left empty holds a healthy cell of one type."""
    positions = [p for bay in rack.bays.values() for p, place in bay.positions.items() if not place.empty]
    cells = {position: SimulatedCell(cell_type=cell_type, state=state) for position in positions}
    return WorldDeclaration(seed=seed, ideal=ideal, cells=cells)


def load_world(path: Path, rack: Rack, *, cell_type: CellType | None, seed: int | None = None) -> WorldDeclaration:
    """`cell_type` is for positions of which the file says nothing; `seed` goes before the file's own.

    Raises `InvalidFile` with everything that is wrong.
    """
    root = load_file(path)
    problems = Problems(str(path))
    fields = Fields(root, problems, owner="a world file")
    own_seed = fields.count("seed", low=0, high=SEED_MAX)
    ambient = fields.quantity("ambient", "degC")
    if ambient is not None and not AMBIENT_DEGC[0] <= ambient.number <= AMBIENT_DEGC[1]:
        low, high = AMBIENT_DEGC
        fields.refuse("ambient", "range", f"ambient: {ambient} is not between {low:g} and {high:g} degC")
    cells = _cells(fields, rack, path.parent, cell_type)
    defects = tuple(_defects(fields, rack))
    if "faults" in fields:
        fields.know("faults")
        fields.refuse("faults", "not-available", "faults of wires and devices are not simulated in this version")
    fields.close()
    if problems.found:
        raise InvalidFile(problems.found)
    given = seed if seed is not None else own_seed
    return WorldDeclaration(
        file=str(path),
        seed=1 if given is None else given,
        ambient_degc=25.0 if ambient is None else ambient.number,
        cells=cells,
        defects=defects,
    )


def _cells(fields: Fields, rack: Rack, beside: Path, default: CellType | None) -> dict[PositionId, SimulatedCell]:
    before = len(fields.problems.found)
    node = fields.take("cells", as_map)
    places = {p: bay.bay for bay in rack.bays.values() for p, place in bay.positions.items() if not place.empty}
    said: dict[str, SimulatedCell] = {}
    if node is not None:
        known = {"default", *places, *places.values()}
        for key, value in node.entries.items():
            if key not in known:
                hint = nearest(key, known)
                fields.problems.add(node.key_lines[key], "unknown-position", f"the rack has no {key}", hint)
                continue
            cell = _cell(value, fields.problems, beside)
            if cell is not None:
                said[key] = cell
    if default is not None:
        said.setdefault("default", SimulatedCell(cell_type=default))
    if len(fields.problems.found) > before:
        return {}  # whatever stands where, nothing will be opened
    found = {}
    for position, bay in places.items():
        cell = said.get(position) or said.get(bay) or said.get("default")
        if cell is None:
            fields.problems.add(
                fields.line("cells"),
                "no-cell-type",
                f"what stands at {position}?",
                "name a `default` cell type under `cells`",
            )
            break
        found[position] = cell
    return found


def _cell(node: Node, problems: Problems, beside: Path) -> SimulatedCell | None:
    state = None
    if isinstance(node, MapNode):
        entry = Fields(node, problems, owner="a cell")
        cell_type = entry.take("cell_type", lambda n: _cell_type(n, beside), required=True)
        state = entry.text("state")
        entry.close()
    else:
        try:
            cell_type = _cell_type(node, beside)
        except MistakeError as mistake:
            problems.add_mistake(node.line, mistake, key="cells")
            return None
    return None if cell_type is None else SimulatedCell(cell_type=cell_type, state=state, line=node.line)


def _cell_type(node: Node, beside: Path) -> CellType:
    name = as_text(node)
    try:
        return find_cell_type(name, beside=beside)
    except LookupError as error:
        raise MistakeError("unknown-cell-type", f"there is no cell type {name}", str(error)) from None
    except InvalidFile as error:
        raise MistakeError("cell-type", str(error)) from None


def _defects(fields: Fields, rack: Rack) -> list[Defect]:
    places = {*rack.bays, *(p for bay in rack.bays.values() for p in bay.positions)}
    found = []
    for node in fields.take("defects", as_list) or []:
        if not isinstance(node, MapNode):
            fields.problems.add(node.line, "type", "a defect is `key: value` entries")
            continue
        entry = Fields(node, fields.problems, owner="a defect")
        at = entry.word("at", places, required=True)
        defect = entry.text("defect", required=True)
        start = entry.quantity("from", "s")
        if start is not None and start.number < 0:
            entry.refuse("from", "range", f"from: {start} is before the beginning")
        probability = entry.quantity("probability", "%")
        numbers = {}
        for key, (name, unit) in _DEFECT_NUMBERS.items():
            number = entry.take(key, lambda n, unit=unit: _number(n, unit))  # type: ignore[misc]
            if number is not None:
                numbers[name] = number
        entry.close()
        if at is None or defect is None:
            continue
        found.append(
            Defect(
                at=at,
                defect=defect,
                numbers=numbers,
                from_s=0.0 if start is None else start.number,
                probability=1.0 if probability is None else probability.number / 100,
                line=node.line,
            )
        )
    return found


def _number(node: Node, unit: str) -> float:
    text = as_text(node)
    if unit:
        return parse_quantity(text, [unit]).number
    try:
        value = float(text)
    except ValueError:
        raise MistakeError("number", f"{text!r} is no number") from None
    if not 0 < value < 1e6:
        raise MistakeError("number", f"{text} is not between 0 and a million")
    return value
