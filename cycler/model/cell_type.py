"""What a product may be asked for, and what is expected of it. Every number is the product's, none is ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["filled", "formed", "disposal", "abuse"]
"""The stretch of a cell's life that an envelope is for (PRACTICE: envelopes by ledger phase)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """An inclusive range; `None` is open."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        """False for NaN."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high) and value == value  # noqa: PLR0124


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a recipe may ask of a cell in one phase of its life. Bounds are inclusive.

    Protections 1 and 2 trip, debounced, at the voltage bound ± `trip_margin_v`, at once at twice the margin.
    """

    voltage_v_min: float
    voltage_v_max: float
    trip_margin_v: float = 0.05
    charge_current_a: float
    discharge_current_a: float
    charge_temperature_degc: tuple[float, float]
    discharge_temperature_degc: tuple[float, float]
    capacity_ah: float  # the most that one step may move


@dataclass(frozen=True, slots=True, kw_only=True)
class DcirDefaults:
    """What a `dcir` step takes where it says nothing."""

    direction: Literal["charge", "discharge"] = "discharge"
    c_rate: float = 1.0
    time_s: float = 10.0
    values_s: tuple[float, ...] = (0.1, 1.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """How much of what no cell of this type does is a trip. The defaults are judgement: several times what the cells
    of the library do in their recipes, and more than a contact that becomes poor can show.
    """

    temperature_rise_k_per_min: float = 5.0  # a cell in a chamber that heats as fast as it can stays below half of it
    voltage_jump_v: float = 0.25  # from one reading to the next, at a current that stays
    charge_fall_v: float = 0.25  # below the highest voltage of a charge with constant current
    current_rise_ratio: float = 0.25  # of the set current, from one reading to the next, while the voltage is held


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationNames:
    """How a simulated cell of this type behaves; the names are data files of `sims`. `None`: the world's default."""

    ocv: str | None = None
    circuit: str | None = None
    capacity_ah: float | None = None
    body: str | None = None  # its shape and size, for its warmth: `cylinder-21700`
    film_loss: float | None = None  # share of rated that the first charge leaves in the film
    leak_a: float | None = None
    state: str | None = None  # `formed@30%`, `filled`
    spread: Literal["none", "good", "poor"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellType:
    """A product. `limits` and `grades` name the metrics of a finished cell (`capacity_ah`, `dcir_ohm` …)."""

    name: str
    chemistry: str
    rated_capacity_ah: float
    rated_energy_wh: float
    mass_kg: float
    envelopes: Mapping[Phase, Envelope]
    required_protections: frozenset[int]
    unattended_charge_ratio: float = 0.3
    resume_gap_s: float = 7200.0
    resumes_max: int = 3  # of one cell in a run, after losses of control
    dcir: DcirDefaults = DcirDefaults()
    guards: GuardLimits = GuardLimits()
    limits: Mapping[str, Band] = field(default_factory=dict)
    grades: Mapping[str, Mapping[str, Band]] = field(default_factory=dict)  # in order: the first match wins
    genealogy: tuple[str, ...] = ()
    simulation: SimulationNames = SimulationNames()
