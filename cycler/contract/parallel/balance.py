"""Whether the sub-channels on one cell still go together: the same order, fair shares, one voltage."""

from collections.abc import Mapping
from math import isnan

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import Order
from cycler.contract.parallel.parts import Joint
from cycler.contract.parallel.rows import Row
from cycler.contract.sweep import Regulation, Sweep

APART_S, APART_READINGS = 2.0, 3
"""So long what is apart must stay so: sub-channels begin one after the other, and are not read at the same instant."""
BAND_V = 0.005
"""So near to its voltage, beside what errors make, a sub-channel may give any part of its share."""
ACCURACIES = 3
"""Currents nearer to each other than this many accuracies of a sub-channel are the same."""


class Balance:
    """Judges one joined channel, from when all its sub-channels are seen to execute the order given."""

    def __init__(self, joint: Joint, rows: tuple[Row, ...], sub_channel: ChannelRange) -> None:
        """`rows`: where the sub-channels stand in their devices' sweeps; `sub_channel`: the range of any of them."""
        self._joint = joint
        self._rows = rows
        self._limit_a = ACCURACIES * sub_channel.current_accuracy_a
        self._band_v = BAND_V + 2 * sub_channel.voltage_accuracy_v + 3 * sub_channel.voltage_noise_v
        self._tolerance_v = agreement_v(sub_channel)
        self.follow(None)

    def follow(self, order: Order | None) -> None:
        """This order has been given to all of them; None while one is on its way, and after an off."""
        self._order = order
        self._seen = False
        self._forget()

    def judge(self, sweeps: Mapping[str, Sweep]) -> str | None:
        """Why they go together no more: all have to be opened."""
        order = self._order
        if order is None:
            return None
        group = [(sweeps[each.device], each.row) for each in self._rows]
        states = [sweep.regulation[row] for sweep, row in group]
        held = [sweep.order_id[row] == order.order_id for sweep, row in group]
        if all(held):
            self._seen = True
        elif not self._seen:
            return None
        phase = order.phases[min(sweep.phase[row] for sweep, row in group)] if all(held) else None
        if phase is not None and phase.direction == "rest":
            self._forget()
            return None
        well = [ours and state != "off" for ours, state in zip(held, states, strict=True)]
        if not all(well):
            return self._lost(well, states) if any(state != "off" for state in states) else None
        if phase is None or "starting" in states:
            return None
        voltages_v = [sweep.voltage_v[row] for sweep, row in group]
        currents_a = [sweep.current_a[row] for sweep, row in group]
        why = self._voltages_apart(voltages_v) or self._currents_apart(voltages_v, currents_a, phase.voltage_v)
        return self._for_long(why, max(sweep.taken_s for sweep in sweeps.values()))

    def _lost(self, well: list[bool], states: list[Regulation]) -> str:
        names = zip(self._joint.parts, states, well, strict=True)
        lost = ", ".join(f"{part} ({state})" for part, state, is_well in names if not is_well)
        return f"{lost} ended its order alone"

    def _voltages_apart(self, voltages_v: list[float]) -> str | None:
        apart = self._ends(voltages_v)
        if apart is None or voltages_v[apart[1]] - voltages_v[apart[0]] <= self._tolerance_v:
            return None
        seen = " and ".join(f"{self._joint.parts[place]} sees {voltages_v[place]:.3f} V" for place in apart)
        return f"{seen} at one cell: a sense lead is open"

    def _currents_apart(self, voltages_v: list[float], currents_a: list[float], target_v: float) -> str | None:
        """At the voltage that is set one of them holds it, and the others need not give anything."""
        apart = self._ends(currents_a)
        if apart is None or any(abs(voltage_v - target_v) <= self._band_v for voltage_v in voltages_v):
            return None
        largest_a = max(map(abs, currents_a))
        if currents_a[apart[1]] - currents_a[apart[0]] <= max(self._joint.imbalance_ratio * largest_a, self._limit_a):
            return None
        least, most = sorted(apart, key=lambda place: abs(currents_a[place]))
        carried = [f"{self._joint.parts[place]} carries {currents_a[place]:.4g} A" for place in (least, most)]
        return f"{carried[0]}, {carried[1]}: the first has a bad contact or has failed"

    @staticmethod
    def _ends(values: list[float]) -> tuple[int, int] | None:
        """The places of the least and of the greatest; None where a value is missing."""
        if any(map(isnan, values)):
            return None
        return values.index(min(values)), values.index(max(values))

    def _for_long(self, why: str | None, taken_s: float) -> str | None:
        if why is None:
            self._forget()
            return None
        if not self._readings:
            self._since_s = taken_s
        self._readings += 1
        return why if self._readings >= APART_READINGS and taken_s - self._since_s >= APART_S else None

    def _forget(self) -> None:
        self._readings = 0
        self._since_s = 0.0


def agreement_v(sub_channel: ChannelRange) -> float:
    """Voltages of one cell are not further apart than this."""
    return 2 * sub_channel.voltage_accuracy_v + 6 * sub_channel.voltage_noise_v + sub_channel.voltage_resolution_v
