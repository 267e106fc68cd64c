"""A recipe made ready to run on one cell type and one kind of channel: plain SI numbers, nothing left to look up.

The step machine executes a `Plan` and knows no recipe text. Magnitudes are >= 0 in the direction of their phase, as
in `cycler.contract.order`; rates (`dv_dt`, `di_dt`) are signed as in data.
"""

from dataclasses import dataclass
from typing import Literal

from cycler.contract.order import Direction
from cycler.model.cell import LedgerState
from cycler.model.cell_type import CellType, Envelope

Quantity = Literal[
    "voltage", "current", "power", "time", "total_time", "capacity", "energy", "temperature", "temperature_rise",
    "dv_dt", "di_dt", "dv", "variable",
]  # fmt: skip
"""Units: V, A, W, s, s, Ah, Wh, degC, K, V/s, A/s, V; `current`, `power`, `capacity` and `energy` are magnitudes."""

Relation = Literal[">", ">=", "<", "<="]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison. With `of_tag` the bound is `value` times the tagged step's last valid result."""

    quantity: Quantity
    relation: Relation
    value: float
    of_tag: str | None = None
    window_s: float = 60.0  # the least-squares window of dv_dt and di_dt
    variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a true condition does. `goto` is an index into `Plan.program`."""

    kind: Literal["next", "fail", "hold", "end", "goto"]
    code: str | None = None
    goto: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Tests that must all hold, for so long, within their window, and what follows."""

    tests: tuple[Comparison, ...]
    outcome: Outcome
    samples: int  # consecutive fresh samples; 2 for electrical quantities unless `for` says otherwise, else 1
    for_s: float = 0.0
    window: Literal["always", "after", "before", "at"] = "always"
    window_s: float = 0.0
    text: str  # canonical, as `recipe show` prints it


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPhase:
    """One regulated stretch. `holds_voltage`: the voltage is a target (CV follows), else it is the device's clamp."""

    direction: Direction
    current_a: float = 0.0
    voltage_v: float = float("nan")
    power_w: float | None = None
    resistance_ohm: float | None = None
    holds_voltage: bool = False
    duration_s: float | None = None  # the next phase follows after so long; None: the step's conditions end it


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVariant:
    """What a step does in one turn of its innermost loop."""

    phases: tuple[PlanPhase, ...]
    until: tuple[Condition, ...]
    fail: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRule:
    """Keep a sample when one of these has passed since the last kept one. Step edges are always kept."""

    every_s: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    temperature_k: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseRule:
    """What a `dcir` step measures: the resistance at these times after the edge into its last phase.

    The reference is the last reading before that edge: of the base phase where there is one, else of the rest.
    """

    values_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One step. `variants` has one entry, or one for each turn of the innermost loop."""

    step_id: str  # its id, else its path `4.2.1`
    path: str
    line: int  # in the recipe's file
    step_type: str
    tag: str | None
    variants: tuple[StepVariant, ...]
    record: RecordRule
    envelope: Envelope
    pulse: PulseRule | None = None
    time_s_max: float  # the step's own bound in time; what is longer is a time-out


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStart:
    """The matching `LoopEnd` stands at index `end`."""

    times: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEnd:
    """The matching `LoopStart` stands at index `start`."""

    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole recipe. A loop's body is the instructions between its start and its end."""

    recipe: str
    version: str
    recipe_hash: str
    cell_type: CellType
    from_states: tuple[LedgerState, ...]
    to_state: LedgerState | None
    program: tuple[PlanStep | LoopStart | LoopEnd, ...]
