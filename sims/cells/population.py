"""How the cells of a production line differ: each drawn from its own generator, so that one more changes no other."""

import re
from dataclasses import dataclass, replace

import numpy as np

from cycler.model.cell_type import CellType
from cycler.model.world import SimulatedCell, WorldError
from sims.cells.chemistry import body, chemistry
from sims.cells.circuit import CellPhysics
from sims.cells.first_charge import FirstCharge, first_charge
from sims.cells.tables import circuit_table, nearest, ocv_table, row

DEFAULT_OCV = "ocv_nmc811_graphite"
DEFAULT_CIRCUIT = "ecm_nmc811_graphite"
DEFAULT_BODY = "cylinder-21700"
DEFAULT_STATE = "formed@30%"
# The states that can be simulated. The other words of the ledger say where a cell is, not how it is.
FILLED, PRECHARGED = "filled", "precharged"
SETTLED = ("formed", "aged", "graded", "shipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Standard normal, but for the contact, which is uniform from 0 to 1."""

    capacity: float
    resistance: float
    leak: float
    contact: float
    efficiency: float
    filled_ocv: float


def draw(cell: SimulatedCell, random: np.random.Generator, *, ideal: bool) -> CellPhysics:
    """The cell at one position. Raises `WorldError` for tables or a state that are not there."""
    try:
        return _drawn(cell, random, ideal=ideal)
    except ValueError as error:
        raise WorldError(str(error), line=cell.line) from None


def _drawn(cell: SimulatedCell, random: np.random.Generator, *, ideal: bool) -> CellPhysics:
    simulation = cell.cell_type.simulation
    spread = row("spreads", "none" if ideal else simulation.spread)
    draws = _draws(
        random, to_resistance=spread["capacity_to_resistance"], to_efficiency=spread["capacity_to_efficiency"]
    )
    ocv_name = simulation.ocv or DEFAULT_OCV
    kind_name = ocv_name.removeprefix("ocv_")
    ocv, kind, shape = ocv_table(ocv_name), chemistry(kind_name), body(simulation.body or DEFAULT_BODY)
    nominal_ah = simulation.capacity_ah or cell.cell_type.rated_capacity_ah
    leak_a = kind.leak_a_per_ah * nominal_ah if simulation.leak_a is None else simulation.leak_a
    size = nominal_ah / shape.capacity_ah  # other sizes keep the time constant
    contact_ohm = spread["contact_ohm_low"] + draws.contact * (spread["contact_ohm_high"] - spread["contact_ohm_low"])
    formed = CellPhysics(
        ocv=ocv,
        circuit=circuit_table(simulation.circuit or DEFAULT_CIRCUIT),
        capacity_ah=nominal_ah * (1 + spread["capacity"] * draws.capacity),
        soc=0.0,
        resistance_factor=1 + spread["resistance"] * draws.resistance,
        leak_a=leak_a * float(np.exp(spread["leak_log"] * draws.leak)),
        charge_loss_ratio=kind.charge_loss_ratio,
        contact_ohm=contact_ohm,
        heat_capacity_j_per_k=shape.heat_capacity_j_per_k * size,
        heat_loss_w_per_k=shape.heat_loss_w_per_k * size,
        chemistry=kind,
    )
    state, soc = _state(cell.state or simulation.state or DEFAULT_STATE, cell.cell_type)
    if state in SETTLED:
        return replace(formed, soc=soc, charge_since_filling=kind.formed_charge)
    table = first_charge(f"first_charge_{kind_name}", ocv)
    film_scale = _film_scale(table, simulation.film_loss, cell.cell_type.rated_capacity_ah / nominal_ah)
    # More loss on the way in is less efficiency: 1 / efficiency is about 1 + film.
    film_scale -= spread["efficiency"] * draws.efficiency * (1 + table.film_charge) ** 2 / table.film_charge
    if state == FILLED:
        ocv_v = kind.filled_ocv_v + spread["filled_ocv_v"] * draws.filled_ocv
        charge = table.charge_at_voltage(min(max(ocv_v, kind.filled_ocv_v_min), kind.filled_ocv_v_max))
    else:
        charge = table.charge_at_soc(soc, film_scale)
    return replace(
        formed,
        soc=float(table.soc_at(np.array(charge), film_scale)),
        first_charge=table,
        charge_since_filling=charge,
        film_scale=film_scale,
    )


def _draws(random: np.random.Generator, *, to_resistance: float, to_efficiency: float) -> Draws:
    capacity, other, leak = random.standard_normal(3)
    contact = random.uniform()
    another, filled_ocv = random.standard_normal(2)
    return Draws(
        capacity=capacity,
        resistance=to_resistance * capacity + (1 - to_resistance**2) ** 0.5 * other,
        leak=leak,
        contact=contact,
        efficiency=to_efficiency * capacity + (1 - to_efficiency**2) ** 0.5 * another,
        filled_ocv=filled_ocv,
    )


def _film_scale(table: FirstCharge, film_loss: float | None, rated_over_capacity: float) -> float:
    """The film's charge over the table's; `film_loss` is of rated."""
    return 1.0 if film_loss is None else film_loss * rated_over_capacity / table.film_charge


def _state(text: str, cell_type: CellType) -> tuple[str, float]:
    """The word of the ledger, and the soc."""
    match = re.fullmatch(r"([a-z]+)(?:@([0-9]+(?:\.[0-9]+)?)\s*%)?", text.strip())
    if match is None or not 0 <= float(match[2] or 0) <= 100:
        raise ValueError(f"{cell_type.name}: {text!r} is no state; write it like {DEFAULT_STATE!r}")
    state, soc = match[1], match[2]
    words = (FILLED, PRECHARGED, *SETTLED)
    if state not in words:
        raise ValueError(f"{cell_type.name}: {state!r} cells are not simulated: {nearest(state, words)}")
    if state == FILLED and soc is not None:
        raise ValueError(f"{cell_type.name}: a filled cell has no charge yet: write {FILLED!r} alone")
    if state == PRECHARGED and soc is None:
        raise ValueError(f"{cell_type.name}: say how far the first charge went: write it like '{PRECHARGED}@30%'")
    return state, float(soc or 0) / 100
