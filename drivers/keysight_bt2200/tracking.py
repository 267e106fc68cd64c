"""Which order each channel executes, and what a look at the mainframe says of it."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import ChannelId, Regulation, Sweep
from drivers.keysight_bt2200.in_force import InForce
from drivers.keysight_bt2200.programs import Accepted, Program

BAND_V_MIN = 1e-3
STRAY_ACCURACIES = 5.0  # of 256 channels no one's noise may look like current


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What all channels showed at one instant, in the order of the tracker's channels; currents as the device signs
    them. `orders` were in force before it was asked who is `running`."""

    taken_s: float
    skew_s: float
    voltage_v: Sequence[float]
    current_a: Sequence[float]
    output_v: Sequence[float] | None = None  # the log alone has it
    running: Collection[ChannelId]
    orders: Mapping[ChannelId, InForce]


class Tracker:
    """One entry for each channel that executes an order of ours, as far as is known."""

    def __init__(self, channels: Sequence[ChannelId], declared: ChannelRange) -> None:
        self.orders: dict[ChannelId, InForce] = {}
        self._programs: dict[ChannelId, Program] = {}
        self._channels = tuple(channels)
        self.stray_a = STRAY_ACCURACIES * declared.current_accuracy_a  # from here on current flows where none should
        self._short_a = 2.0 * declared.current_accuracy_a
        self._band_v = max(BAND_V_MIN, 2.0 * declared.voltage_accuracy_v)
        self._flowed: set[ChannelId] = set()  # where, in the last look, current flowed that should not

    def begin(self, channel: ChannelId, accepted: Accepted, now_s: float) -> None:
        """It may run from now on."""
        program = accepted.program
        currents_a = [phase.current_a for phase in accepted.phases if phase.direction != "rest"]
        self.orders[channel] = InForce(
            order_id=accepted.order.order_id,
            phases=accepted.phases,
            durations_s=() if program is None else tuple(step.duration_s for step in program.steps),
            since_s=now_s,
            checks_s=accepted.checks_s,
            short_a=min([self._short_a, *(current_a / 2.0 for current_a in currents_a)]),
            band_v=self._band_v,
        )
        if program is not None:
            self._programs[channel] = program

    def end(self, channel: ChannelId) -> None:
        """It runs no more."""
        self.orders.pop(channel, None)
        self._programs.pop(channel, None)

    def clear(self) -> None:
        """None does."""
        self.orders.clear()
        self._programs.clear()

    @property
    def programs(self) -> Collection[Program]:
        """Those that run."""
        return self._programs.values()

    def settle(self, look: Look) -> None:
        """Forget the orders whose sequences the look shows to be over."""
        for channel, order in look.orders.items():
            if order.runs and channel not in look.running and self.orders.get(channel) is order:
                self.end(channel)

    def sweep(self, look: Look, *, taken_utc: datetime) -> Sweep:
        """Looks are taken in order of time."""
        now_s, running = look.taken_s, look.running
        currents_a, step_times_s = list(look.current_a), [math.nan] * len(self._channels)
        regulations: list[Regulation] = ["off"] * len(self._channels)
        order_ids, phases = [0] * len(self._channels), [0] * len(self._channels)
        flow: set[ChannelId] = set()
        for row, channel in enumerate(self._channels):
            order, runs = look.orders.get(channel), channel in running
            current_a = currents_a[row]
            if order is not None and self.orders.get(channel) is order and runs is order.runs:
                order_ids[row] = order.order_id
                shown = order.show(look.voltage_v[row], current_a, now_s)
                currents_a[row], regulations[row], phases[row], step_times_s[row] = shown
            elif runs:
                regulations[row] = "unknown"
            elif abs(current_a) >= self.stray_a:
                flow.add(channel)
                # State and current are asked for one after the other: only current that stays contradicts the state.
                if channel in self._flowed:
                    regulations[row] = "unknown"
        self._flowed = flow
        return Sweep(
            taken_s=now_s,
            taken_utc=taken_utc,
            skew_s=look.skew_s,
            channels=self._channels,
            voltage_v=look.voltage_v,
            current_a=currents_a,
            output_v=look.output_v,
            regulation=regulations,
            order_id=order_ids,
            phase=phases,
            step_time_s=step_times_s,
        )
