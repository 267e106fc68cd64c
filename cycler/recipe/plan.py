"""A recipe made ready to run on one cell type and one kind of channel: plain SI numbers, nothing left to look up.

The step machine executes a `Plan` and knows no recipe text. Magnitudes are >= 0 in the direction of their phase, as
in `cycler.contract.order`; rates (`dv_dt`, `di_dt`) are signed as in data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, overload

from cycler.contract.capabilities import MeterKind
from cycler.contract.order import Direction
from cycler.model.cell import LedgerState
from cycler.model.cell_type import CellType, Envelope, Phase
from cycler.model.results import Verdict

Quantity = Literal[
    "voltage", "current", "power", "time", "total_time", "capacity", "energy", "temperature", "temperature_rise",
    "dv_dt", "di_dt", "dv", "variable",
]  # fmt: skip
"""Units: V, A, W, s, s, Ah, Wh, degC, K, V/s, A/s, V; `current`, `power`, `capacity` and `energy` are magnitudes."""

Relation = Literal[">", ">=", "<", "<="]

ContactStage = Literal["passive", "charge", "decay", "idle"]
"""Of a contact check: relay open before it, the micro-charge, zero current after it, the other group's turn."""

ContactGroup = Literal[0, 1]
"""Which half of a bay is charged first in a contact check, and which one after it: neighbours are never both."""


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
    """One regulated stretch. `holds_voltage`: the voltage is a target (CV follows), else it is the device's clamp.

    With `above_rest_v` the clamp lies so far above the cell's last voltage with the relay open, but never above
    `voltage_v`. A `held` phase goes on after its duration until the bay lets it go; no order reaches beyond it. If that
    takes longer than `held_s_max`, the cell is held for good.
    """

    direction: Direction
    current_a: float = 0.0
    voltage_v: float = float("nan")
    power_w: float | None = None
    resistance_ohm: float | None = None
    holds_voltage: bool = False
    above_rest_v: float | None = None
    duration_s: float | None = None  # the next phase follows after so long; None: the step's conditions end it
    held: bool = False
    held_s_max: float | None = None  # None: its step's conditions bound it
    own_order: bool = False  # the host orders it, when the phase before is over by its own clock
    stage: ContactStage | None = None  # of a contact check

    def clamp_v(self, rest_v: float) -> float:
        """The voltage for the device, for a cell that has so much with the relay open."""
        return self.voltage_v if self.above_rest_v is None else min(self.voltage_v, rest_v + self.above_rest_v)


@dataclass(frozen=True, slots=True)
class Repeated(Sequence[PlanPhase]):
    """The same phases, so many times over, between others. A turn costs no memory."""

    once: tuple[PlanPhase, ...]
    times: int
    before: tuple[PlanPhase, ...] = ()
    after: tuple[PlanPhase, ...] = ()

    def __len__(self) -> int:
        return len(self.before) + len(self.once) * self.times + len(self.after)

    def __iter__(self) -> Iterator[PlanPhase]:
        yield from self.before
        for _ in range(self.times):
            yield from self.once
        yield from self.after

    @overload
    def __getitem__(self, index: int) -> PlanPhase: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PlanPhase, ...]: ...
    def __getitem__(self, index: int | slice) -> PlanPhase | tuple[PlanPhase, ...]:
        """As of a tuple."""
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        place = range(len(self))[index] - len(self.before)
        repeated = len(self.once) * self.times
        if place < 0:
            return self.before[place]
        return self.once[place % len(self.once)] if place < repeated else self.after[place - repeated]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVariant:
    """What a step does in one turn of its innermost loop."""

    phases: Sequence[PlanPhase]
    until: tuple[Condition, ...]
    fail: tuple[Condition, ...]

    @property
    def different(self) -> Sequence[PlanPhase]:
        """The phases, without their repetitions."""
        phases = self.phases
        return (*phases.before, *phases.once, *phases.after) if isinstance(phases, Repeated) else phases

    @property
    def phases_s(self) -> float:
        """How long the phases last together that are over after a time."""
        phases = self.phases
        if not isinstance(phases, Repeated):
            return sum(phase.duration_s or 0.0 for phase in phases)
        around_s = sum(phase.duration_s or 0.0 for phase in (*phases.before, *phases.after))
        return around_s + phases.times * sum(phase.duration_s or 0.0 for phase in phases.once)

    @property
    def duration_s(self) -> float | None:
        """Of all phases together; None where one of them is not over after a time."""
        phases = self.different
        endless = any(phase.held or phase.duration_s is None for phase in phases)
        return self.phases_s if phases and not endless else None


