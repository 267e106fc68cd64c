"""A tray with every kind of defect, each at its default size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from expected import REASONS
from trays import Looked, ran

from cycler.model.cell import Cell, CellId
from cycler.model.rack import PositionId, TrayId
from cycler.model.world import Defect, Fault, SimulatedCell, WorldDeclaration
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.lookup import LIBRARY, find_cell_type
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.running_rack import Job

CELLS: Final = 36
OTHER: Final = {"nmc811-21700": "lfp-26650", "lco-pouch": "lfp-26650", "lfp-26650": "lco-pouch"}
"""The kind of cell that is there by mistake, made as large as those it is among."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """`from_h`: when it begins."""

    defect: str
    from_h: float = 0.0


PLANTED: Final[Mapping[int, Planted]] = {
    2: Planted(defect="missing"),
    4: Planted(defect="reversed"),
    6: Planted(defect="open-sense"),
    8: Planted(defect="drifting-sense"),
    10: Planted(defect="bad-contact"),
    12: Planted(defect="open-contact"),
    14: Planted(defect="hard-short"),
    16: Planted(defect="micro-short"),
    18: Planted(defect="low-capacity"),
    20: Planted(defect="high-resistance"),
    22: Planted(defect="gassing"),
    24: Planted(defect="double-loaded"),
    26: Planted(defect="wrong-chemistry"),
    30: Planted(defect="crossed-sense"),  # with the next position
    33: Planted(defect="micro-short", from_h=12),
    35: Planted(defect="unexpected"),
    36: Planted(defect="extra-heat", from_h=3),  # before that the others would wait for it
}
LATER_H: Final = {("nmc811-21700", "extra-heat"): 14.0}
"""In a faster charge it would make its cell so hot that the charging of the whole bay ended."""
CROSSED_WITH: Final = 31
DRIFTING: Final = 28
"""Whose thermometer drifts."""


def look_at_kinds(recipe: LoadedRecipe, *, seed: int) -> list[Looked]:
    """Every position of the tray."""
    cell_type = recipe.cell_type
    configuration = bench_configuration(CELLS, cell_type)
    places = dict(enumerate(configuration.rack.bays[BAY].positions, 1))
    right = SimulatedCell(cell_type=cell_type, state="filled")
    other = find_cell_type(OTHER[cell_type.name], beside=LIBRARY)
    as_large = replace(other.simulation, capacity_ah=cell_type.simulation.capacity_ah)
    wrong = SimulatedCell(cell_type=replace(other, simulation=as_large), state="filled")
    meant = {place: at for place, at in places.items() if PLANTED.get(place) != Planted(defect="unexpected")}
    declaration = WorldDeclaration(
        seed=seed,
        cells=dict.fromkeys(meant.values(), right),
        defects=tuple(
            Defect(
                at=places[place],
                defect=planted.defect,
                from_s=LATER_H.get((cell_type.name, planted.defect), planted.from_h) * 3600,
                cell={"wrong-chemistry": wrong, "unexpected": right}.get(planted.defect),
            )
            for place, planted in PLANTED.items()
        ),
        faults=(Fault(device="thermometers", channel=str(DRIFTING), fault="drift"),),
    )
    cells = {at: Cell(cell_id=CellId(at), cell_type=cell_type.name, state="filled") for at in meant.values()}
    trays = ran(configuration, declaration, [Job(bay=BAY, tray=TrayId("kinds"), cells=cells, recipe=recipe)])
    kinds = _kinds(places)

    def looked(at: PositionId, verdict: str, codes: tuple[str, ...]) -> Looked:
        kind = kinds.get(at)
        return Looked(
            tray=recipe.recipe.recipe,
            seed=seed,
            position=at,
            planted=kind,
            wanted=frozenset() if kind is None else REASONS[kind],
            verdict=verdict,
            codes=codes,
        )

    found = [looked(c.result.position, c.result.verdict, c.result.reason_codes) for c in trays.cells]
    for at in set(places.values()) - set(meant.values()):
        is_found = at in trays.unexpected
        found.append(looked(at, "not-run" if is_found else "pass", ("UNEXPECTED_CELL",) if is_found else ()))
    return found


def _kinds(places: Mapping[int, PositionId]) -> dict[PositionId, str]:
    named = {places[place]: planted.defect for place, planted in PLANTED.items()}
    return named | {places[CROSSED_WITH]: "crossed-sense", places[DRIFTING]: "drift"}
