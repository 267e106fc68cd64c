"""The reason codes: what each one means for people, what becomes of the cell, and what shows it.

`REASONS` stands in the order in which codes of equal weight decide: causes before what they bring about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cycler.model.alarm import AlarmCode
from cycler.model.results import Verdict

Evidence = Literal["end", "capacity", "pulse", "cycles"]
"""Where to look: the step that ended the run, the graded discharge, the pulse, or all that was charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`unstarted` is the verdict where no current had flowed yet."""

    words: str
    verdict: Verdict
    unstarted: Verdict = "not-run"
    evidence: Evidence = "end"
    to_do: str


def reason(code: str) -> Reason:
    """Of any code; one that a site has added fails the cell."""
    return REASONS.get(code) or Reason(words=code.lower().replace("_", " "), verdict="fail", to_do=_ASK)


def decides_before(code: str, verdict: Verdict | None = None) -> tuple[int, int]:
    """Sort key of the codes of one cell: the heavier verdict first, then the order of `REASONS`.

    `verdict`: what the recipe has made of this code, if not what is usual.
    """
    return _WEIGHT.index(verdict or reason(code).verdict), _RANK.get(code, len(_RANK))


_WEIGHT: Final[tuple[Verdict, ...]] = ("quarantine", "fail", "not-run", "retest", "pass")

_ASK: Final = "Ask the engineer who wrote the recipe what to do with such a cell."
_QUARANTINE: Final = (
    "Do not energise this cell again. Put it into the fire-safe box, keep the watch time, and release it only by the "
    "quarantine procedure."
)
_REPRESS: Final = "Clean the probes, press again, and re-test. If it stays with the position, lock the channel."
_SORT_OUT: Final = "Sort out. Discharge to storage or recycle by the disposition rules."
_TRIPPED: Final = (
    "Read the events before the trip. Check channel, contact and sensor before cell or position is used again."
)


def _dangerous(words: str) -> Reason:
    return Reason(words=words, verdict="quarantine", unstarted="quarantine", to_do=_QUARANTINE)


def _contact(words: str, to_do: str = _REPRESS) -> Reason:
    return Reason(words=words, verdict="retest", unstarted="retest", to_do=to_do)


def _trip(alarm: AlarmCode) -> Reason:
    words = f"tripped: {alarm.name.lower().replace('_', ' ')}"
    if alarm in _DANGEROUS_TRIPS:
        return _dangerous(words)
    return Reason(words=words, verdict="fail" if alarm in _CELL_TRIPS else "retest", to_do=_TRIPPED)


_DANGEROUS_TRIPS: Final = frozenset(
    {
        AlarmCode.OVER_VOLTAGE,
        AlarmCode.UNDER_VOLTAGE,
        AlarmCode.OVER_TEMPERATURE,
        AlarmCode.TEMPERATURE_RISE_RATE,
        AlarmCode.REVERSE_POLARITY,
        AlarmCode.FAST_VOLTAGE_DROP,
        AlarmCode.ELECTROLYTE_LEAK,
    }
)
"""Inner short, heat, overcharge, deep discharge, reversal, leak: such a cell is not energised again."""

_CELL_TRIPS: Final = frozenset(
    {
        AlarmCode.STEP_OVER_CAPACITY,
        AlarmCode.CUMULATED_OVER_CAPACITY,
        AlarmCode.OVER_ENERGY,
        AlarmCode.TEMPERATURE_TO_TRAY_MEAN,
        AlarmCode.INITIAL_VOLTAGE_HIGH,
        AlarmCode.INITIAL_VOLTAGE_LOW,
        AlarmCode.VOLTAGE_DOES_NOT_FOLLOW,
        AlarmCode.VOLTAGE_RATE_WINDOW,
        AlarmCode.STEP_TIMEOUT,
        AlarmCode.TOTAL_TIMEOUT,
        AlarmCode.VOLTAGE_TIME_TEST,
        AlarmCode.CHARGE_RATIO_WINDOW,
    }
)
"""The others say nothing against the cell itself: it may try again."""

HEAT_TRIPS: Final = frozenset(
    f"TRIP_{alarm.value}"
    for alarm in (
        AlarmCode.OVER_TEMPERATURE,
        AlarmCode.UNDER_TEMPERATURE,
        AlarmCode.TEMPERATURE_RISE_RATE,
        AlarmCode.TEMPERATURE_TO_TRAY_MEAN,
    )
)
"""Void where the temperature input is the culprit."""

REASONS: Final[Mapping[str, Reason]] = {
    "REVERSED": _dangerous("reversed polarity"),
    "SHORT": _dangerous("short circuit inside"),
    **{f"TRIP_{alarm.value}": _trip(alarm) for alarm in AlarmCode},
    "WRONG_CHEMISTRY": Reason(
        words="wrong chemistry",
        verdict="quarantine",  # by then it has been charged to voltages that were not its own
        evidence="cycles",
        to_do="Identify the cell. Stop the lot until it is known how it came here.",
    ),
    "WRONG_TRAY": Reason(
        words="wrong tray",
        verdict="quarantine",
        to_do="Stop the tray, compare its barcode with the order.",
    ),
    "PRE_LOW": Reason(
        words="precharge voltage too low",
        verdict="fail",
        to_do=f"Suspect a soft short or missing electrolyte. {_SORT_OUT}",
    ),
    "PRE_HIGH": Reason(
        words="precharge voltage too high",
        verdict="fail",
        to_do=f"Suspect dry electrodes or a bad contact. {_SORT_OUT}",
    ),
    "FORM_LOW": Reason(words="formation voltage too low", verdict="fail", to_do=f"Suspect a soft short. {_SORT_OUT}"),
    "FORM_HIGH": Reason(
        words="formation voltage too high",
        verdict="fail",
        to_do=f"Suspect missing electrolyte or a high resistance. {_SORT_OUT}",
    ),
    "SELF_DISCHARGE": Reason(
        words="self-discharge",
        verdict="fail",
        to_do=f"Suspect a micro-short; age again and re-test once. {_SORT_OUT}",
    ),
    "HIGH_K": Reason(
        words="self-discharge rate too high",
        verdict="fail",
        to_do=f"Suspect a micro-short; age again and re-test once. {_SORT_OUT}",
    ),
    "LOW_EFFICIENCY": Reason(
        words="efficiency too low",
        verdict="fail",
        evidence="cycles",
        to_do=f"Suspect moisture or side reactions. {_SORT_OUT}",
    ),
    "LOW_CAPACITY": Reason(
        words="capacity too low",
        verdict="fail",
        evidence="capacity",
        to_do="Compare with neighbours on the tray: alone, it is the cell (coating, wetting, filling). "
        f"{_SORT_OUT} Several side by side: check chamber temperature and channel calibration first.",
    ),
    "HIGH_DCIR": Reason(
        words="DC resistance too high",
        verdict="fail",
        evidence="pulse",
        to_do="Measure again on another position to rule out the contact. If it stays with the cell, suspect tab weld "
        f"or wetting. {_SORT_OUT}",
    ),
    "TIMEOUT": Reason(
        words="took too long",
        verdict="fail",
        to_do="Look at the curve: did the current flow, and was the set value reached?",
    ),
    "ABSENT": Reason(
        words="no cell found",
        verdict="not-run",
        to_do="Look into the tray: is the place empty, or does a probe not touch?",
    ),
    "UNEXPECTED_CELL": Reason(
        words="unexpected cell", verdict="not-run", to_do="Identify the cell and correct the load list."
    ),
    "POLARITY_UNPROVEN": Reason(
        words="polarity unproven",
        verdict="not-run",
        to_do="Prove the polarity by eye or with a meter before it is charged.",
    ),
    "CROSSED_SENSE": _contact(
        "sense lines crossed", "Check the wiring of the position and of its neighbour. Then re-test."
    ),
    "SENSE_OPEN": _contact("sense line open"),
    "BAD_CONTACT": _contact("bad contact"),
    "LOST_CONTACT": _contact("contact lost under way"),
    "TEMPERATURE": Reason(
        words="temperature out of its window or not believable",
        verdict="retest",
        to_do="Check chamber and sensor. Then re-test.",
    ),
    "STATE_CONTRADICTED": Reason(
        words="what was found contradicts what is known of the cell",
        verdict="retest",
        to_do="Check the cell's identity, type and history, whether a cell is there at all, and the channel's "
        "calibration.",
    ),
    "INTERRUPTED": Reason(
        words="interrupted",
        verdict="retest",
        to_do="The measurement is not valid. Run the graded step again.",
    ),
}

_RANK: Final = {code: place for place, code in enumerate(REASONS)}