def one_order(phases: Sequence[PlanPhase], first: int, phases_max: int) -> tuple[PlanPhase, ...]:
    """The phases that an order beginning with the `first` may have: no more than the device holds, to a held one."""
    taken: list[PlanPhase] = []
    for phase in phases[first : first + phases_max]:
        if taken and phase.own_order:
            break
        taken.append(phase)
        if phase.held:
            break
    return tuple(taken)


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
class TrainRule:
    """Of a step with many regulated stretches. Each of them is over at its time since the step began, so that the
    lateness of orders does not add up.
    """

    measures: bool = False  # the resistance at the end of each of its pulses


@dataclass(frozen=True, slots=True, kw_only=True)
class ChamberRule:
    """The set value that the step gives to the chamber; it stays until another step gives one."""

    target_degc: float
    rate_k_per_min: float | None = None  # None: as fast as the chamber goes


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakRule:
    """A soak ends when all cells of the bay have been so near the set value, and their middle, for so long."""

    within_k: float
    hold_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRule:
    """What a contact check expects beyond what the cell's type and state say. `None`: nothing."""

    ocv_v: tuple[float, float] | None = None
    continuity_v: float | None = None  # from the last voltage that is known of the cell


@dataclass(frozen=True, slots=True)
class Fetched:
    """A variable's value; with a tag, this field of its step's last valid execution."""

    name: str
    tag: str | None = None


Term = float | Fetched | Literal["+", "-", "*", "/", "negated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A variable and what it is set to. Variables count in V, A, s and K and their products: Ah as ampere-seconds."""

    variable: str
    terms: tuple[Term, ...]  # in postfix order
    unit: str  # that people know it by, and how much one of it is
    unit_si: float
    text: str  # canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRule:
    """For whom the step waits: all cells of the run with this group in their recipe, a person to answer the message."""

    message: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRule:
    """The digital outputs of the bay that the step sets, by their names, once all cells that run have come to it."""

    states: Mapping[str, bool]


MEASURED_WITHIN_S = 600.0
"""Of being asked for, a meter has measured: more than a tray takes whose cells share one, and than a short trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRule:
    """What the step measures once it is held, with the relay proven open. `frequency_hz`: of `acir`, else NaN."""

    kind: MeterKind
    frequency_hz: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """The recipe ends with this verdict; of all but a pass, `code` is the reason."""

    verdict: Verdict
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerBound:
    """The lower voltage bound of a cell in its first charge: one before the latch has armed the other, for good."""

    before_v: float
    armed_v: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """What a cell passes in its first charge, upwards and once for its life."""

    formed_v: float  # from here on it is precharged; entering a step in the formed envelope means the same
    arms_v: float  # from here on the formed envelope's lower bound guards


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One step. `variants` has one entry, or one for each turn of the innermost loop.

    `contact_proven` is False before a recipe's first contact check and in it: the relay has never been closed, and
    what the sense wires show may be no cell's voltage.
    """

    step_id: str  # its id, else its path `4.2.1`
    path: str
    line: int  # in the recipe's file
    step_type: str
    tag: str | None
    variants: tuple[StepVariant, ...]
    record: RecordRule
    envelope: Envelope
    ledger_phase: Phase = "formed"  # whose envelope that is
    lower_bound: LowerBound | None = None  # of a recipe with a latch; None: the envelope's
    contact_proven: bool = True
    pulse: PulseRule | None = None
    train: TrainRule | None = None
    chamber: ChamberRule | None = None
    soak: SoakRule | None = None
    contact: ContactRule | None = None
    hold: HoldRule | None = None
    outputs: OutputRule | None = None
    meter: MeterRule | None = None
    assignments: tuple[Assignment, ...] = ()
    stop: StopRule | None = None
    time_s_max: float  # the step's own bound in time; what is longer is a time-out

    @property
    def pulses(self) -> bool:
        """It measures resistances: some devices can do that on one channel only, while the others rest."""
        return self.pulse is not None or (self.train is not None and self.train.measures)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStart:
    """The matching `LoopEnd` stands at index `end`. `until` is judged there, at the end of each turn.

    In it `time` counts from the begin of the first turn.
    """

    times: int
    end: int
    until: tuple[Condition, ...] = ()
    step_id: str = ""  # its id, else its path


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
    is_abuse: bool = False  # whatever has had a current in it gets the `to_state`, also where it did not get through
    latch: Latch | None = None  # of a recipe that takes filled or precharged cells
    program: tuple[PlanStep | LoopStart | LoopEnd, ...]
    time_s_max: float = inf  # of all its steps together, over all turns
