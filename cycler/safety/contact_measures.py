"""What the stages of a contact check have measured, from a channel's readings in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean, median

from cycler.contract.sweep import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Passive:
    """Relay open, before any current. NaN where no valid voltage was read."""

    voltage_v: float
    drift_v_per_s: float = 0.0
    probe_v: float | None = None  # by the second sense path, where there is one

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> "Passive":
        """The drift is from the first valid reading to the last."""
        valid = [reading for reading in readings if not isnan(reading.voltage_v)]
        probes = [reading.probe_v for reading in valid if reading.probe_v is not None and not isnan(reading.probe_v)]
        if not valid:
            return cls(voltage_v=float("nan"))
        first, last = valid[0], valid[-1]
        span_s = last.taken_s - first.taken_s
        return cls(
            voltage_v=median(reading.voltage_v for reading in valid),
            drift_v_per_s=(last.voltage_v - first.voltage_v) / span_s if span_s > 0 else 0.0,
            probe_v=median(probes) if probes else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """The micro-charge: what was ordered, what flowed, and where the voltage was at its end."""

    set_a: float
    clamp_v: float
    current_a: float  # mean
    moved_ah: float
    voltage_v: float
    excess_v: float | None = None  # output minus sense, the last time that the device measured both

    @classmethod
    def of(cls, readings: Sequence[Reading], *, set_a: float, clamp_v: float) -> "Charged":
        """All readings from the order on; in those that are only starting nothing flows yet."""
        valid = [r for r in readings if not (isnan(r.voltage_v) or isnan(r.current_a))]
        flowing = [reading for reading in valid if reading.regulation not in {"starting", "off"}]
        current_a = fmean(reading.current_a for reading in flowing) if flowing else 0.0
        last = flowing[-1] if flowing else valid[-1] if valid else None
        excess_v = [r.output_v - r.voltage_v for r in flowing if r.output_v is not None and not isnan(r.output_v)]
        return cls(
            set_a=set_a,
            clamp_v=clamp_v,
            current_a=current_a,
            moved_ah=current_a * (last.step_time_s if last is not None and flowing else 0.0) / 3600,
            voltage_v=float("nan") if last is None else last.voltage_v,
            excess_v=excess_v[-1] if excess_v else None,
        )


def fall_v(charged: Charged, decay: Sequence[Reading]) -> float:
    """By how much the voltage has fallen since the current ended; NaN where nothing valid was read."""
    valid = [reading.voltage_v for reading in decay if not isnan(reading.voltage_v)]
    return charged.voltage_v - valid[-1] if valid else float("nan")


def swing_v(idle: Sequence[Reading]) -> float:
    """By how much the voltage rose, at most, while only others were charged; 0 where too little was read."""
    valid = [reading.voltage_v for reading in idle if not isnan(reading.voltage_v)]
    return max(valid) - valid[0] if valid else 0.0
