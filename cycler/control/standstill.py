"""Finds channels of a cycler whose readings are not taken any more, although their time stamps are fresh.

Two sweeps half a minute apart are compared; only the few channels that show the same in both are looked at in every
sweep from then on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import Sweep
from cycler.control.current_watch import NOTHING_ACCURACIES
from cycler.safety.frozen import FrozenRule, frozen_rule

LOOK_S = 30.0


@dataclass(slots=True)
class _Still:
    shown: tuple[float, ...]
    since_s: float
    rule: FrozenRule
    samples: int = 2


class Standstill:
    """Of one device. `look` is due with every sweep that is taken at `due_s` or later."""

    def __init__(self, channel: ChannelRange) -> None:
        self.due_s = -inf
        self._channel = channel
        self._flows_a = NOTHING_ACCURACIES * channel.current_accuracy_a
        self._seen: Sweep | None = None
        self._compare_s = -inf
        self._still: dict[int, _Still] = {}  # by row

    def look(self, sweep: Sweep, rated_ah: Callable[[], Mapping[int, float]]) -> list[tuple[int, str]]:
        """The rows that are frozen, and what says so. `rated_ah`: of the cells that run, by row."""
        found = []
        for row, still in list(self._still.items()):
            if _shown(sweep, row) != still.shown:
                del self._still[row]
                continue
            still.samples += 1
            still_s = sweep.taken_s - still.since_s
            if still.rule.is_broken(
                samples=still.samples,
                still_s=still_s,
                charge_ah=abs(sweep.current_a[row]) * still_s / 3600,
                held=sweep.regulation[row] == "cv",
            ):
                text = (
                    f"{sweep.voltage_v[row]:.4f} V and {sweep.current_a[row]:.4g} A have been shown for {still_s:.0f} s"
                )
                found.append((row, f"frozen value: {text}, in {still.samples} readings that are all the same"))
        if sweep.taken_s >= self._compare_s:
            self._compare(sweep, rated_ah())
        self.due_s = -inf if self._still else self._compare_s
        return found

    def _compare(self, sweep: Sweep, rated_ah: Mapping[int, float]) -> None:
        seen, self._seen, self._compare_s = self._seen, sweep, sweep.taken_s + LOOK_S
        if seen is None:
            return
        for row, (voltage_v, before_v) in enumerate(zip(sweep.voltage_v, seen.voltage_v, strict=True)):
            if voltage_v != before_v or row in self._still or row not in rated_ah:
                continue
            if sweep.regulation[row] in {"off", "starting"} or abs(sweep.current_a[row]) < self._flows_a:
                continue
            rule = frozen_rule(self._channel, rated_ah[row], counts=sweep.charged_ah is not None)
            shown = _shown(sweep, row)
            if rule.is_applied and shown == _shown(seen, row):
                self._still[row] = _Still(shown=shown, since_s=seen.taken_s, rule=rule)


def _shown(sweep: Sweep, row: int) -> tuple[float, ...]:
    if sweep.charged_ah is None or sweep.discharged_ah is None:
        return sweep.voltage_v[row], sweep.current_a[row]
    return sweep.voltage_v[row], sweep.current_a[row], sweep.charged_ah[row], sweep.discharged_ah[row]
