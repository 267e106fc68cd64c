"""The list of a tray's cells: a CSV with a line for each, as whoever loads the tray has it."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TypeVar

from cycler.model.cell import LEDGER_STATES, POLARITY_EVIDENCE, Cell, CellId, LedgerState, PolarityEvidence
from cycler.model.cell_type import CellType
from cycler.model.rack import Bay, PositionId
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.problems import InvalidFile, Problems, nearest, shown
from cycler.recipe.yaml_nodes import load_text
from cycler.service.ledger import KnownCell

T = TypeVar("T", bound=str)

REQUIRED = ("position", "cell_id")
COLUMNS = (*REQUIRED, "state", "last_ocv_v", "polarity")
"""Beside them the genealogy that the cell type names."""

LINES_MAX = 4096
CELL_V_MAX = 10.0
_CELL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}", re.ASCII)
_VOLTS = re.compile(r"[+-]?\d{1,2}(\.\d{1,9})?", re.ASCII)
_GENEALOGY_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCell:
    """One line, as far as it says something."""

    line: int
    position: str  # `B01/A1`, or `A1` in its bay
    cell_id: CellId
    state: LedgerState | None = None
    last_ocv_v: float | None = None
    polarity: PolarityEvidence | None = None
    genealogy: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellList:
    """The lines of one file, in its order."""

    file: str
    cells: tuple[ListedCell, ...]


def read_cells(path: Path, cell_type: CellType) -> CellList:
    """Raises `InvalidFile` with everything that is wrong."""
    return cells_in(load_text(path), file=str(path), cell_type=cell_type)


def cells_in(text: str, *, file: str, cell_type: CellType) -> CellList:
    """As `read_cells`, of a text that is at hand."""
    problems = Problems(file)
    rows = _rows(text, problems)
    cells: list[ListedCell] = []
    if rows:
        (line, header), *body = rows
        if _is_header(line, header, cell_type, problems):
            cells = [cell for at, row in body if (cell := _listed(at, header, row, problems)) is not None]
            _refuse_doubles(cells, problems)
    if not problems.found and not cells:
        problems.add(0, "empty", "lists no cell", f"a line {','.join(COLUMNS)}, then a line for each cell")
    if problems.found:
        raise InvalidFile(problems.found)
    return CellList(file=file, cells=tuple(cells))


def cells_at(
    listed: CellList, bay: Bay, recipe: LoadedRecipe, known: Mapping[CellId, KnownCell]
) -> dict[PositionId, Cell]:
    """The cells of a tray for this bay, in the order of its positions.

    `known` is what a store says of cells that have been here before; the file must not contradict it, but may have a
    later voltage. Of a cell whose state nobody tells one is assumed that the recipe takes. Raises `InvalidFile`.
    """
    problems = Problems(listed.file)
    found: dict[PositionId, Cell] = {}
    places = {name: name for name in bay.positions} | {name.partition("/")[2]: name for name in bay.positions}
    for cell in listed.cells:
        position = places.get(cell.position)
        if position is None:
            hint = nearest(cell.position, bay.positions)
            problems.add(cell.line, "unknown-position", f"bay {bay.bay} has no position {cell.position}", hint)
        elif bay.positions[position].empty:
            problems.add(cell.line, "empty-position", f"position {position} is left empty by the rack file")
        elif position in found:
            problems.add(cell.line, "doubled", f"position {position} has a cell already")
        else:
            found[position] = _cell(cell, recipe, known.get(cell.cell_id), problems)
    if problems.found:
        raise InvalidFile(problems.found)
    return {position: found[position] for position in bay.positions if position in found}


def _cell(cell: ListedCell, recipe: LoadedRecipe, known: KnownCell | None, problems: Problems) -> Cell:
    name = recipe.cell_type.name
    if known is not None and known.cell_type != name:
        text = f"cell {cell.cell_id} is a {known.cell_type} since run {known.run_id}, the recipe is for {name}"
        problems.add(cell.line, "cell-type", text)
    if known is not None and cell.state is not None and cell.state != known.state:
        text = f"cell {cell.cell_id} is {known.state} since run {known.run_id}, and not {cell.state}"
        problems.add(cell.line, "state", text, "leave `state` empty: the history is here")
    told = cell.state or (None if known is None else known.state)
    return Cell(
        cell_id=cell.cell_id,
        cell_type=name,
        state=told or _assumed(recipe.recipe.from_state),
        state_source="assumed" if told is None else "declared" if known is None else "history",
        last_ocv_v=cell.last_ocv_v if cell.last_ocv_v is not None or known is None else known.last_ocv_v,
        polarity=cell.polarity,
        genealogy=cell.genealogy,
    )


def _assumed(states: Sequence[LedgerState]) -> LedgerState:
    """That a cell was never charged is assumed last: it allows the most."""
    return next((state for state in states if state != "filled"), states[0])


def _rows(text: str, problems: Problems) -> list[tuple[int, list[str]]]:
    """The lines that are not blank, with their numbers. A quoted value may hold a line break, and is refused later."""
    reader = csv.reader(StringIO(text, newline=""), strict=True, skipinitialspace=True)
    rows = []
    before = 0
    try:
        for row in reader:
            if any(value.strip() for value in row):
                rows.append((before + 1, [value.strip() for value in row]))
            before = reader.line_num
            if len(rows) > LINES_MAX:
                problems.add(before, "too-many", f"has more than {LINES_MAX} lines: no tray holds so many cells")
                return []
    except csv.Error as error:
        problems.add(reader.line_num, "syntax", f"is no CSV: {error}")
        return []
    return rows


def _is_header(line: int, header: Sequence[str], cell_type: CellType, problems: Problems) -> bool:
    """Whether the columns below it can be understood."""
    before = len(problems.found)
    known = (*COLUMNS, *cell_type.genealogy)
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        problems.add(line, "separator", "the columns are not separated by commas", "save it as comma-separated CSV")
        return False
    for place, name in enumerate(header):
        if name not in known:
            problems.add(line, "unknown-column", f"there is no column {shown(name)}", nearest(name, known))
        elif name in header[:place]:
            problems.add(line, "doubled", f"the column {name} is there twice")
    for name in REQUIRED:
        if name not in header:
            problems.add(line, "missing-column", f"the column {name} is missing", f"begin with {','.join(REQUIRED)}")
    return len(problems.found) == before


def _listed(line: int, header: Sequence[str], row: Sequence[str], problems: Problems) -> ListedCell | None:
    before = len(problems.found)
    if len(row) != len(header):
        hint = "write numbers with a point" if len(row) > len(header) else ""
        problems.add(line, "columns", f"has {len(row)} values under {len(header)} columns", hint)
        return None
    values = {name: value for name, value in zip(header, row, strict=True) if value}
    for name in REQUIRED:
        if name not in values:
            problems.add(line, "missing", f"has no {name}")
    for name, value in values.items():
        if not value.isprintable() or len(value) > _GENEALOGY_MAX:
            problems.add(line, "text", f"{name}: {shown(value)} is no word of a line: too long, or not printable")
    cell_id = values.get("cell_id", "")
    if cell_id and not _CELL_ID.fullmatch(cell_id):
        text = f"cell_id: {shown(cell_id)} is no identity: letters, digits and . _ : / + -, 64 of them at most"
        problems.add(line, "cell-id", text)
    state = _word(line, values, "state", LEDGER_STATES, problems)
    polarity = _word(line, values, "polarity", POLARITY_EVIDENCE, problems)
    last_ocv_v = _volts(line, values, problems)
    if len(problems.found) > before:
        return None
    return ListedCell(
        line=line,
        position=values["position"],
        cell_id=CellId(cell_id),
        state=state,
        last_ocv_v=last_ocv_v,
        polarity=polarity,
        genealogy={name: value for name, value in values.items() if name not in COLUMNS},
    )


def _word(line: int, values: Mapping[str, str], name: str, words: Sequence[T], problems: Problems) -> T | None:
    value = values.get(name)
    found = next((word for word in words if word == value), None)
    if value is not None and found is None:
        problems.add(line, name, f"{name}: {shown(value)} is no such word", nearest(value, words))
    return found


def _volts(line: int, values: Mapping[str, str], problems: Problems) -> float | None:
    text = values.get("last_ocv_v")
    if text is None:
        return None
    if not _VOLTS.fullmatch(text) or abs(float(text)) > CELL_V_MAX:
        problems.add(line, "last_ocv_v", f"last_ocv_v: {shown(text)} is no cell's voltage", "in volts, like 3.512")
        return None
    return float(text)


def _refuse_doubles(cells: Sequence[ListedCell], problems: Problems) -> None:
    first: dict[str, int] = {}
    for cell in cells:
        if cell.cell_id in first:
            problems.add(cell.line, "doubled", f"cell {cell.cell_id} is on line {first[cell.cell_id]} already")
        first.setdefault(cell.cell_id, cell.line)
