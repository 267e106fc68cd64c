"""How the cells of a production line differ: each drawn from its own generator, so that one more changes no other."""

import re
from dataclasses import dataclass

import numpy as np

from cycler.model.cell_type import CellType
from cycler.model.world import SimulatedCell, WorldError
from sims.cells.circuit import HEAT_CAPACITY_J_PER_K, HEAT_LOSS_W_PER_K, CellPhysics
from sims.cells.tables import CIRCUIT_CAPACITY_AH, circuit_table, nearest, ocv_table

DEFAULT_OCV = "ocv_nmc811_graphite"
DEFAULT_CIRCUIT = "ecm_2rc_nmc811_graphite"
DEFAULT_STATE = "formed@30%"
LEAK_A_PER_AH = 5e-6  # a healthy cell
CHARGE_LOSS_RATIO = 0.003  # of a formed cell: later cycles give back 99.5 to 99.9 % of their charge
CONTACT_OHM = 1e-3
CAPACITY_TO_RESISTANCE = -0.3  # correlation: a cell with more to give resists less


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Relative sigmas; of the leak's logarithm; and the range that contacts lie in. Engineering values of a line."""

    capacity: float
    resistance: float
    leak_log: float
    contact_ohm: tuple[float, float]


SPREADS = {
    "none": Spread(capacity=0.0, resistance=0.0, leak_log=0.0, contact_ohm=(CONTACT_OHM, CONTACT_OHM)),
    "good": Spread(capacity=0.004, resistance=0.015, leak_log=0.3, contact_ohm=(0.5e-3, 2e-3)),
    "poor": Spread(capacity=0.015, resistance=0.045, leak_log=0.6, contact_ohm=(5e-3, 50e-3)),
}


def draw(cell: SimulatedCell, random: np.random.Generator, *, ideal: bool) -> CellPhysics:
    """The cell at one position. Raises `WorldError` for tables or a state that are not there."""
    try:
        return _drawn(cell, random, ideal=ideal)
    except ValueError as error:
        raise WorldError(str(error), line=cell.line) from None


def _drawn(cell: SimulatedCell, random: np.random.Generator, *, ideal: bool) -> CellPhysics:
    simulation = cell.cell_type.simulation
    spread = SPREADS["none" if ideal else simulation.spread]
    capacity_draw, other_draw, leak_draw = random.standard_normal(3)
    resistance_draw = CAPACITY_TO_RESISTANCE * capacity_draw + (1 - CAPACITY_TO_RESISTANCE**2) ** 0.5 * other_draw
    nominal_ah = simulation.capacity_ah or cell.cell_type.rated_capacity_ah
    leak_a = LEAK_A_PER_AH * nominal_ah if simulation.leak_a is None else simulation.leak_a
    return CellPhysics(
        ocv=ocv_table(simulation.ocv or DEFAULT_OCV),
        circuit=circuit_table(simulation.circuit or DEFAULT_CIRCUIT),
        capacity_ah=nominal_ah * (1 + spread.capacity * capacity_draw),
        soc=_soc(cell.state or simulation.state or DEFAULT_STATE, cell.cell_type),
        resistance_factor=1 + spread.resistance * resistance_draw,
        leak_a=leak_a * float(np.exp(spread.leak_log * leak_draw)),
        charge_loss_ratio=CHARGE_LOSS_RATIO,
        contact_ohm=random.uniform(*spread.contact_ohm),
        # Other sizes keep the time constant.
        heat_capacity_j_per_k=HEAT_CAPACITY_J_PER_K * nominal_ah / CIRCUIT_CAPACITY_AH,
        heat_loss_w_per_k=HEAT_LOSS_W_PER_K * nominal_ah / CIRCUIT_CAPACITY_AH,
    )


def _soc(state: str, cell_type: CellType) -> float:
    match = re.fullmatch(r"([a-z]+)@([0-9]+(?:\.[0-9]+)?)\s*%", state.strip())
    if match is None or not 0 <= float(match[2]) <= 100:
        raise ValueError(f"{cell_type.name}: {state!r} is no state; write it like {DEFAULT_STATE!r}")
    if match[1] != "formed":
        raise ValueError(f"{cell_type.name}: {match[1]!r} cells are not simulated: {nearest(match[1], ['formed'])}")
    return float(match[2]) / 100
