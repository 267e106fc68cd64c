"""The numbers of a cell, from the numbers of its steps. `None` where the run did not measure it, or not validly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan
from typing import Final

from cycler.model.cell import LedgerState
from cycler.model.results import CYCLER, NAS_PER_AH, StepResult, StopReason

CAPACITY_TAG: Final = "cap"
ENERGISED_RATIO: Final = 1e-5  # of rated
OCV_TAGS: Final = ("ocv1", "ocv2")
ELECTRICAL_ENDS: Final[frozenset[StopReason]] = frozenset({"voltage", "current"})
"""A charge or discharge that ended by one of these went to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCycle:
    """A cycle that began empty and ended empty, so that what went in and what came out can be compared."""

    cycle: int
    charged_ah: float
    discharged_ah: float
    charged_wh: float
    discharged_wh: float

    @property
    def efficiency_ratio(self) -> float:
        """Discharge over charge."""
        return self.discharged_ah / self.charged_ah

    @property
    def charge_v(self) -> float:
        """Mean voltage of what went in."""
        return self.charged_wh / self.charged_ah

    @property
    def discharge_v(self) -> float:
        """Mean voltage of what came out."""
        return self.discharged_wh / self.discharged_ah


def whole_cycles(
    steps: Sequence[StepResult], state: LedgerState, earlier: Sequence[StepResult] = ()
) -> tuple[WholeCycle, ...]:
    """Those whose charge begins where the discharge ends, in order.

    The first one is whole only for a cell that had never been charged: `state` is that before these steps, `earlier`
    what other recipes have put into it since it was filled.
    """
    cycles = []
    before = list(earlier)
    was_empty = state == "filled" or bool(earlier)
    for cycle, members in groupby(steps, key=lambda step: step.cycle):
        these = [*before, *members]
        moving = [step for step in these if step.step_type in {"charge", "discharge"}]
        is_empty = bool(moving) and _reaches_the_end(moving[-1]) and moving[-1].step_type == "discharge"
        if was_empty and is_empty and all(step.charge_source != "unknown" for step in these):
            cycles.append(_cycle(cycle, these))
        before, was_empty = [], is_empty
    return tuple(whole for whole in cycles if whole.charged_ah > 0 and whole.discharged_ah > 0)


def first_cycle_efficiency(
    steps: Sequence[StepResult], state: LedgerState, earlier: Sequence[StepResult] = ()
) -> float | None:
    """Discharge over all charge of the first cycle of the cell's life, precharge and contact check included."""
    if state != "filled" and not earlier:
        return None
    return next((whole.efficiency_ratio for whole in whole_cycles(steps, state, earlier) if whole.cycle == 1), None)


