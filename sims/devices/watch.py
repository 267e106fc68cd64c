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
        # Voltage and current, one row each.
        self._upper, self._lower = np.full((2, rows), NEVER), np.full((2, rows), -NEVER)
        self._beyond = np.zeros((2, 2, rows), bool)
        self._throughput_ah_max = np.full(rows, NEVER)
        self._direction = np.zeros(rows)  # the sign that turns an end by voltage into one from below
        self._end_voltage_v = np.full(rows, NEVER)
        self._end_current_a = np.full(rows, -NEVER)
        self._end_throughput_ah = np.full(rows, NEVER)
        self._limited: set[int] = set()
        self._metered: set[int] = set()  # by charge
        self._ending: set[int] = set()

    @property
    def armed(self) -> bool:
        """Whether there is anything to judge."""
        return bool(self._limited or self._ending)

    def limit(self, row: int, limits: DeviceLimits, throughput_ah: float) -> None:
        """An order starts here, at this throughput."""
        self._upper[:, row] = _or(limits.voltage_v_max, NEVER), _or(limits.charge_current_a_max, NEVER)
        self._lower[:, row] = _or(limits.voltage_v_min, -NEVER), -_or(limits.discharge_current_a_max, NEVER)
        self._throughput_ah_max[row] = throughput_ah + _or(limits.charge_ah_max, NEVER)
        _mark(self._limited, row, limits != DeviceLimits())
        _mark(self._metered, row, limits.charge_ah_max is not None)

    def follow(self, row: int, phase: Phase, throughput_ah: float) -> None:
        """A phase starts here, at this throughput."""
        self._direction[row] = {"charge": 1.0, "discharge": -1.0, "rest": 0.0}[phase.direction]
        ends = {end.quantity: end.value for end in phase.ends}
        self._end_voltage_v[row] = self._direction[row] * ends["voltage_v"] if "voltage_v" in ends else NEVER
        self._end_current_a[row] = ends.get("current_a", -NEVER)
        self._end_throughput_ah[row] = throughput_ah + ends.get("charge_ah", NEVER)
        _mark(self._ending, row, bool(ends.keys() - {"time_s"}))

    def forget(self, row: int) -> None:
        """Nothing runs here any more."""
        self.limit(row, DeviceLimits(), 0.0)
        self.follow(row, Phase(direction="rest"), 0.0)

    def judge(
        self, shown: Column, charged_ah: Column, discharged_ah: Column
    ) -> tuple[list[tuple[int, str]], list[int]]:
        """The rows whose limits tripped, each with the limit, and the rows whose phase has ended.

        `shown` is voltage and current, one row each.
        """
        trips: list[tuple[int, str]] = []
        if self._limited:
            over, under = self._beyond
            np.greater(shown, self._upper, out=over)
            np.less(shown, self._lower, out=under)
            if np.count_nonzero(self._beyond):  # many times faster than `any`
                for limit, beyond in (
                    ("over_voltage", over[0]),
                    ("under_voltage", under[0]),
                    ("over_current", over[1] | under[1]),
                ):
                    trips += [(row, limit) for row in beyond.nonzero()[0].tolist()]
        if not (self._metered or self._ending):
            return trips, []
        throughput_ah = charged_ah + discharged_ah
        if self._metered:
            spent = throughput_ah > self._throughput_ah_max
            trips += [(row, "over_charge") for row in spent.nonzero()[0].tolist()]
        if not self._ending:
            return trips, []
        ended = self._direction * shown[0] >= self._end_voltage_v
        ended |= abs(shown[1]) <= self._end_current_a
        ended |= throughput_ah >= self._end_throughput_ah
        return trips, ended.nonzero()[0].tolist()


def _mark(rows: set[int], row: int, is_in: bool) -> None:
    if is_in:
        rows.add(row)
    else:
        rows.discard(row)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
