"""The world file: which cells stand where in a simulation, and what is wrong with them."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId, Rack
from cycler.model.world import FAULTS_OF_THE_PC, Defect, Fault, SimulatedCell, WorldDeclaration
from cycler.recipe.fields import Fields, as_list, as_map, as_text
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.problems import InvalidFile, MistakeError, Problems, nearest
from cycler.recipe.units import parse_quantity
from cycler.recipe.yaml_nodes import MapNode, Node, load_file

SEED_MAX = 2**32 - 1
AMBIENT_DEGC = (-40.0, 80.0)
"""What the cells' physics is good for, and then some."""

_NUMBERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "factor": ("factor", ()),
    "resistance": ("resistance_ohm", ("Ohm",)),
    "power": ("power_w", ("W",)),
    "loss": ("loss_ratio", ("%",)),
    "voltage": ("voltage_v", ("V",)),
    "drift": ("drift_v_per_s", ("V/s",)),
    "offset": ("offset_per_s", ("V/s", "K/s")),
    "gain": ("gain_per_s", ("/s",)),
    "delay": ("delay_s", ("s",)),
    "times": ("times", ()),
    "over": ("over_s", ("s",)),
    "step": ("step_s", ("s",)),
}
"""Each number of a defect or fault in the file, with its name in the declaration and its base units there."""


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
    defects = tuple(_defects(fields, rack, path.parent))
    faults = tuple(_faults(fields))
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
        faults=faults,
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


def _defects(fields: Fields, rack: Rack, beside: Path) -> list[Defect]:
    positions = [p for bay in rack.bays.values() for p in bay.positions]
    found = []
    for entry in _entries(fields, "defects", "a defect"):
        at = entry.word("at", {*rack.bays, *positions}, required=True)
        defect = entry.text("defect", required=True)
        other = entry.word("other", positions)
        cell = None
        if "cell_type" in entry:
            cell_type = entry.take("cell_type", lambda node: _cell_type(node, beside))
            state = entry.text("state")
            if cell_type is not None:
                cell = SimulatedCell(cell_type=cell_type, state=state, line=entry.line("cell_type"))
        from_s, for_s, rate_per_s, probability = _times(entry)
        numbers = _numbers(entry)
        entry.close()
        if at is None or defect is None:
            continue
        found.append(
            Defect(
                at=at,
                defect=defect,
                numbers=numbers,
                cell=cell,
                other=other,
                from_s=from_s,
                for_s=for_s,
                rate_per_s=rate_per_s,
                probability=probability,
                line=entry.node.line,
            )
        )
    return found


def _faults(fields: Fields) -> list[Fault]:
    found = []
    for entry in _entries(fields, "faults", "a fault"):
        fault = entry.text("fault", required=True)
        device = "" if fault in FAULTS_OF_THE_PC and "device" not in entry else entry.text("device", required=True)
        from_s, for_s, rate_per_s, probability = _times(entry)
        numbers = _numbers(entry)
        entry.close()
        if device is None or fault is None:
            continue
        name, _, channel = device.partition("/")
        found.append(
            Fault(
                device=name,
                channel=channel or None,
                fault=fault,
                numbers=numbers,
                from_s=from_s,
                for_s=for_s,
                rate_per_s=rate_per_s,
                probability=probability,
                line=entry.node.line,
            )
        )
    return found


def _entries(fields: Fields, key: str, owner: str) -> Iterator[Fields]:
    for node in fields.take(key, as_list) or []:
        if isinstance(node, MapNode):
            yield Fields(node, fields.problems, owner=owner)
        else:
            fields.problems.add(node.line, "type", f"{owner} is `key: value` entries")


def _times(entry: Fields) -> tuple[float, float | None, float, float]:
    """From when in s, for how long in s, how often in 1/s, and with which probability."""
    start, stay = entry.quantity("from", "s"), entry.quantity("for", "s")
    rate, probability = entry.quantity("rate", "/s"), entry.quantity("probability", "%")
    if start is not None and start.number < 0:
        entry.refuse("from", "range", f"from: {start} is before the beginning")
    for key, given in (("for", stay), ("rate", rate)):
        if given is not None and given.number <= 0:
            entry.refuse(key, "range", f"{key}: {given} is not above 0")
    return (
        0.0 if start is None else start.number,
        None if stay is None else stay.number,
        0.0 if rate is None else rate.number,
        1.0 if probability is None else probability.number / 100,
    )


def _numbers(entry: Fields) -> dict[str, float]:
    found = {}
    for key, (name, units) in _NUMBERS.items():
        number = entry.take(key, lambda node, units=units: _number(node, units))  # type: ignore[misc]
        if number is not None:
            found[name] = number
    return found


def _number(node: Node, units: Collection[str]) -> float:
    text = as_text(node)
    if units:
        quantity = parse_quantity(text, units)
        return quantity.number / 100 if quantity.unit == "%" else quantity.number
    try:
        value = float(text)
    except ValueError:
        raise MistakeError("number", f"{text!r} is no number") from None
    if not 0 < value < 1e6:
        raise MistakeError("number", f"{text} is not between 0 and a million")
    return value
