"""Where the cells stood: the bay as one sees it, rows by letter."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cycler.results.verdict import JudgedCell

PLACES_PER_LINE: Final = 16
_PLACE: Final = re.compile(r"(?P<row>.*?)(?P<number>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLine:
    """One line of a bay; None where no cell belongs. A long row goes on in the next line."""

    row: str
    cells: tuple[JudgedCell | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BayMap:
    """A bay with its tray."""

    bay: str
    tray: str
    lines: tuple[MapLine, ...]


def bay_maps(cells: Sequence[JudgedCell]) -> tuple[BayMap, ...]:
    """In the order in which the bays come."""
    bays: dict[str, list[JudgedCell]] = {}
    for cell in cells:
        bays.setdefault(cell.record.position.partition("/")[0], []).append(cell)
    return tuple(
        BayMap(bay=bay, tray=members[0].record.run.placement.tray, lines=_lines(members))
        for bay, members in bays.items()
    )


def _lines(cells: Sequence[JudgedCell]) -> tuple[MapLine, ...]:
    rows: dict[str, dict[int, JudgedCell]] = {}
    for cell in cells:
        place = cell.record.position.partition("/")[2]
        match = _PLACE.fullmatch(place)
        row = rows.setdefault(match["row"] if match else place, {})
        row[int(match["number"]) if match else len(row) + 1] = cell
    lines = []
    for name, row in sorted(rows.items()):
        for start in range(1, max(row) + 1, PLACES_PER_LINE):
            places = range(start, min(start + PLACES_PER_LINE, max(row) + 1))
            line = tuple(row.get(number) for number in places)
            if any(line):
                lines.append(MapLine(row=name if start == 1 else "", cells=line))
    return tuple(lines)
