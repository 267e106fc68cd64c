"""The numbers of a cell, from the numbers of its steps. `None` where the run did not measure it, or not validly."""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Final

from cycler.model.results import NAS_PER_AH, StepResult, StopReason

CAPACITY_TAG: Final = "cap"
ELECTRICAL_ENDS: Final[frozenset[StopReason]] = frozenset({"voltage", "current"})
"""A discharge that ended by one of these went down to the end."""


def capacity_steps(steps: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The steps that are meant to give the capacity, valid or not.

    Those tagged `cap`; without any, the discharges that went down to their voltage or to their taper.
    """
    tagged = tuple(step for step in steps if step.tag == CAPACITY_TAG)
    return tagged or tuple(
        step for step in steps if step.step_type == "discharge" and step.stop_reason in ELECTRICAL_ENDS
    )


def capacity_step(steps: Sequence[StepResult]) -> StepResult | None:
    """The last valid one of `capacity_steps`."""
    return _last(step for step in capacity_steps(steps) if step.is_valid)


def capacity_ah(steps: Sequence[StepResult]) -> float | None:
    """What came out of the cell in its `capacity_step`."""
    step = capacity_step(steps)
    return None if step is None else step.moved.discharged_nas / NAS_PER_AH


def cycle_efficiency_ratio(steps: Sequence[StepResult]) -> float | None:
    """Discharge over charge of the cycle in which the capacity was measured.

    None unless the cycle is whole: its charge has to begin where its discharge ends, after an earlier discharge to the
    end. A cell that came half full would otherwise give more than it took.
    """
    measured = capacity_step(steps)
    if measured is None:
        return None
    before = [step for step in steps if step.cycle < measured.cycle and step.step_type in {"charge", "discharge"}]
    if not before or before[-1].step_type != "discharge" or before[-1].stop_reason not in ELECTRICAL_ENDS:
        return None
    cycle = [step.moved for step in steps if step.cycle == measured.cycle]
    charged_nas = sum(moved.charged_nas for moved in cycle)
    return sum(moved.discharged_nas for moved in cycle) / charged_nas if charged_nas else None


def pulse_steps(steps: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The steps that are meant to give a resistance, valid or not."""
    return tuple(step for step in steps if step.pulse or step.step_type == "dcir")


def dcir_ohm(steps: Sequence[StepResult]) -> float | None:
    """The longest value of the last valid pulse."""
    step = _last(step for step in pulse_steps(steps) if step.is_valid)
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
