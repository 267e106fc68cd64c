"""The instrument itself: cells made of channels, sequences, and what runs by itself once it was started.

Source of the rules: programs that run the real instrument; no text of its maker. What they do not tell is in `Traits`.
Not simulated: the probe check's limit, interlock, digital port and events, tests on slopes and differences.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import numpy as np

from sims.devices.metrology import Metrology, PerfectMetrology
from sims.faults import Faults
from sims.terminal import Bank, Column, Supply
from sims.wire.keysight_bt2200.cells import (
    CARD_CHANNELS,
    CONFLICT,
    ILLEGAL,
    OUT_OF_RANGE,
    Cell,
    Refused,
    Result,
    Verdict,
)
from sims.wire.keysight_bt2200.channel_view import OPEN_V, ChannelView
from sims.wire.keysight_bt2200.datalog import DataLog
from sims.wire.keysight_bt2200.measuring import CURRENT, SENSE, Measuring
from sims.wire.keysight_bt2200.programs import Fired, Judge, Mode, Step, Watched
from sims.wire.keysight_bt2200.sequences import Sequences
from sims.wire.keysight_bt2200.traits import CARDS, Traits

BEAT_S = 1.0  # a log record, and a look at the tests, at least this often
OFF = Supply()


class Bt2200:
    """One mainframe, from power-on. `channels` are those that the bank's rows are wired to."""

    def __init__(
        self,
        bank: Bank,
        channels: Sequence[int],
        *,
        traits: Traits | None = None,
        metrology: Metrology | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.traits = traits or Traits()
        self.faults = faults or Faults()
        self.cells: dict[int, Cell] = {}
        self.sequences = Sequences(self._runs)
        self.probe_limit_ohm = float("inf")
        self.errors: list[int] = []
        self.lists: dict[str, list[Cell]] = {}  # of cells, as texts have named them
        self.log = DataLog()
        self._rows = {channel: row for row, channel in enumerate(channels)}
        self._view = ChannelView(self._rows)
        self._loop = asyncio.get_running_loop()
        self._measuring = Measuring(bank, len(channels), metrology=metrology or PerfectMetrology(), faults=self.faults)
        self._before = np.zeros((2, len(channels)))  # what had moved on each row when its sequence began: Ah, Wh
        self._watched: dict[int, Cell] = {}  # those that run, by row
        self._judge: Judge | None = Judge((), look_every_s=BEAT_S)
        self._powered_s = self._loop.time()
        self._beat: asyncio.TimerHandle
        self._digits: dict[Result, str] = {
            "NONE": "0", "OK": "4", "FAIL": self.traits.failed_digit, "ABORTED": self.traits.aborted_digit,
        }  # fmt: skip
        self._next_beat()

    # What it is told. All raise `Refused`.

    def define_cell(self, number: int, channels: tuple[int, ...]) -> None:
        """One cell of one or more channels."""
        taken = {channel for cell in self.cells.values() for channel in cell.channels}
        if not channels or not all(self._is_there(channel) for channel in channels):
            raise Refused(OUT_OF_RANGE)
        if number in self.cells or taken.intersection(channels) or len(set(channels)) < len(channels):
            raise Refused(CONFLICT)
        self.cells[number] = Cell(number, channels, self._rows.get(channels[0]))
        self._rewire()

    def define_cells(self, width: int) -> None:
        """Every cell of the mainframe anew, this many channels each: 1001, 1002 … on card 1."""
        if width < 1 or CARD_CHANNELS % width:
            raise Refused(ILLEGAL)
        self.clear_cells(list(self.cells))
        for card in (card for card, fitted in enumerate(self.traits.cards, 1) if fitted):
            for number in range(CARD_CHANNELS // width):
                first = 100 * card + number * width + 1
                channels = tuple(range(first, first + width))
                self.cells[1000 * card + number + 1] = Cell(1000 * card + number + 1, channels, self._rows.get(first))
        self._rewire()

    def clear_cells(self, numbers: Collection[int]) -> None:
        """None of them may run."""
        cells = self.selected(numbers)
        if any(cell.running for cell in cells):
            raise Refused(CONFLICT)
        for cell in cells:
            del self.cells[cell.number]
        self._rewire()

    def enable(self, numbers: Collection[int], sequence: int) -> None:
        """What a cell did before is forgotten."""
        cells = self.selected(numbers)
        steps = self.sequences.whole(sequence)
        if any(cell.running for cell in cells):
            raise Refused(CONFLICT)
        for cell in cells:
            cell.sequence, cell.steps, cell.step = sequence, steps, 0
            cell.verdict, cell.digit = Verdict(), "0"

    def initiate(self, numbers: Collection[int]) -> None:
        """Start what is enabled. A finished cell needs to be enabled again."""
        cells = self.selected(numbers)
        for cell in cells:
            if not cell.steps or cell.verdict.result != "NONE" or (cell.running and not self.traits.restarts_running):
                raise Refused(CONFLICT)
        self._measuring.look()
        for cell in cells:
            if cell.row is not None and self.faults.ignores("not-applied", cell.row):
                continue
            cell.running, cell.began_s, cell.digit = True, self._loop.time(), "1"
            self._view.runs(cell, running=True)
            if cell.row is not None:
                self._before[:, cell.row] = self._measuring.moved_ah[cell.row], self._measuring.moved_wh[cell.row]
            self._enter(cell, 1)

    def abort(self, numbers: Collection[int]) -> None:
        """Their outputs open, whether they run or not."""
        cells = self.selected(numbers)
        if self.traits.minds_idle_aborts and not all(cell.running for cell in cells):
            self.error(CONFLICT)
        for cell in cells:
            self._end(cell, Verdict(result="ABORTED") if cell.running else cell.verdict)

    def reset(self) -> None:
        """Everything off and forgotten, as after power-on."""
        for cell in self.cells.values():
            if cell.running:
                self._end(cell, Verdict(result="ABORTED"))
        self.cells.clear()
        self.sequences.steps.clear()
        self.errors.clear()
        self.probe_limit_ohm = float("inf")
        self._rewire()

    def error(self, code: int) -> None:
        """To the queue."""
        self.errors.append(code)

    def selected(self, numbers: Iterable[int]) -> list[Cell]:
        """The cells of these numbers. Raises `Refused` where one is not defined."""
        try:
            return [self.cells[number] for number in numbers]
        except KeyError:
            raise Refused(OUT_OF_RANGE) from None

    # What it shows.

    @property
    def now_s(self) -> float:
        """By its own clock."""
        return self._loop.time()

    def look(self) -> None:
        """Measure everything, and judge the tests by it."""
        measuring = self._measuring
        if not measuring.look():
            return
        if self._judge is None:
            watched = [Watched(row, cell.present, cell.step_began_s) for row, cell in self._watched.items()]
            self._judge = Judge(watched, look_every_s=BEAT_S)
        if not self._watched:
            return
        quantities = measuring.quantities()
        quantities[3:] -= self._before
        fired = self._judge.judge(quantities, self._loop.time())
        for true in fired:
            self._decide(true)
        if fired:
            measuring.look()

    def of_channels(self, what: Literal["voltage", "current"]) -> Sequence[str]:
        """All 256, V or A, as the instrument writes them."""
        self.look()
        shown, number = self._measuring.shown, self.traits.number
        if what == "voltage":
            return self._view.voltages(shown[SENSE], number)
        return self._view.currents(self._as_signed(shown[CURRENT]), number)

    def of_cells(self, numbers: Iterable[int], what: Literal["voltage", "current", "charge", "energy"]) -> list[float]:
        """V, A, and the Ah or Wh of the running or last sequence."""
        self.look()
        return [self._of_cell(cell, what) for cell in self.selected(numbers)]

    # What happens to it.

    def restart(self) -> None:
        """Power-cycle."""
        self.reset()
        self.log.clear()
        self._powered_s = self._loop.time()

    def power_off(self) -> None:
        """The outputs open, and its timers leave the loop."""
        self.reset()
        self._beat.cancel()

    # The machinery.

    def _enter(self, cell: Cell, number: int) -> None:
        step, now_s = cell.steps[number - 1], self._loop.time()
        flowed = number > 1 and cell.steps[number - 2].energises
        cell.step, cell.step_began_s = number, now_s
        self._cancel(cell)
        cell.timer = self._loop.call_later(step.duration_s, self._leave, cell)
        if cell.row is None:
            return
        self._watched[cell.row] = cell
        self._judge = None
        check_s = self._check_s(step.mode, flowed=flowed)
        self._measuring.drive(cell.row, _supply(step, flows=check_s == 0.0))
        if check_s:
            self._loop.call_later(check_s, self._pass_check, cell, number, now_s)

    def _check_s(self, mode: Mode, *, flowed: bool) -> float:
        if mode == "PRECHARGE2":
            return self.traits.precharge2_check_s
        return self.traits.charge_check_s if mode == "CHARGE" and not flowed else 0.0

    def _pass_check(self, cell: Cell, number: int, began_s: float) -> None:
        if cell.running and cell.row is not None and (cell.step, cell.step_began_s) == (number, began_s):
            self._measuring.drive(cell.row, _supply(cell.steps[number - 1], flows=True))

    def _leave(self, cell: Cell) -> None:
        """To the next step, or the end."""
        if cell.step < len(cell.steps):
            self._enter(cell, cell.step + 1)
        else:
            self._end(cell, Verdict(result="OK"))

    def _decide(self, true: Fired) -> None:
        cell = self._watched[true.row]
        if true.test.action == "FAIL":
            self._end(cell, Verdict(result="FAIL", test=true.test, measured=true.measured))
        else:
            self._leave(cell)

    def _end(self, cell: Cell, verdict: Verdict) -> None:
        self._cancel(cell)
        if cell.running:
            self._view.runs(cell, running=False)
        cell.running, cell.verdict, cell.digit = False, verdict, self._digits[verdict.result]
        if cell.row is not None:
            if self._watched.pop(cell.row, None) is not None:
                self._judge = None
            if not self.faults.ignores("off-ignored", cell.row):
                self._measuring.drive(cell.row, OFF)

    @staticmethod
    def _cancel(cell: Cell) -> None:
        if cell.timer is not None:
            cell.timer.cancel()
            cell.timer = None

    def _runs(self, sequence: int) -> bool:
        return any(cell.running and cell.sequence == sequence for cell in self.cells.values())

    def _is_there(self, channel: int) -> bool:
        card, number = divmod(channel, 100)
        return 1 <= card <= CARDS and self.traits.cards[card - 1] and 1 <= number <= CARD_CHANNELS

    def _rewire(self) -> None:
        """Cells have come or gone."""
        self._view.wire(self.cells.values())
        self.lists.clear()

    def _of_cell(self, cell: Cell, what: Literal["voltage", "current", "charge", "energy"]) -> float:
        row, measuring = cell.row, self._measuring
        if row is None:
            return OPEN_V if what == "voltage" else 0.0
        match what:
            case "voltage":
                return float(measuring.shown[SENSE][row])
            case "current":
                return float(self._as_signed(measuring.shown[CURRENT])[row])
            case "charge":
                return float(measuring.moved_ah[row]) - float(self._before[0, row])
            case "energy":
                return float(measuring.moved_wh[row]) - float(self._before[1, row])

    def _as_signed(self, current_a: Column) -> Column:
        if not self.traits.discharge_reads_positive:
            return current_a
        discharging = [row for row, cell in self._watched.items() if cell.present.mode == "DISCHARGE"]
        current_a = current_a.copy()
        current_a[discharging] = -current_a[discharging]
        return current_a

    def _next_beat(self) -> None:
        self._beat = self._loop.call_later(BEAT_S, self._on_beat)

    def _on_beat(self) -> None:
        self._next_beat()
        self.look()
        shown = self._measuring.shown
        self.log.add(
            self._view.record(
                shown,
                self._as_signed(shown[CURRENT]),
                time_ms=round(1000.0 * (self._loop.time() - self._powered_s)),
                names_cells=self.traits.names_cells_in_log,
            )
        )


def _supply(step: Step, *, flows: bool) -> Supply:
    """Between start and current the relay is closed and nothing flows."""
    if not step.energises:
        return OFF
    current_a = step.current_a if flows else 0.0
    if step.mode == "DISCHARGE":
        return Supply(on=True, voltage_v=step.voltage_v, sink_current_a=current_a)
    return Supply(on=True, voltage_v=step.voltage_v, source_current_a=current_a)
