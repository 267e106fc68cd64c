"""A channel's present reading, its counters, and the bounds that every reading is compared with.

A base class of `StepMachine` and not a part of it, because most readings are nothing but these comparisons and sums:
every attribute of them is one load away.
"""

from collections.abc import Mapping
from math import inf, isnan, nan
from typing import Any, Final

from cycler.contract.order import Direction
from cycler.contract.sweep import Regulation, Sweep
from cycler.control.condition_watch import Quiet
from cycler.model.results import NAS_PER_AH, Counters
from cycler.recipe.plan import RecordRule

# A reading adds (A + A) · s to the charge, twice the trapezoid, and that times (V + V) to the energy.
_NAS_PER_2AS: Final = 1e9 / 2
_NWS_PER_4WS: Final = 1e9 / 4
_SLACK_S, _SLACK_N = 1e-6, 2  # bounds in time and charge are sums of floats: better judged a little too early

_SAVED = (
    "_taken_s", "_order_id", "_regulation", "_in_2as", "_out_2as", "_in_4ws", "_out_4ws",
    "_in_due_2as", "_out_due_2as", "_in_due_4ws", "_out_due_4ws",
    "_zero_nas", "_counted_in_ah", "_counted_out_ah", "_counted_in_due_ah", "_counted_out_due_ah",
    "_phase_offset_s", "_kept_elapsed_s", "_kept_at_s", "_kept_v", "_kept_a", "_kept_degc",
    "_v_lo", "_v_hi", "_i_lo", "_i_hi", "_t_lo", "_t_hi", "_time_due_s", "_record_due_s",
    "_judge_v_lo", "_judge_v_hi", "_judge_i_lo", "_judge_i_hi", "_judge_t_lo", "_judge_t_hi",
    "_apart_v", "_unwitnessed", "_has_output", "_measures_output", "_relay_open",
    "_charged_due", "_discharged_due", "_charged_energy_due", "_discharged_energy_due",
    "voltage_v", "current_a", "temperature_degc", "temperature_degc_max", "step_time_s", "elapsed_s",
    "charged_nas", "discharged_nas", "charged_nws", "discharged_nws", "wants_fast", "calm_until_s", "_gap_s_max",
)  # fmt: skip


