"""The numbers of a cell, from the numbers of its steps. `None` where the run did not measure it, or not validly."""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Final

from cycler.model.results import NAS_PER_AH, StepResult, StopReason

CAPACITY_TAG: Final = "cap"
GAP_S_MAX: Final = 600.0
"""How long a graded step may have been interrupted and still count; a person would have to judge a longer pause."""

_BROKEN_OFF: Final[frozenset[StopReason]] = frozenset(
    {
        "lost-contact", "fail", "trip", "hold", "skip", "abort", "all-off", "interlock", "stale", "device-fault",
        "host-loss", "group",
    }
)  # fmt: skip


def is_valid(step: StepResult) -> bool:
    """Whether the step came to an end of its own, and its charge is known."""
    return (
        step.stop_reason not in _BROKEN_OFF
        and "SKIPPED" not in step.quality
        and step.gap_s <= GAP_S_MAX
        and step.charge_source != "unknown"
    )


def capacity_steps(steps: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The steps that are meant to give the capacity, valid or not.

    Those tagged `cap`; without any, the discharges that went down to their voltage or to their taper.
    """
    tagged = tuple(step for step in steps if step.tag == CAPACITY_TAG)
    return tagged or tuple(
        step for step in steps if step.step_type == "discharge" and step.stop_reason in {"voltage", "current"}
    )


def capacity_step(steps: Sequence[StepResult]) -> StepResult | None:
    """The last valid one of `capacity_steps`."""
    return _last(step for step in capacity_steps(steps) if is_valid(step))


def capacity_ah(steps: Sequence[StepResult]) -> float | None:
    """What came out of the cell in its `capacity_step`."""
    step = capacity_step(steps)
    return None if step is None else step.moved.discharged_nas / NAS_PER_AH


def cycle_efficiency_ratio(steps: Sequence[StepResult]) -> float | None:
    """Discharge over charge of the cycle in which the capacity was measured."""
    measured = capacity_step(steps)
    if measured is None:
        return None
    cycle = [step.moved for step in steps if step.cycle == measured.cycle]
    charged_nas = sum(moved.charged_nas for moved in cycle)
    return sum(moved.discharged_nas for moved in cycle) / charged_nas if charged_nas else None


def pulse_steps(steps: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The steps that are meant to give a resistance, valid or not."""
    return tuple(step for step in steps if step.pulse or step.step_type == "dcir")


def dcir_ohm(steps: Sequence[StepResult]) -> float | None:
    """The longest value of the last valid pulse."""
    step = _last(step for step in pulse_steps(steps) if is_valid(step))
    if step is None or not step.pulse:
        return None
    return max(step.pulse, key=lambda point: point.nominal_s).resistance_ohm


def contact_ohm(steps: Sequence[StepResult]) -> float | None:
    """The worst that any step saw."""
    return max((step.contact_ohm for step in steps if step.contact_ohm is not None), default=None)


def ocv_v(steps: Sequence[StepResult]) -> float | None:
    """The end of the last rest."""
    return _end_voltage_v(_last(step for step in steps if step.step_type in {"rest", "ocv"}))


def end_voltage_v(steps: Sequence[StepResult]) -> float | None:
    """Where the last step left the cell."""
    return _end_voltage_v(_last(steps))


def energy_in_wh(steps: Iterable[StepResult]) -> float:
    """All that went in, at the cell."""
    return sum(step.moved.charged_nws for step in steps) / NAS_PER_AH


def energy_out_wh(steps: Iterable[StepResult]) -> float:
    """All that came out, at the cell."""
    return sum(step.moved.discharged_nws for step in steps) / NAS_PER_AH


def _last(steps: Iterable[StepResult]) -> StepResult | None:
    every = tuple(steps)
    return every[-1] if every else None


def _end_voltage_v(step: StepResult | None) -> float | None:
    return None if step is None or isnan(step.end_voltage_v) else step.end_voltage_v
