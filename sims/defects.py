"""What can be wrong with a cell, its contacts, its wires and its tray; and where a declaration makes it so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cycler.model.rack import PositionId, Rack
from cycler.model.world import Defect, WorldError
from sims.cells.bank import CellBank
from sims.cells.tables import nearest
from sims.cells.wiring import CrossedSense, OpenSense
from sims.seeds import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number of a defect: what it is where the declaration does not say, and within what it must lie."""

    default: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a declaration of a defect may say. The default sizes are those that a check has to find."""

    numbers: Mapping[str, Number] = field(default_factory=dict)
    loaded_so: bool = False  # the way that the tray was loaded: from the beginning and for good
    cell: Literal["none", "optional", "required"] = "none"  # whether it names the cell that is there by mistake
    other: bool = False  # whether it names another position
    parallel: bool = False  # only where several channels are in parallel: one of them, the last, is struck
    of: Literal["position", "bay", "both"] = "both"


KINDS: Mapping[str, Kind] = {
    "low-capacity": Kind(numbers={"factor": Number(default=0.9, low=0.01, high=1.0)}),
    "high-resistance": Kind(numbers={"factor": Number(default=1.6, low=1.0, high=100.0)}),
    "micro-short": Kind(numbers={"resistance_ohm": Number(default=1000.0, low=20.0, high=1e6)}),
    "hard-short": Kind(numbers={"resistance_ohm": Number(default=0.5, low=0.05, high=20.0)}),
    "extra-heat": Kind(numbers={"power_w": Number(default=1.0, low=0.01, high=50.0)}),
    "gassing": Kind(numbers={"loss_ratio": Number(default=0.02, low=0.0001, high=0.5)}),
    "open-contact": Kind(),
    "bad-contact": Kind(numbers={"resistance_ohm": Number(default=0.1, low=0.001, high=1e6)}),
    "open-sense": Kind(numbers={"voltage_v": Number(default=0.0, low=0.0, high=5.0)}),
    "drifting-sense": Kind(numbers={"drift_v_per_s": Number(default=0.02, low=-1.0, high=1.0)}),
    "crossed-sense": Kind(other=True, of="position"),
    "lost-subchannel": Kind(parallel=True, of="position"),
    "wrong-sensor": Kind(loaded_so=True, other=True, of="position"),
    "missing": Kind(loaded_so=True),
    "reversed": Kind(loaded_so=True),
    "unexpected": Kind(loaded_so=True, cell="optional"),
    "wrong-chemistry": Kind(loaded_so=True, cell="required"),
    "double-loaded": Kind(loaded_so=True),
    "rotated-tray": Kind(loaded_so=True, of="bay"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnDefect:
    """A defect that has come to a position; a rotated tray has come to the first position of its bay."""

    declared: Defect
    position: PositionId
    numbers: Mapping[str, float]
    other: PositionId | None
    stream: str  # of chance: when it comes and goes

    @property
    def loaded_so(self) -> bool:
        """From the beginning and for good."""
        return KINDS[self.declared.defect].loaded_so


def drawn_defects(defects: Sequence[Defect], rack: Rack, *, seed: int) -> tuple[DrawnDefect, ...]:
    """Where the declared defects strike; each position draws for itself. Raises `WorldError` for what cannot be."""
    drawn: list[DrawnDefect] = []
    for index, defect in enumerate(defects):
        numbers = _numbers(defect)
        struck = _places(defect, rack)
        for position in struck[:1] if defect.defect == "rotated-tray" else struck:
            stream = f"defect:{index}:{position}"
            if generator(seed, stream).random() < defect.probability:
                drawn.append(
                    DrawnDefect(
                        declared=defect,
                        position=position,
                        numbers=numbers,
                        other=_other(defect, position, rack),
                        stream=f"{stream}:times",
                    )
                )
    return tuple(drawn)


def strike(defect: DrawnDefect, bank: CellBank, row: int, *, other_row: int | None, begins: bool) -> None:
    """Do it to a row that has been brought up to the present, or take it back."""
    numbers, sign = defect.numbers, 1 if begins else -1
    match defect.declared.defect:
        case "low-capacity":
            bank.alter(row, capacity_factor=numbers["factor"] ** sign)
        case "high-resistance":
            bank.alter(row, resistance_factor=numbers["factor"] ** sign)
        case "micro-short" | "hard-short":
            bank.alter(row, short_ohm=sign * numbers["resistance_ohm"])
        case "extra-heat":
            bank.alter(row, heat_w=sign * numbers["power_w"])
        case "gassing":
            bank.alter(row, plating_ratio=sign * numbers["loss_ratio"])
        case "open-contact":
            bank.break_path(row, broken=begins)
        case "lost-subchannel":
            bank.break_lead(row, broken=begins)
        case "bad-contact":
            bank.add_contact(row, sign * numbers["resistance_ohm"])
        case "open-sense":
            bank.set_sense(row, OpenSense(from_s=bank.now_s, voltage_v=numbers["voltage_v"]) if begins else None)
        case "drifting-sense":
            seen_v, drift_v_per_s = bank.measure_row(row).voltage_v, numbers["drift_v_per_s"]
            floating = OpenSense(from_s=bank.now_s, voltage_v=seen_v, drift_v_per_s=drift_v_per_s)
            bank.set_sense(row, floating if begins else None)
        case "crossed-sense" if other_row is not None:
            for own, strange in ((row, other_row), (other_row, row)):
                bank.set_sense(own, CrossedSense(other=strange) if begins else None)


def _numbers(defect: Defect) -> Mapping[str, float]:
    """All of them, checked along with the rest of the declaration."""
    if defect.defect not in KINDS:
        raise _error(defect, f"no defect {defect.defect!r} is simulated: {nearest(defect.defect, KINDS)}", bare=True)
    kind = KINDS[defect.defect]
    if not 0 <= defect.probability <= 1:
        raise _error(defect, f"a probability of {defect.probability:g} cannot be")
    if kind.loaded_so and (defect.from_s > 0 or defect.for_s is not None or defect.rate_per_s):
        raise _error(defect, "a tray is loaded so from the beginning or not at all: no `from`, `for` or `rate`")
    if defect.cell is None and kind.cell == "required":
        raise _error(defect, "needs the `cell_type` that is there by mistake")
    if defect.cell is not None and kind.cell == "none":
        raise _error(defect, "takes no `cell_type`")
    if defect.other is not None and not kind.other:
        raise _error(defect, "takes no `other` position")
    if unknown := sorted(set(defect.numbers) - set(kind.numbers)):
        known = f"only {', '.join(kind.numbers)}" if kind.numbers else "no numbers"
        raise _error(defect, f"takes {known}, not {', '.join(unknown)}")
    for name, value in defect.numbers.items():
        number = kind.numbers[name]
        if not number.low <= value <= number.high or (number.low < 0 and value == 0):
            raise _error(defect, f"{name} must lie between {number.low:g} and {number.high:g}, not at {value:g}")
    return {name: defect.numbers.get(name, number.default) for name, number in kind.numbers.items()}


def _places(defect: Defect, rack: Rack) -> tuple[PositionId, ...]:
    bays = {str(bay.bay): tuple(bay.positions) for bay in rack.bays.values()}
    positions = {str(position): (position,) for bay in rack.bays.values() for position in bay.positions}
    of = KINDS[defect.defect].of
    if of == "bay" and defect.at in positions:
        raise _error(defect, f"strikes a whole bay, like {defect.at.partition('/')[0]}")
    if of == "position" and defect.at in bays:
        raise _error(defect, f"strikes one position, like {bays[defect.at][0]}")
    places = bays | positions
    if defect.at not in places:
        message = f"{defect.defect}: the rack has no {defect.at!r}: {nearest(defect.at, places)}"
        raise WorldError(message, line=defect.line)
    if KINDS[defect.defect].parallel:
        (position,) = [
            place for bay in rack.bays.values() for name, place in bay.positions.items() if name == defect.at
        ]
        if len(position.channels) < 2:
            raise _error(defect, "it has one channel only, none in parallel that could be lost alone")
    return places[defect.at]


def _other(defect: Defect, position: PositionId, rack: Rack) -> PositionId | None:
    """The one named, else the next in the bay, for the last the one before."""
    if not KINDS[defect.defect].other:
        return None
    (names,) = (list(bay.positions) for bay in rack.bays.values() if position in bay.positions)
    if defect.other is not None:
        everywhere = [name for bay in rack.bays.values() for name in bay.positions]
        if defect.other not in everywhere or defect.other == position:
            hint = nearest(defect.other, [name for name in everywhere if name != position])
            raise _error(defect, f"{defect.other} is no other position: {hint}")
        return PositionId(defect.other)
    if len(names) < 2:
        raise _error(defect, "there is no neighbour in the bay: name the `other` position")
    index = names.index(position)
    return names[index + 1] if index + 1 < len(names) else names[index - 1]


def _error(defect: Defect, message: str, *, bare: bool = False) -> WorldError:
    return WorldError(
        f"{defect.at}: {message}" if bare else f"{defect.at}: {defect.defect}: {message}", line=defect.line
    )
