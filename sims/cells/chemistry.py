"""What kinds of cells do beyond their tables, and how warm their bodies get. All numbers are data files."""

from dataclasses import dataclass
from functools import cache

from sims.cells.tables import parameters, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Chemistry:
    """The numbers of `data/chemistries.csv`, which says what each is; the defaults are a cell that only follows tables.

    Charges are in capacities of the cell.
    """

    hysteresis_v: float = 0.0
    hysteresis_charge: float = 1.0
    film_per_k: float = 0.0
    film_per_c_rate: float = 0.0
    unformed_resistance: float = 0.0
    charge_loss_ratio: float = 0.0
    settling_loss_ratio: float = 0.0
    settling_charge: float = 1.0
    formed_charge: float = 0.0
    fade_per_cycle: float = 0.0
    growth_per_cycle: float = 0.0
    leak_a_per_ah: float = 0.0
    filled_ocv_v: float = 0.0
    filled_ocv_v_min: float = 0.0
    filled_ocv_v_max: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A whole cell as one lump of heat."""

    capacity_ah: float
    heat_capacity_j_per_k: float
    heat_loss_w_per_k: float  # to still air


@cache
def chemistry(name: str) -> Chemistry:
    """`nmc811_graphite` and others. Raises `ValueError` for one that is not there."""
    return Chemistry(**parameters("chemistries", name))


@cache
def body(name: str) -> Body:
    """`cylinder-21700` and others. Raises `ValueError` for one that is not there."""
    return Body(**row("bodies", name))
