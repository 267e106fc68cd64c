"""The simulated cycler itself: its programs, its clockwork and its protections. It knows no host but for its cable.

Each channel holds one order: phases that follow one another without a gap, by the device's own clock or by its own
measurements, and limits that switch the channel off and leave an alarm until somebody acknowledges it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cycler.contract.capabilities import Capabilities, Watchdog
from cycler.contract.order import Order, Phase
from cycler.contract.sweep import Regulation
from sims.devices.cable import Cable
from sims.devices.metrology import Metrology
from sims.devices.program import achieve
from sims.devices.watch import NEVER, Watch
from sims.faults import Faults
from sims.terminal import REGULATIONS, Bank, Column, Supply

HOST_WATCHDOG = Watchdog(watches="host", timeout_s=3.0, proven=True)
BEAT_S = 1.0  # how often an autonomous device looks at its own readings without being asked
TIME_SLACK_S = 1e-6


class Refused(Exception):
    """The device does not do it, and says why."""


VOLTAGE, CURRENT, OUTPUT, STEP_TIME, CHARGED, DISCHARGED = range(6)
"""The rows of what the device shows, a column per channel: V, A, V, s (NaN without an order), Ah, Ah."""


@dataclass(slots=True)
class _Channel:
    row: int
    loaded: Order | None = None
    order: Order | None = None
    phase: int = 0
    alarm: str | None = None
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class CyclerHardware:
    """`capabilities` is what the device is set up for now; `order_ids` and `phases` are what it executes, a row per
    channel. All three are replaced, never changed.
    """

    def __init__(
        self, *, device: str, bank: Bank, capabilities: Capabilities, metrology: Metrology, faults: Faults
    ) -> None:
        rows = len(capabilities.channels)
        self.faults = faults
        self.cable = Cable(device, faults)
        self.order_ids: list[int] = [0] * rows
        self.phases: list[int] = [0] * rows
        self._bank = bank
        self._metrology = metrology
        self.capabilities = self._built = capabilities
        self._channels = [_Channel(row) for row in range(rows)]
        self._names = np.array([REGULATIONS] * rows, dtype=object)  # by row and code: what the device calls it
        self._every_row = np.arange(rows)
        self._codes = np.full(rows, -1)  # the regulations that `_named` was made of
        self._named: list[Regulation] = []
        self._shown = np.zeros((6, rows))
        self._since_s = np.full(rows, np.nan)
        self._silence_s_max = np.full(rows, NEVER)  # of the host, while an order runs …
        self._shortest_silence_s = NEVER  # … and the least of them
        self._watch = Watch(rows)
        self._dead_man: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        faults.wire(capabilities.channels, self.restart)

    # asked by the host

    def measure(self) -> Column:
        """Look at all channels; the device judges its own limits by what it sees. Good until the next look."""
        true, shown = self._bank.measure(), self._shown
        shown[VOLTAGE], shown[CURRENT], shown[OUTPUT] = true.voltage_v, true.current_a, true.output_v
        shown[CHARGED], shown[DISCHARGED] = true.charged_ah, true.discharged_ah
        self._metrology.show(shown[:OUTPUT])
        self._metrology.count(shown[CHARGED:])
        now_s = asyncio.get_running_loop().time()
        if self.faults.active:
            self.faults.distort(shown[:STEP_TIME], now_s=now_s, counted=shown[CHARGED:])
        if self._watch.armed and self._judge(shown[:OUTPUT], true.charged_ah, true.discharged_ah):
            return self.measure()
        np.subtract(now_s, self._since_s, out=shown[STEP_TIME])
        if true.regulation is not self._codes and not np.array_equal(true.regulation, self._codes):
            self._codes = true.regulation
            self._named = self._names[self._every_row, self._codes].tolist()
        return shown

    @property
    def regulation(self) -> Sequence[Regulation]:
        """Of all channels, when they were last measured."""
        return self._named

    def energised(self) -> list[bool]:
        """Which output relays are closed."""
        return [self._is_on(channel) for channel in self._channels]

    def alarms(self) -> list[str | None]:
        """What stands at each channel until it is acknowledged."""
        return [channel.alarm for channel in self._channels]

    # ordered by the host

    def commission(self) -> None:
        """Forget what was loaded and, unless the device is autonomous, switch the host watchdog on."""
        if any(self.energised()):
            raise Refused("outputs are on")
        for channel in self._channels:
            channel.loaded = None
        if not self._built.autonomous:
            self.capabilities = replace(self._built, watchdog=HOST_WATCHDOG)

    def load(self, row: int, order: Order) -> Order:
        """Take an order in, beside the one that runs, and answer with what it has become. Raises `Refused`."""
        channel = self._channels[row]
        if channel.alarm is not None:
            raise Refused(f"alarm {channel.alarm}: acknowledge it first")
        try:
            channel.loaded = achieve(order, self._built)
        except ValueError as error:
            raise Refused(str(error)) from None
        return channel.loaded

    def start(self, row: int) -> None:
        """Go over to the loaded order, in one step. Raises `Refused` where there is none: an off takes it away."""
        channel = self._channels[row]
        if channel.loaded is None:
            raise Refused("no order is loaded")
        order, channel.loaded = channel.loaded, None
        if self.faults.ignores("not-applied", row):
            return
        self._cancel_timers(channel)
        channel.order = order
        self._since_s[row] = asyncio.get_running_loop().time()
        if order.limits.time_s_max is not None:
            self._after(channel, order.limits.time_s_max, self.trip, row, "time")
        self._watch.limit(row, order.limits, self._throughput_ah(row))
        self._enter(channel, order, 0)
        watchdog = self.capabilities.watchdog
        silence_s_max = NEVER if watchdog is None else watchdog.timeout_s
        self._allow_silence(row, silence_s_max if order.dead_man_s is None else order.dead_man_s)
        self._expect_host()
        self._keep_beat()

    def open(self, rows: Collection[int]) -> list[int]:
        """Open these relays and forget these orders; the answer is which of them are closed nevertheless."""
        for row in rows:
            if not self.faults.ignores("off-ignored", row):
                self._end(self._channels[row])
        return [row for row in rows if self._is_on(self._channels[row])]

    def acknowledge(self, rows: Collection[int]) -> None:
        """Clear the alarms; the outputs stay open."""
        for row in rows:
            self._channels[row].alarm = None

    # what happens by itself

    def trip(self, row: int, alarm: str) -> None:
        """Switch a channel off and leave an alarm."""
        channel = self._channels[row]
        self._end(channel)
        channel.alarm = alarm

    def restart(self) -> None:
        """Power went and came back: outputs open, orders, alarms and settings gone."""
        for channel in self._channels:
            self._end(channel)
            channel.alarm = None
        self.capabilities = self._built

    def _enter(self, channel: _Channel, order: Order, number: int) -> None:
        row, phase = channel.row, order.phases[number]
        channel.phase = number
        self._bank.drive(row, self._supply(row, order, phase))
        self._names[row, REGULATIONS.index("cp")] = "limited" if phase.power_w is None else "cp"
        self._codes = np.full(len(self._channels), -1)
        self._watch.follow(row, phase, self._throughput_ah(row))
        for end in phase.ends:
            if end.quantity == "time_s":
                self._after(channel, end.value, self._leave, channel, order, number)
        self._show(row, order.order_id, number)

    def _leave(self, channel: _Channel, order: Order, number: int) -> None:
        """A phase has ended, unless something else ended it before."""
        if channel.order is not order or channel.phase != number:
            return
        if number + 1 < len(order.phases):
            self._enter(channel, order, number + 1)
        else:
            self._end(channel)

    def _end(self, channel: _Channel) -> None:
        self._cancel_timers(channel)
        channel.loaded = channel.order = None
        self._bank.drive(channel.row, Supply())
        self._since_s[channel.row] = np.nan
        self._allow_silence(channel.row, NEVER)
        self._watch.forget(channel.row)
        self._show(channel.row, 0, 0)

    def _show(self, row: int, order_id: int, phase: int) -> None:
        self.order_ids = [*self.order_ids[:row], order_id, *self.order_ids[row + 1 :]]
        self.phases = [*self.phases[:row], phase, *self.phases[row + 1 :]]

    def _supply(self, row: int, order: Order, phase: Phase) -> Supply:
        if phase.direction == "rest":
            return Supply()
        rated, limits = self._built.range, order.limits
        power_w = min(value for value in (rated.power_w_max, limits.power_w_max, phase.power_w) if value is not None)
        drifted_v = self.faults.drifted(row, now_s=asyncio.get_running_loop().time()) if self.faults.active else 0.0
        voltage_v = self._metrology.true_voltage_v(row, phase.voltage_v - drifted_v)
        if phase.direction == "charge":
            current_a = max(0.0, self._metrology.true_current_a(row, phase.current_a))
            return Supply(on=True, voltage_v=voltage_v, source_current_a=current_a, source_power_w=power_w)
        current_a = max(0.0, -self._metrology.true_current_a(row, -phase.current_a))
        resistance_ohm = phase.resistance_ohm or 0.0
        return Supply(
            on=True,
            voltage_v=voltage_v,
            sink_current_a=current_a,
            sink_power_w=power_w,
            sink_resistance_ohm=resistance_ohm,
        )

    @staticmethod
    def _is_on(channel: _Channel) -> bool:
        return channel.order is not None and channel.order.phases[channel.phase].direction != "rest"

    def _judge(self, shown: Column, charged_ah: Column, discharged_ah: Column) -> bool:
        """Whether a limit tripped or a phase ended, so that the readings are out of date."""
        trips, ends = self._watch.judge(shown, charged_ah, discharged_ah)
        for row, limit in trips:
            self.trip(row, limit)
        for row in ends:
            channel = self._channels[row]
            if channel.order is not None:
                self._leave(channel, channel.order, channel.phase)
        return bool(trips or ends)

    def _allow_silence(self, row: int, silence_s_max: float) -> None:
        self._silence_s_max[row] = silence_s_max
        self._shortest_silence_s = float(self._silence_s_max.min())

    def _expect_host(self) -> None:
        """Keep one timer, at the earliest instant at which the silence of the host could have lasted too long."""
        due_s = self.cable.heard_s + self._shortest_silence_s
        if self._dead_man is not None:
            if self._dead_man.when() <= due_s:
                return
            self._dead_man.cancel()
        self._dead_man = asyncio.get_running_loop().call_at(due_s, self._check_host) if due_s < NEVER else None

    def _check_host(self) -> None:
        self._dead_man = None
        silent_s = asyncio.get_running_loop().time() - self.cable.heard_s + TIME_SLACK_S
        if silent_s >= self._shortest_silence_s:
            for row in (self._silence_s_max <= silent_s).nonzero()[0].tolist():
                self._end(self._channels[row])
        self._expect_host()

    def _keep_beat(self) -> None:
        """An autonomous device watches its ends and limits whether a host asks or not."""
        if self._built.autonomous and self._beat is None and self._watch.armed:
            self._beat = asyncio.get_running_loop().call_later(BEAT_S, self._on_beat)

    def _on_beat(self) -> None:
        self._beat = None
        self.measure()
        self._keep_beat()

    def _throughput_ah(self, row: int) -> float:
        true = self._bank.measure()
        return float(true.charged_ah[row] + true.discharged_ah[row])

    def _after(self, channel: _Channel, delay_s: float, action: Callable[..., None], *arguments: Any) -> None:
        channel.timers.append(asyncio.get_running_loop().call_later(delay_s, action, *arguments))

    def _cancel_timers(self, channel: _Channel) -> None:
        for timer in channel.timers:
            timer.cancel()
        channel.timers.clear()
