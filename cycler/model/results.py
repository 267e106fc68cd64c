"""What a run leaves behind, one value per fact: samples, step results, the verdict on a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from cycler.model.cell import CellId, LedgerState
from cycler.model.rack import PositionId

StopReason = Literal[
    "voltage", "current", "capacity", "energy", "power", "time", "total_time", "temperature", "temperature_rise",
    "dv_dt", "di_dt", "dv", "variable", "completed", "already-at-target", "lost-contact", "fail", "trip", "hold",
    "skip", "abort", "all-off", "interlock", "stale", "device-fault", "host-loss", "group",
]  # fmt: skip

ChargeSource = Literal["device", "host", "device-log", "unknown"]
Quality = Literal["OK", "INTERRUPTED", "TEMPERATURE", "HOST_TIMED", "INFERRED", "GAP", "SKIPPED"]
Verdict = Literal["pass", "fail", "retest", "quarantine", "not-run"]

REASON_CODES = frozenset(
    {
        "ABSENT", "REVERSED", "POLARITY_UNPROVEN", "SHORT", "SENSE_OPEN", "CROSSED_SENSE", "BAD_CONTACT",
        "UNEXPECTED_CELL", "STATE_CONTRADICTED", "WRONG_CHEMISTRY", "WRONG_TRAY", "PRE_LOW", "PRE_HIGH", "FORM_LOW",
        "FORM_HIGH", "LOW_CAPACITY", "HIGH_DCIR", "LOW_EFFICIENCY", "SELF_DISCHARGE", "HIGH_K", "TEMPERATURE",
        "TIMEOUT", "LOST_CONTACT", "INTERRUPTED",
    }
)  # fmt: skip
"""Shared with MES; beside them `TRIP_<alarm code>`, and what a site adds in its configuration."""

NAS_PER_AH = 3_600_000_000_000
"""Charge is counted in nanoampere-seconds and energy in nanowatt-seconds: whole numbers, so that sums are exact,
and fine enough that what rounding drops in 10^6 ticks stays below 1 µAh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a cell has taken and given since the run began; whole numbers, all >= 0."""

    charged_nas: int = 0
    discharged_nas: int = 0
    charged_nws: int = 0
    discharged_nws: int = 0

    def __add__(self, later: "Counters") -> "Counters":
        return Counters(
            charged_nas=self.charged_nas + later.charged_nas,
            discharged_nas=self.discharged_nas + later.discharged_nas,
            charged_nws=self.charged_nws + later.charged_nws,
            discharged_nws=self.discharged_nws + later.discharged_nws,
        )

    def __sub__(self, earlier: "Counters") -> "Counters":
        return Counters(
            charged_nas=self.charged_nas - earlier.charged_nas,
            discharged_nas=self.discharged_nas - earlier.discharged_nas,
            charged_nws=self.charged_nws - earlier.charged_nws,
            discharged_nws=self.discharged_nws - earlier.discharged_nws,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A reading placed in its recipe. NaN where the device gave no value."""

    elapsed_s: float  # since the run began, by the loop's clock
    step_count: int  # executed steps of this cell, from 1, never resets
    step_time_s: float
    cycle: int
    voltage_v: float
    current_a: float
    temperature_degc: float
    counters: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseReading:
    """Voltage and current as they were read, so long after the edge of a pulse; before it the time is negative."""

    time_s: float
    voltage_v: float
    current_a: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsePoint:
    """One resistance of a pulse: at its nominal time, from the readings that really bracket it.

    Both are held against the reference, the last reading before the pulse. They are the same where one is exact.
    """

    nominal_s: float
    resistance_ohm: float
    uncertainty_ohm: float  # from the channel's accuracy, as if all errors were independent
    skew_s: float = 0.0  # between the voltage and the current of one reading, at most
    stretch: int = 1  # of a train: which of its stretches, from 1, the rests counted
    reference: PulseReading
    before: PulseReading
    after: PulseReading


CYCLER: Final = "cycler"
"""Who measured, where that was the sense of the cell's own channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValue:
    """What a step measured of a cell with its relay open. `by`: a meter's channel `hi-01/1`, or `CYCLER`."""

    value: float  # V of `ocv`, Ω of `acir`
    by: str


BROKEN_OFF: frozenset[StopReason] = frozenset(
    {
        "lost-contact", "fail", "trip", "hold", "skip", "abort", "all-off", "interlock", "stale", "device-fault",
        "host-loss", "group",
    }
)  # fmt: skip
"""Ends that are not the step's own."""

VALID_GAP_S_MAX = 600.0
"""How long a graded step may have been interrupted and still count; a person would have to judge a longer pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The numbers of one executed step, emitted once, by the step machine. Nothing computes a second truth."""

    step_count: int
    step_id: str
    step_type: str
    cycle: int
    tag: str | None
    started_s: float  # elapsed since the run began
    duration_s: float
    moved: Counters
    end_voltage_v: float
    end_current_a: float
    temperature_degc_max: float
    stop_reason: StopReason
    stop_text: str  # every condition that was true, as the recipe wrote it
    pulse: tuple[PulsePoint, ...] = ()
    train: tuple[PulsePoint, ...] = ()  # at the end of each pulse of a train, of the first thousand
    contact_ohm: float | None = None
    ocv_v: float | None = None  # what an `ocv` measured
    acir_ohm: float | None = None  # what an `acir` measured
    measured_by: str | None = None  # either of these: a meter's channel `hi-01/1`, or `CYCLER`
    charge_source: ChargeSource
    witness_nas: int | None = None  # device counter minus host integral, where both exist
    gap_s: float = 0.0
    bad_readings: int = 0
    quality: tuple[Quality, ...] = ("OK",)

    @property
    def is_valid(self) -> bool:
        """Whether the step came to an end of its own, and its charge is known."""
        return (
            self.stop_reason not in BROKEN_OFF
            and "SKIPPED" not in self.quality
            and self.gap_s <= VALID_GAP_S_MAX
            and self.charge_source != "unknown"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOutcome:
    """How one cell's run ended: what the verdict is built from."""

    cell: CellId
    position: PositionId
    ended: Literal["completed", "failed", "tripped", "stopped", "not-started"]
    code: str | None = None  # the recipe's fail code, or `TRIP_9`
    detail: str = ""
    verdict: Verdict | None = None  # what the recipe itself said, with `code` as its reason
    state: LedgerState | None = None  # the ledger's word for the cell after the run; None where it never began


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What a run says of one cell. `None` where it did not measure the metric."""

    cell: CellId
    position: PositionId
    cell_type: str
    verdict: Verdict
    grade: str | None = None  # only with `pass`
    reason_codes: tuple[str, ...] = ()  # the deciding one first
    capacity_ah: float | None = None
    first_cycle_efficiency: float | None = None  # discharge over all charge since it was filled; 0 to 1
    cycle_efficiency_ratio: float | None = None  # discharge over charge of the cycle that gave the capacity
    dcir_ohm: float | None = None  # the pulse's longest value
    contact_ohm: float | None = None
    acir_ohm: float | None = None
    ocv_v: float | None = None
    k_v_per_h: float | None = None  # positive when the voltage falls
    end_voltage_v: float | None = None
    energy_in_wh: float
    energy_out_wh: float
    genealogy: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, for people and auditors."""

    utc: datetime
    elapsed_s: float  # since the run began that it belongs to
    event: str  # `step.ended`: a noun and a past verb
    cell_id: str | None = None
    position: str | None = None
    device: str | None = None
    code: str | None = None
    text: str = ""
    data: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
