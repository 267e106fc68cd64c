"""What the simulated cycler keeps an eye on by its own measurements: limits that trip, and ends of phases."""

import numpy as np

from cycler.contract.order import DeviceLimits, Phase
from sims.terminal import Column

NEVER = float("inf")


class Watch:
    """All channels in columns, so that judging hundreds costs a few comparisons. A row without an order is never true.

    Charge is judged by throughput, charged plus discharged: no phase moves both ways.
    """

    def __init__(self, rows: int) -> None:
        self._voltage_v_max, self._voltage_v_min = np.full(rows, NEVER), np.full(rows, -NEVER)
        self._current_a_max, self._current_a_min = np.full(rows, NEVER), np.full(rows, -NEVER)
        self._throughput_ah_max = np.full(rows, NEVER)
        self._direction = np.zeros(rows)  # the sign that turns an end by voltage into one from below
        self._end_voltage_v = np.full(rows, NEVER)
        self._end_current_a = np.full(rows, -NEVER)
        self._end_throughput_ah = np.full(rows, NEVER)
        self._limited: set[int] = set()
        self._ending: set[int] = set()

    @property
    def armed(self) -> bool:
        """Whether there is anything to judge."""
        return bool(self._limited or self._ending)

    def limit(self, row: int, limits: DeviceLimits, throughput_ah: float) -> None:
        """An order starts here, at this throughput."""
        self._voltage_v_max[row] = _or(limits.voltage_v_max, NEVER)
        self._voltage_v_min[row] = _or(limits.voltage_v_min, -NEVER)
        self._current_a_max[row] = _or(limits.charge_current_a_max, NEVER)
        self._current_a_min[row] = -_or(limits.discharge_current_a_max, NEVER)
        self._throughput_ah_max[row] = throughput_ah + _or(limits.charge_ah_max, NEVER)
        if limits == DeviceLimits():
            self._limited.discard(row)
        else:
            self._limited.add(row)

    def follow(self, row: int, phase: Phase, throughput_ah: float) -> None:
        """A phase starts here, at this throughput."""
        self._direction[row] = {"charge": 1.0, "discharge": -1.0, "rest": 0.0}[phase.direction]
        ends = {end.quantity: end.value for end in phase.ends}
        self._end_voltage_v[row] = self._direction[row] * ends["voltage_v"] if "voltage_v" in ends else NEVER
        self._end_current_a[row] = ends.get("current_a", -NEVER)
        self._end_throughput_ah[row] = throughput_ah + ends.get("charge_ah", NEVER)
        if ends.keys() - {"time_s"}:
            self._ending.add(row)
        else:
            self._ending.discard(row)

    def forget(self, row: int) -> None:
        """Nothing runs here any more."""
        self.limit(row, DeviceLimits(), 0.0)
        self.follow(row, Phase(direction="rest"), 0.0)

    def judge(
        self, voltage_v: Column, current_a: Column, charged_ah: Column, discharged_ah: Column
    ) -> tuple[list[tuple[int, str]], list[int]]:
        """The rows whose limits tripped, each with the limit, and the rows whose phase has ended."""
        throughput_ah = charged_ah + discharged_ah
        trips: list[tuple[int, str]] = []
        if self._limited:
            for limit, beyond in (
                ("over_voltage", voltage_v > self._voltage_v_max),
                ("under_voltage", voltage_v < self._voltage_v_min),
                ("over_current", (current_a > self._current_a_max) | (current_a < self._current_a_min)),
                ("over_charge", throughput_ah > self._throughput_ah_max),
            ):
                if beyond.any():
                    trips += [(int(row), limit) for row in beyond.nonzero()[0]]
        if not self._ending:
            return trips, []
        ended = self._direction * voltage_v >= self._end_voltage_v
        ended |= abs(current_a) <= self._end_current_a
        ended |= throughput_ah >= self._end_throughput_ah
        return trips, ended.nonzero()[0].tolist()


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
