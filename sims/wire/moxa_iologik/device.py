"""The module itself: its channels, its host watchdog and what that does to them. It knows no wire.

Source of the rules: the maker's user's manual, appendix A. Where it is silent (what an output in safe status does with
writes, and whether its old command comes back), the kinder reading is the default and the other one a setting.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sims.faults import Faults

RANGE_MA = (4.0, 20.0)

SafeValue = Literal["off", "on", "hold"]


@dataclass(frozen=True, slots=True)
class Channels:
    """Digital inputs, those that are either, outputs, analogue inputs; and where the latter's registers stand.

    `current_table`: raw, scaled, state, mode, burn-out limit.
    """

    inputs: int
    dios: int
    outputs: int
    analogue: int = 0
    current_table: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


MODELS: Mapping[str, Channels] = {
    "E1210": Channels(16, 0, 0),
    "E1211": Channels(0, 0, 16),
    "E1212": Channels(8, 8, 0),
    "E1214": Channels(6, 0, 6),
    "E1240": Channels(0, 0, 0, 8, (0x0000, 0x0008, 0x003C, 0x0018, 0x0028)),
    "E1242": Channels(4, 4, 0, 4, (0x0200, 0x0208, 0x0240, 0x0220, 0x0230)),
}


@dataclass(slots=True, kw_only=True)
class IologikSetup:
    """Jumpers, firmware, and what is set on the web page; kept without power."""

    model: str = "E1212"
    mac: str = "0090E8000001"  # with the maker's prefix
    dio_outputs: frozenset[int] = frozenset(range(8))
    watchdog_s: float | None = None  # off from the factory
    safe_values: dict[int, SafeValue] = field(default_factory=dict)  # by output; off where nothing is said
    keeps_commands: bool = False  # an output that leaves safe status goes where it was last told to go
    newer: bool = True  # the firmware of the newer manual: names its model, shows safe status as discrete inputs
    counters: frozenset[int] = frozenset()  # inputs in counter mode


class IologikDevice:
    """One module, from power-on. Call `power_off` to take its timer off the loop.

    `moved(line, closed)` hears of every output that really moves.
    """

    def __init__(
        self, setup: IologikSetup, *, moved: Callable[[str, bool], None], faults: Faults | None = None
    ) -> None:
        channels = MODELS[setup.model]
        either = range(channels.dios)
        self.setup = setup
        self.channels = channels
        self.faults = faults or Faults()
        self.inputs = {  # high is what a healthy normally-closed contact gives
            **dict.fromkeys(range(channels.inputs), True),
            **{channels.inputs + dio: True for dio in either if dio not in setup.dio_outputs},
        }
        self.outputs = dict.fromkeys(
            (*range(channels.outputs), *(dio for dio in either if dio in setup.dio_outputs)), False
        )
        self.pulses = dict.fromkeys(self.outputs, False)
        self.counts = dict.fromkeys(self.inputs, 0)
        self.counting = {channel: channel in setup.counters for channel in self.inputs}
        self.current_ma = [RANGE_MA[0]] * channels.analogue
        self.current_modes = [1] * channels.analogue
        self.burn_out_ma = [2.0] * channels.analogue
        self.watchdog_alarm = False
        self.safe: set[int] = set()  # outputs in safe status
        self._commands = dict(self.outputs)
        self._moved = moved
        self._rows = {channel: row for row, channel in enumerate(self.outputs)}
        self._loop = asyncio.get_running_loop()
        self._powered_s = self._loop.time()
        self._heard_s = self._powered_s
        self._watchdog: asyncio.TimerHandle | None = None
        self._shown = self._lines()

    @property
    def up_s(self) -> int:
        """Since power-on."""
        return int(self._loop.time() - self._powered_s)

    def heard(self) -> None:
        """A Modbus request came: the watchdog starts over."""
        self._heard_s = self._loop.time()
        if self._watchdog is None and self.setup.watchdog_s is not None and not self.watchdog_alarm:
            self._watchdog = self._loop.call_at(self._heard_s + self.setup.watchdog_s, self._check_watchdog)

    def shown(self) -> tuple[Mapping[int, bool], Mapping[int, bool]]:
        """Inputs and outputs as its registers have them."""
        if not self.faults.strikes("frozen"):
            self._shown = self._lines()
        return self._shown

    def set_input(self, channel: int, high: bool) -> None:
        """What is wired to it."""
        if self.counting[channel] and high and not self.inputs[channel]:
            self.counts[channel] += 1
        self.inputs[channel] = high

    def command(self, outputs: Mapping[int, bool]) -> None:
        """Has no effect on outputs in safe status."""
        for channel, on in outputs.items():
            if channel not in self.safe:
                self._commands[channel] = on
                self._move(channel, on)
            elif self.setup.keeps_commands:
                self._commands[channel] = on

    def clear_watchdog_alarm(self) -> None:
        """Outputs may leave safe status from now on."""
        self.watchdog_alarm = False
        self.heard()

    def leave_safe_status(self, channel: int) -> None:
        """No effect as long as the alarm stands."""
        if not self.watchdog_alarm and channel in self.safe:
            self.safe.remove(channel)
            self._move(channel, self._commands[channel])

    def current_state(self, channel: int) -> int:
        """0 normal, 1 burn-out, 2 over range, 3 under range."""
        current_ma, mode = self.current_ma[channel], self.current_modes[channel]
        if mode == 4 and current_ma < self.burn_out_ma[channel]:
            return 1
        if current_ma > RANGE_MA[1]:
            return 2
        return 3 if mode != 2 and current_ma < RANGE_MA[0] else 0

    def restart(self) -> None:
        """Power-cycle: every output off, nothing in safe status."""
        self.power_off()
        self.watchdog_alarm = False
        self.safe.clear()
        self.pulses = dict.fromkeys(self.pulses, False)
        self._powered_s = self._loop.time()

    def power_off(self) -> None:
        """The outputs fall off."""
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        for channel in self.outputs:
            self._commands[channel] = False
            self._move(channel, False)

    def _check_watchdog(self) -> None:
        self._watchdog = None
        due_s = self._heard_s + (self.setup.watchdog_s or 0.0)
        if self._loop.time() < due_s:
            self._watchdog = self._loop.call_at(due_s, self._check_watchdog)
            return
        self.watchdog_alarm = True
        for channel in self.outputs:
            value = self.setup.safe_values.get(channel, "off")
            self.safe.add(channel)
            if value != "hold":
                self._move(channel, value == "on")
            if not self.setup.keeps_commands:
                self._commands[channel] = self.outputs[channel]

    def _move(self, channel: int, on: bool) -> None:
        if self.outputs[channel] is on or self._holds(self._rows[channel], on):
            return
        self.outputs[channel] = on
        self._moved(f"DO{channel}", on)

    def _holds(self, row: int, on: bool) -> bool:
        """Whether something is wrong with this output."""
        if on:
            return self.faults.strikes("stuck-open", row) or self.faults.ignores("not-applied", row)
        return self.faults.strikes("stuck-closed", row) or self.faults.ignores("off-ignored", row)

    def _lines(self) -> tuple[Mapping[int, bool], Mapping[int, bool]]:
        """An output in safe status shows its command where that is kept, else what it does."""
        commanded = {channel: self._commands[channel] for channel in self.safe if self.setup.keeps_commands}
        inputs = {channel: high != self.faults.inverts(f"DI{channel}") for channel, high in self.inputs.items()}
        return inputs, {**self.outputs, **commanded}
