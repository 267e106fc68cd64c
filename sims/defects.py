"""What can be wrong with a cell, and where and when a declaration makes it so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cycler.model.rack import PositionId, Rack
from cycler.model.world import Defect, WorldError
from sims.cells.tables import nearest
from sims.seeds import generator

MISSING = "missing"
# Each defect with its one number, as the declaration names it and as `CellBank.alter` does.
NUMBERS = {
    "low-capacity": ("factor", "capacity_factor"),
    "high-resistance": ("factor", "resistance_factor"),
    "micro-short": ("resistance_ohm", "short_ohm"),
    MISSING: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDefect:
    """A defect that has come to a cell. `change` is what `CellBank.alter` is to be told; a missing cell has none."""

    position: PositionId
    from_s: float
    change: tuple[str, float] | None


def drawn_defects(defects: Sequence[Defect], rack: Rack, *, seed: int) -> tuple[CellDefect, ...]:
    """Where the declared defects strike; each position draws for itself. Raises `WorldError` for what cannot be."""
    drawn: list[CellDefect] = []
    for index, defect in enumerate(defects):
        change = _change(defect)
        drawn.extend(
            CellDefect(position=position, from_s=defect.from_s, change=change)
            for position in _positions(defect, rack)
            if generator(seed, f"defect:{index}:{position}").random() < defect.probability
        )
    return tuple(drawn)


def _change(defect: Defect) -> tuple[str, float] | None:
    if defect.defect not in NUMBERS:
        hint = nearest(defect.defect, NUMBERS)
        raise WorldError(f"{defect.at}: no defect {defect.defect!r} is simulated: {hint}", line=defect.line)
    if not 0 <= defect.probability <= 1:
        message = f"{defect.at}: {defect.defect}: a probability of {defect.probability} cannot be"
        raise WorldError(message, line=defect.line)
    names = NUMBERS[defect.defect]
    expected: Iterable[str] = () if names is None else (names[0],)
    if set(defect.numbers) != set(expected):
        wanted = f"needs {names[0]} and nothing else" if names else "takes no numbers"
        given = ", ".join(sorted(defect.numbers)) or "nothing"
        raise WorldError(f"{defect.at}: {defect.defect} {wanted}, not {given}", line=defect.line)
    if names is None:
        if defect.from_s > 0:
            raise WorldError(f"{defect.at}: a cell is missing from the beginning or not at all", line=defect.line)
        return None
    value = defect.numbers[names[0]]
    if not 0 < value < float("inf"):
        message = f"{defect.at}: {defect.defect}: {names[0]} must be above 0, not {value}"
        raise WorldError(message, line=defect.line)
    return names[1], value


def _positions(defect: Defect, rack: Rack) -> tuple[PositionId, ...]:
    places = {str(bay.bay): tuple(bay.positions) for bay in rack.bays.values()}
    places |= {str(position): (position,) for bay in rack.bays.values() for position in bay.positions}
    if defect.at not in places:
        message = f"{defect.defect}: the rack has no {defect.at!r}: {nearest(defect.at, places)}"
        raise WorldError(message, line=defect.line)
    return places[defect.at]
