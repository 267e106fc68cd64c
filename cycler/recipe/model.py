"""A recipe as its author meant it: every default filled in, nothing yet turned into a cell's own numbers.

A value that may differ from turn to turn of the innermost loop is a tuple: empty where it is not given, one entry for
all turns, or one for each. Two recipes are equal if they mean the same, wherever they stand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cycler.model.cell import LedgerState
from cycler.recipe.condition import RecipeCondition
from cycler.recipe.expression import Expression
from cycler.recipe.units import Quantity

Purpose = Literal["production", "abuse"]

PerTurn = tuple[Quantity, ...]
Alternatives = tuple[RecipeCondition, ...]
"""The entries of an `until` or `fail`: each is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKeys:
    """When a sample is kept."""

    every: Quantity | None = None
    voltage: Quantity | None = None
    current: Quantity | None = None
    temperature: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitKeys:
    """By what a step narrows the envelope of its cell type."""

    voltage: tuple[Quantity, Quantity] | None = None
    trip_margin: Quantity | None = None
    charge_current: Quantity | None = None
    discharge_current: Quantity | None = None
    charge_temperature: tuple[Quantity, Quantity] | None = None
    discharge_temperature: tuple[Quantity, Quantity] | None = None
    capacity: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    path: str = field(compare=False)  # `4.2.1`
    line: int = field(compare=False)
    id: str | None = None

    @property
    def name(self) -> str:
        """What messages, results and `goto` call the step: its id, else its path."""
        return self.id or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Executed(_Placed):
    """`until` and `fail` have one list of alternatives, or one for each turn of the innermost loop."""

    tag: str | None = None
    until: tuple[Alternatives, ...] = ((),)
    fail: tuple[Alternatives, ...] = ((),)
    record: RecordKeys | None = None  # None: the recipe's
    limits: LimitKeys | None = None
    window: Quantity | None = None  # of the least squares behind `dv_dt` and `di_dt`


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveStep(_Executed):
    """`charge` or `discharge`: CC, CC-CV, CV, CP or CR, by which of its values are given."""

    direction: Literal["charge", "discharge"]
    current: PerTurn = ()
    voltage: PerTurn = ()
    power: PerTurn = ()
    resistance: PerTurn = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestStep(_Executed):
    """Relay open for so long, or until a condition says so. `outputs` of the bay are on or off meanwhile."""

    time: PerTurn = ()
    outputs: tuple[tuple[str, bool], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DcirStep(_Executed):
    """A pulse that measures resistance: rest, base current and pulse without a gap between them."""

    direction: Literal["charge", "discharge"]
    current: PerTurn
    time: PerTurn
    values: tuple[Quantity, ...]
    voltage: PerTurn = ()  # the pulse fails beyond it; empty: the envelope's bound
    base: PerTurn = ()
    base_time: PerTurn = ()
    rest: PerTurn = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseStep(_Executed):
    """A train of pulses, so many times over. At 0 A the relay is open."""

    train: tuple[tuple[Quantity, Quantity], ...]  # what flows, positive where it charges, and for how long
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RampStep(_Executed):
    """A current, positive where it charges, or a voltage that goes from one value to another at a steady rate."""

    quantity: Literal["current", "voltage"]
    from_: Quantity
    to: Quantity
    rate: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileStep(_Executed):
    """Currents or powers, each held from its time until the next one's. The last one is 0: the end."""

    points: tuple[tuple[Quantity, Quantity], ...]  # from when on, and what flows then, positive where it charges


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakStep(_Executed):
    """Relay open until every cell of the bay has the chamber's temperature."""

    chamber: Quantity
    cells_within: Quantity
    hold: Quantity
    timeout: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class ChamberStep(_Executed):
    """A new set value for the chamber, and so long a rest after it."""

    target: Quantity
    rate: Quantity | None = None
    wait: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactStep(_Executed):
    """The staged check of presence, polarity, sense and charge. `ocv` and `continuity` are what it expects besides."""

    ocv: tuple[Quantity, Quantity] | None = None
    continuity: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OcvStep(_Executed):
    """Relay open for so long, and then the voltage: by the meter of the position, else by its cycler."""

    time: PerTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class AcirStep(_Executed):
    """Relay open, and the resistance at this frequency by the meter of the position."""

    frequency: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStep(_Executed):
    """Relay open until all cells of the group have come, and a person has answered."""

    message: str | None = None
    group: str | None = None
    timeout: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStep(_Executed):
    """Variables get values. Relay open for an instant, so that the numbers of the step before it are final."""

    values: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStep(_Executed):
    """The recipe ends here, with a verdict. Relay open for an instant."""

    verdict: Literal["pass", "fail", "retest", "quarantine"]
    code: str | None = None  # the reason, of all but a pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The recipe whose steps these are, and what it says of its cells."""

    recipe: str
    version: str
    from_state: tuple[LedgerState, ...]
    to_state: LedgerState | None
    purpose: Purpose = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStep(_Placed):
    """Its steps, so many times, or until one of its conditions is true at the end of a turn.

    The steps of a recipe that another one names are a loop of one turn there, with that recipe as `origin`.
    """

    times: int
    until: Alternatives = ()
    steps: "tuple[Step, ...]"
    origin: Origin | None = field(default=None, compare=False)


ExecutedStep = (
    DriveStep
    | RestStep
    | DcirStep
    | PulseStep
    | RampStep
    | ProfileStep
    | SoakStep
    | ChamberStep
    | ContactStep
    | OcvStep
    | AcirStep
    | HoldStep
    | SetStep
    | StopStep
)
Step = ExecutedStep | LoopStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One operation on one bay. An abuse test is held to the abuse envelope of its cell type, from begin to end."""

    file: str = field(compare=False)
    purpose: Purpose = "production"
    recipe: str
    version: str
    cell_type: str
    from_state: tuple[LedgerState, ...]
    to_state: LedgerState | None = None
    record: RecordKeys
    steps: tuple[Step, ...]


def step_word(step: Step) -> str:
    """The word that the step begins with in a file."""
    match step:
        case DriveStep():
            return step.direction
        case RestStep():
            return "rest"
        case DcirStep():
            return "dcir"
        case PulseStep():
            return "pulse"
        case RampStep():
            return "ramp"
        case ProfileStep():
            return "profile"
        case SoakStep():
            return "soak"
        case ChamberStep():
            return "chamber"
        case ContactStep():
            return "contact"
        case OcvStep():
            return "ocv"
        case AcirStep():
            return "acir"
        case HoldStep():
            return "hold"
        case SetStep():
            return "set"
        case StopStep():
            return "stop"
        case LoopStep():
            return "loop"


def walk(steps: tuple[Step, ...], around: tuple[LoopStep, ...] = ()) -> Iterator[tuple[Step, tuple[LoopStep, ...]]]:
    """Every step in the order of the file, with the loops around it, outermost first."""
    for step in steps:
        yield step, around
        if isinstance(step, LoopStep):
            yield from walk(step.steps, (*around, step))