def capacity_steps(steps: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The steps that are meant to give the capacity, valid or not.

    Those tagged `cap`; without any, the discharges that went down to their voltage or to their taper.
    """
    tagged = tuple(step for step in steps if step.tag == CAPACITY_TAG)
    return tagged or tuple(step for step in steps if step.step_type == "discharge" and _reaches_the_end(step))


def capacity_step(steps: Sequence[StepResult]) -> StepResult | None:
    """The last valid one of `capacity_steps`."""
    return _last(step for step in capacity_steps(steps) if step.is_valid)


def capacity_ah(steps: Sequence[StepResult]) -> float | None:
    """What came out of the cell in its `capacity_step`."""
    step = capacity_step(steps)
    return None if step is None else step.moved.discharged_nas / NAS_PER_AH


def cycle_efficiency_ratio(
    steps: Sequence[StepResult], state: LedgerState, earlier: Sequence[StepResult] = ()
) -> float | None:
    """Discharge over charge of the cycle in which the capacity was measured, if that cycle is whole.

    A cell that came half full would otherwise give more than it took.
    """
    measured = capacity_step(steps)
    cycles = () if measured is None else whole_cycles(steps, state, earlier)
    return next(
        (whole.efficiency_ratio for whole in cycles if measured is not None and whole.cycle == measured.cycle), None
    )


def pulse_steps(steps: Sequence[StepResult]) -> tuple[StepResult, ...]:
    """The steps that are meant to give a resistance, valid or not."""
    return tuple(step for step in steps if step.pulse or step.step_type == "dcir")


def pulse_step(steps: Sequence[StepResult]) -> StepResult | None:
    """The last valid one of `pulse_steps`."""
    return _last(step for step in pulse_steps(steps) if step.is_valid)


def dcir_ohm(steps: Sequence[StepResult]) -> float | None:
    """The longest value of the last valid pulse."""
    step = pulse_step(steps)
    if step is None or not step.pulse:
        return None
    return max(step.pulse, key=lambda point: point.nominal_s).resistance_ohm


def contact_ohm(steps: Sequence[StepResult]) -> float | None:
    """The worst that any step saw."""
    return max((step.contact_ohm for step in steps if step.contact_ohm is not None), default=None)


def rests(steps: Iterable[StepResult]) -> tuple[StepResult, ...]:
    """The steps in which the cell was left alone."""
    return tuple(step for step in steps if step.step_type in {"rest", "ocv"})


def ocv_v(steps: Sequence[StepResult]) -> float | None:
    """What the last valid `ocv` measured; without one, the end of the last rest."""
    measured = _last(step for step in steps if step.ocv_v is not None and step.is_valid)
    return _end_voltage_v(_last(rests(steps))) if measured is None else measured.ocv_v


def acir_ohm(steps: Sequence[StepResult]) -> float | None:
    """Of the last valid `acir`."""
    measured = _last(step for step in steps if step.acir_ohm is not None and step.is_valid)
    return None if measured is None else measured.acir_ohm


def k_v_per_h(steps: Sequence[StepResult]) -> float | None:
    """Self-discharge: the fall per hour from the end of the rest tagged `ocv1` to that of the one tagged `ocv2`.

    An `ocv` counts as a rest, with what it measured. Temperature is not compensated. None where the second does not end
    after the first, or where another instrument measured it: their offsets may differ by more than a cell loses.
    """
    first, second = (_last(step for step in rests(steps) if step.tag == tag and step.is_valid) for tag in OCV_TAGS)
    if first is None or second is None or _instrument(first) != _instrument(second):
        return None
    first_v, second_v = _rested_v(first), _rested_v(second)
    if first_v is None or second_v is None:
        return None
    apart_s = second.started_s + second.duration_s - first.started_s - first.duration_s
    return (first_v - second_v) / (apart_s / 3600) if apart_s > 0 else None


def end_voltage_v(steps: Sequence[StepResult]) -> float | None:
    """Where the last step left the cell."""
    return _end_voltage_v(_last(steps))


def energy_in_wh(steps: Iterable[StepResult]) -> float:
    """All that went in, at the cell."""
    return sum(step.moved.charged_nws for step in steps) / NAS_PER_AH


def energy_out_wh(steps: Iterable[StepResult]) -> float:
    """All that came out, at the cell."""
    return sum(step.moved.discharged_nws for step in steps) / NAS_PER_AH


def was_energised(steps: Iterable[StepResult], rated_ah: float) -> bool:
    """Whether more charge was moved than a meter's noise counts; the micro-charge of a contact check is far more."""
    noise_nas = ENERGISED_RATIO * rated_ah * NAS_PER_AH
    return any(step.moved.charged_nas + step.moved.discharged_nas > noise_nas for step in steps)


def _reaches_the_end(step: StepResult) -> bool:
    return step.stop_reason in ELECTRICAL_ENDS


def _cycle(cycle: int, steps: Sequence[StepResult]) -> WholeCycle:
    return WholeCycle(
        cycle=cycle,
        charged_ah=sum(step.moved.charged_nas for step in steps) / NAS_PER_AH,
        discharged_ah=sum(step.moved.discharged_nas for step in steps) / NAS_PER_AH,
        charged_wh=energy_in_wh(steps),
        discharged_wh=energy_out_wh(steps),
    )


def _last(steps: Iterable[StepResult]) -> StepResult | None:
    every = tuple(steps)
    return every[-1] if every else None


def _rested_v(step: StepResult) -> float | None:
    return _end_voltage_v(step) if step.ocv_v is None else step.ocv_v


def _instrument(step: StepResult) -> str:
    return step.measured_by or CYCLER


def _end_voltage_v(step: StepResult | None) -> float | None:
    return None if step is None or isnan(step.end_voltage_v) else step.end_voltage_v