class Present:
    """Counts readings, and has the bounds within which nothing becomes true, and the closer ones to keep nothing."""

    __slots__ = (*_SAVED, "_blind", "_record_a", "_record_k", "_record_s", "_record_v")

    def __init__(self, *, temperature_measured: bool, gap_s_max: float) -> None:
        """`gap_s_max`: over a longer silence the host's integral does not count, only a device's own counter."""
        self._blind = not temperature_measured
        self._gap_s_max = gap_s_max
        self._taken_s = 0.0
        self._in_2as = self._out_2as = self._in_4ws = self._out_4ws = 0.0  # the host's integrals
        self._order_id = 0
        self._zero_nas: tuple[int, int] | None = None  # where the device's counters stood when the run's began
        self._counted_in_ah = self._counted_out_ah = nan
        self._regulation: Regulation = "unknown"
        self._relay_open = False
        self._has_output = self._measures_output = False  # in the last reading that was judged; in any of the run
        self._kept_elapsed_s = self._kept_at_s = -inf
        self._kept_v = self._kept_a = self._kept_degc = nan
        self._record_s = self._record_v = self._record_a = self._record_k = inf
        self._phase_offset_s = 0.0  # step time before the order in force
        self.voltage_v = self.temperature_degc = nan
        self.temperature_degc_max = -inf
        self.current_a = self.step_time_s = self.elapsed_s = 0.0
        self.charged_nas = self.discharged_nas = self.charged_nws = self.discharged_nws = 0
        self.wants_fast = False
        self.calm_until_s = -inf
        self._judge_always()

    @property
    def counters(self) -> Counters:
        """What the cell has taken and given since the run began."""
        self._settle_counters()
        return Counters(
            charged_nas=self.charged_nas,
            discharged_nas=self.discharged_nas,
            charged_nws=self.charged_nws,
            discharged_nws=self.discharged_nws,
        )

    def saved(self) -> Mapping[str, Any]:
        """For `load`. What follows from the step in force is not in it."""
        self._settle_counters()
        return {name: getattr(self, name) for name in _SAVED}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Exactly as it was."""
        for name, value in saved.items():
            setattr(self, name, value)

    # Counting.

    def _take(self, sweep: Sweep, row: int) -> float:
        """Count a valid reading that was not quiet. Returns for how many seconds nothing was known before it."""
        voltage_v, current_a = sweep.voltage_v[row], sweep.current_a[row]
        since_s = sweep.taken_s - self._taken_s
        gap_s = since_s if since_s > self._gap_s_max else 0.0
        if not gap_s:
            # Behind an open relay nothing flows, whatever a meter's noise says.
            now_a = 0.0 if sweep.regulation[row] == "off" else current_a
            before_a = 0.0 if self._relay_open else self.current_a
            swept_2as = (now_a + before_a) * since_s
            before_v = voltage_v if isnan(self.voltage_v) else self.voltage_v  # NaN: this is the first reading
            swept_4ws = max(voltage_v + before_v, 0.0) * swept_2as  # what flows at less than 0 V takes no energy back
            if swept_2as >= 0.0:
                self._in_2as += swept_2as
                self._in_4ws += swept_4ws
            else:
                self._out_2as -= swept_2as
                self._out_4ws -= swept_4ws
        self.voltage_v, self.current_a, self._taken_s = voltage_v, current_a, sweep.taken_s
        if sweep.charged_ah is not None and sweep.discharged_ah is not None:
            self._counted_in_ah, self._counted_out_ah = sweep.charged_ah[row], sweep.discharged_ah[row]
        self._settle_counters()
        return gap_s

    def _integrate_from_here(self) -> None:
        """The host's integrals go on from what is counted; half a unit more, so that no sum of floats loses one."""
        self._in_2as = (self.charged_nas + 0.5) / _NAS_PER_2AS
        self._out_2as = (self.discharged_nas + 0.5) / _NAS_PER_2AS
        self._in_4ws = (self.charged_nws + 0.5) / _NWS_PER_4WS
        self._out_4ws = (self.discharged_nws + 0.5) / _NWS_PER_4WS

    def _settle_counters(self) -> None:
        """Turn what has been summed up into the integers that are recorded; those of a run add up exactly.

        A device's own counters are finer than the sweep: they are the truth, the host's integral their witness. Where
        a counter gave no value, its next one makes up for it.
        """
        self.charged_nws = int(self._in_4ws * _NWS_PER_4WS)
        self.discharged_nws = int(self._out_4ws * _NWS_PER_4WS)
        counted_in_ah, counted_out_ah = self._counted_in_ah, self._counted_out_ah
        if counted_in_ah >= 0.0 and counted_out_ah >= 0.0:  # NaN is not
            in_nas, out_nas = int(counted_in_ah * NAS_PER_AH + 0.5), int(counted_out_ah * NAS_PER_AH + 0.5)
            if self._zero_nas is None:
                self._zero_nas = (in_nas - self.charged_nas, out_nas - self.discharged_nas)
            self.charged_nas = in_nas - self._zero_nas[0]
            self.discharged_nas = out_nas - self._zero_nas[1]
        elif self._zero_nas is None:
            self.charged_nas = int(self._in_2as * _NAS_PER_2AS)
            self.discharged_nas = int(self._out_2as * _NAS_PER_2AS)

    @property
    def _host_nas(self) -> int:
        """The host's integral of the current, both ways together."""
        return int(self._in_2as * _NAS_PER_2AS) - int(self._out_2as * _NAS_PER_2AS)

    @property
    def _counter_is_missing(self) -> bool:
        return isnan(self._counted_in_ah) or isnan(self._counted_out_ah)

    # Bounds.

    def _judge_always(self) -> None:
        self._adopt_bounds(Quiet(v_lo=inf, v_hi=-inf), "rest")

    def _adopt_bounds(self, quiet: Quiet, direction: Direction) -> None:
        """Within these nothing becomes true. `direction`: which of the run's counters those of `quiet` mean."""
        self._judge_v_lo, self._judge_v_hi = quiet.v_lo, quiet.v_hi
        self._judge_i_lo, self._judge_i_hi = quiet.i_lo, quiet.i_hi
        self._judge_t_lo, self._judge_t_hi = quiet.t_lo, quiet.t_hi
        self._apart_v, self._unwitnessed = quiet.apart_v, quiet.apart_v == inf
        self._time_due_s = quiet.time_due_s - self._phase_offset_s - _SLACK_S
        discharging = direction == "discharge"
        along_nas, against_nas = quiet.moved_due_nas - _SLACK_N, quiet.against_due_nas - _SLACK_N
        self._charged_due, self._discharged_due = (against_nas, along_nas) if discharging else (along_nas, against_nas)
        along_nws, against_nws = quiet.moved_due_nws - _SLACK_N, quiet.against_due_nws - _SLACK_N
        self._charged_energy_due, self._discharged_energy_due = (
            (against_nws, along_nws) if discharging else (along_nws, against_nws)
        )
        in_nas, out_nas = self._charged_due - self.charged_nas, self._discharged_due - self.discharged_nas
        self._in_due_2as, self._out_due_2as = (
            self._in_2as + in_nas / _NAS_PER_2AS,
            self._out_2as + out_nas / _NAS_PER_2AS,
        )
        self._in_due_4ws = self._charged_energy_due / _NWS_PER_4WS
        self._out_due_4ws = self._discharged_energy_due / _NWS_PER_4WS
        self._counted_in_due_ah = self._counted_in_ah + in_nas / NAS_PER_AH
        self._counted_out_due_ah = self._counted_out_ah + out_nas / NAS_PER_AH
        self._bound_record()

    def _may_be_true(self, sweep: Sweep, row: int, temperature_degc: float) -> bool:
        """Whether a valid reading, counted already, lies where something may have become true."""
        return not (
            self._judge_v_lo <= sweep.voltage_v[row] <= self._judge_v_hi
            and self._judge_i_lo <= sweep.current_a[row] <= self._judge_i_hi
            and (self._judge_t_lo <= temperature_degc <= self._judge_t_hi or self._blind)
            and (
                self._unwitnessed
                or (
                    sweep.output_v is not None
                    and -self._apart_v <= sweep.output_v[row] - sweep.voltage_v[row] <= self._apart_v
                )
            )
            and sweep.step_time_s[row] < self._time_due_s
            and sweep.order_id[row] == self._order_id
            and sweep.regulation[row] == self._regulation
            and self.charged_nas < self._charged_due
            and self.discharged_nas < self._discharged_due
            and self.charged_nws < self._charged_energy_due
            and self.discharged_nws < self._discharged_energy_due
        )

    def _record_by(self, rule: RecordRule) -> None:
        self._record_s, self._record_v = _or_never(rule.every_s), _or_never(rule.voltage_v)
        self._record_a, self._record_k = _or_never(rule.current_a), _or_never(rule.temperature_k)

    def _keep_next(self) -> None:
        """This reading is kept: the next one is due when something has moved away from it."""
        self._kept_v, self._kept_a, self._kept_degc = self.voltage_v, self.current_a, self.temperature_degc
        self._kept_elapsed_s, self._kept_at_s = self.elapsed_s, self.step_time_s
        self._bound_record()

    @property
    def _is_kept(self) -> bool:
        return self.elapsed_s <= self._kept_elapsed_s

    def _bound_record(self) -> None:
        """The bounds of every reading, of judging and of keeping; NaN, where nothing was kept yet, bounds nothing."""
        low, high = self._kept_v - self._record_v, self._kept_v + self._record_v
        self._v_lo = low if low > self._judge_v_lo else self._judge_v_lo  # max and min cost three times as much here
        self._v_hi = high if high < self._judge_v_hi else self._judge_v_hi
        low, high = self._kept_a - self._record_a, self._kept_a + self._record_a
        self._i_lo = low if low > self._judge_i_lo else self._judge_i_lo
        self._i_hi = high if high < self._judge_i_hi else self._judge_i_hi
        low, high = self._kept_degc - self._record_k, self._kept_degc + self._record_k
        self._t_lo = low if low > self._judge_t_lo else self._judge_t_lo
        self._t_hi = high if high < self._judge_t_hi else self._judge_t_hi
        self._record_due_s = self._kept_at_s + self._record_s - self._phase_offset_s

    def _beyond_record(self, time_s: float) -> bool:
        """Whether the present reading has moved away from the last kept one by as much as the record rule says."""
        return (
            time_s >= self._record_due_s
            or abs(self.voltage_v - self._kept_v) > self._record_v
            or abs(self.current_a - self._kept_a) > self._record_a
            or abs(self.temperature_degc - self._kept_degc) > self._record_k
        )


def _or_never(change: float | None) -> float:
    return inf if change is None else change
