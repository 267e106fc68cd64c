"""How the trays were really loaded, whatever was meant: which cell stands where, which way round, and who senses it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cycler.model.rack import ChannelRef, PositionId, Rack
from cycler.model.world import SimulatedCell, WorldDeclaration, WorldError
from sims.cells.circuit import CellPhysics
from sims.cells.population import draw
from sims.defects import DrawnDefect
from sims.seeds import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What stands at a position. `home` is where it was meant to stand: a cell is the same cell wherever it is."""

    cell: SimulatedCell | None
    home: PositionId
    reversed: bool = False
    doubled: bool = False


def loading(declaration: WorldDeclaration, rack: Rack, defects: Iterable[DrawnDefect]) -> Mapping[PositionId, Loaded]:
    """For every position of the rack. Trays are turned first: other defects strike where the cells then stand."""
    loaded = {
        name: Loaded(cell=declaration.cells.get(name), home=name)
        for bay in rack.bays.values()
        for name in bay.positions
    }
    ordered = sorted(defects, key=lambda defect: defect.declared.defect != "rotated-tray")
    for defect in ordered:
        at, declared = defect.position, defect.declared
        here = loaded[at]
        match declared.defect:
            case "rotated-tray":
                (names,) = (list(bay.positions) for bay in rack.bays.values() if at in bay.positions)
                loaded |= dict(zip(names, [loaded[name] for name in reversed(names)], strict=True))
            case "missing":
                loaded[at] = replace(here, cell=None)
            case "reversed":
                loaded[at] = replace(here, reversed=True)
            case "double-loaded":
                loaded[at] = replace(here, doubled=True)
            case "wrong-chemistry" if declared.cell is not None and here.cell is not None:
                state = declared.cell.state or here.cell.state
                loaded[at] = replace(here, cell=replace(declared.cell, state=state))
            case "unexpected" if here.cell is None:
                loaded[at] = replace(here, cell=declared.cell or _like_its_neighbours(defect, declaration, rack))
            case "unexpected" if declared.at == at:
                raise WorldError(
                    f"{at}: unexpected: a cell is expected there: give the position `empty: true` in the rack file, "
                    "or, for `simulate`, no line in the cells file",
                    line=declared.line,
                )
    return loaded


def physics(loaded: Loaded, declaration: WorldDeclaration) -> CellPhysics | None:
    """The cell at one position, or the two of them as one. Raises `WorldError` for a cell that cannot be simulated."""
    if loaded.cell is None:
        return None
    cell = draw(loaded.cell, generator(declaration.seed, f"cell:{loaded.home}"), ideal=declaration.ideal)
    if not loaded.doubled:
        return cell
    second = draw(loaded.cell, generator(declaration.seed, f"cell:{loaded.home}:second"), ideal=declaration.ideal)
    return in_parallel(cell, second)


def in_parallel(first: CellPhysics, second: CellPhysics) -> CellPhysics:
    """Two cells of a kind at one voltage are one of their joint size: resistances go by capacity."""
    return replace(
        first,
        capacity_ah=first.capacity_ah + second.capacity_ah,
        leak_a=first.leak_a + second.leak_a,
        contact_ohm=1 / (1 / first.contact_ohm + 1 / second.contact_ohm),
        heat_capacity_j_per_k=first.heat_capacity_j_per_k + second.heat_capacity_j_per_k,
        heat_loss_w_per_k=first.heat_loss_w_per_k + second.heat_loss_w_per_k,
    )


def sensors(rack: Rack, defects: Iterable[DrawnDefect]) -> Mapping[ChannelRef, PositionId]:
    """Which position each temperature input looks at. Wires that are mixed up are mixed up both ways."""
    looks_at = {position: position for bay in rack.bays.values() for position in bay.positions}
    for defect in defects:
        if defect.declared.defect == "wrong-sensor" and defect.other is not None:
            own, other = defect.position, defect.other
            looks_at[own], looks_at[other] = looks_at[other], looks_at[own]
    return {
        position.temperature: looks_at[name]
        for bay in rack.bays.values()
        for name, position in bay.positions.items()
        if position.temperature is not None
    }


def _like_its_neighbours(defect: DrawnDefect, declaration: WorldDeclaration, rack: Rack) -> SimulatedCell:
    (names,) = (list(bay.positions) for bay in rack.bays.values() if defect.position in bay.positions)
    for name in (*names, *declaration.cells):
        if name in declaration.cells:
            return declaration.cells[name]
    raise WorldError(f"{defect.position}: unexpected: say of which `cell_type`", line=defect.declared.line)
