"""Taking up a run that an earlier process has left: the step's entry and the last sample on record are the machine.

What lasts less than a step begins anew: debounces, the windows of slopes, the time in CV.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cycler.contract.order import Direction
from cycler.contract.sweep import Reading
from cycler.control.condition_watch import Now, WatchState
from cycler.control.course import CONTACT_LOOKS, Course
from cycler.control.machine_events import MachineEvent, OrderDue
from cycler.control.program_cursor import first, rest_before, step_at, variant_at
from cycler.control.progress import Climate, RunProgress, StepProgress
from cycler.control.resume_rule import Way
from cycler.control.step_in_force import net_direction
from cycler.model.cell import LedgerState
from cycler.model.results import NAS_PER_AH, CellOutcome, Sample
from cycler.recipe.plan import PlanStep, StepVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the journal knows of a cell: how its step began, the last sample, its outcome where it has one."""

    saved: bytes | None
    last: Sample | None
    outcome: CellOutcome | None
    ledger: LedgerState
    resumes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """When control was last alive, by that process's loop clock, and how long ago that is; by this one's clock, now."""

    lost_s: float
    passed_s: float
    now_s: float


class Resumption(Course):
    """How a run gets to where it was, and goes on from there."""

    __slots__ = ()

    def take_up(self, left: Left, outage: Outage, reading: Reading) -> None:
        """Stand where control was lost; a run that was over is so again, and one without a step has just begun.

        Raises `msgspec.DecodeError` for what another version of the program has saved.
        """
        saved, last = left.saved, left.last
        if saved is None:
            self._run = self._begun(outage.now_s)
            self._taken_s, self.voltage_v = outage.now_s, reading.voltage_v
            return
        self._run, _, present = msgspec.msgpack.decode(saved, type=tuple[RunProgress, Now, dict[str, Any]])
        self.load(present)
        if last is not None and last.elapsed_s > self.elapsed_s:
            self._stand_at(last)
        run, step = self._run, self._run.step
        elapsed_s = max(outage.lost_s - run.started_s + outage.passed_s, self.elapsed_s)
        run.started_s = outage.now_s - elapsed_s
        run.guards, run.awaited = {}, None
        if step is not None and run.over is None:
            self._interrupt(step, reading, gap_s=elapsed_s - self.elapsed_s)
        self._taken_s, self.elapsed_s = outage.now_s, elapsed_s
        if step is not None:
            self._settle_in(step, Now())
        self._arm_guards()

    @property
    def interrupted_s(self) -> float:
        """How long the step in force has been without control."""
        return 0.0 if self._run.step is None else self._run.step.gap_s

    @property
    def climate(self) -> Climate | None:
        """What the chamber of the cell is to keep."""
        return self._run.climate

    @property
    def charges(self) -> Direction:
        """Where the current of the step in force goes, as a whole; `rest` where none does."""
        return "rest" if self._step is None or _rests(self._step.variant) else net_direction(self._step.variant)

    def has_counted(self, reading: Reading) -> bool:
        """The device's own counter has gone on from where it was: it knows what has flowed since."""
        zero, into_ah, out_ah = self._zero_nas, reading.charged_ah, reading.discharged_ah
        if zero is None or into_ah is None or out_ah is None:
            return False
        return _nas(into_ah) - zero[0] >= self.charged_nas and _nas(out_ah) - zero[1] >= self.discharged_nas

    def executes(self, reading: Reading) -> bool:
        """The device still is at the order in force."""
        return reading.order_id == self._order_id != 0 and reading.regulation not in ("off", "starting")

    @property
    def has_rest_before(self) -> bool:
        """There is one that a step may begin with which is never resumed inside."""
        step = self._run.step
        return step is not None and rest_before(self._plan.program, step.cursor) is not None

    @property
    def set_chamber_last(self) -> PlanStep | None:
        """Of the steps behind the one in force: the last that has set the chamber."""
        step = self._run.step
        behind = () if step is None else self._plan.program[: step.cursor.index]
        steps = [each for each in behind if isinstance(each, PlanStep) and each.chamber is not None]
        return steps[-1] if steps else None

    @property
    def in_force(self) -> tuple[OrderDue, int]:
        """What the step in force was ordered by. Of a run that has one."""
        step, program = self._run.step, self._plan.program
        assert step is not None  # noqa: S101 (a device is at its order)
        due = OrderDue(
            step=step_at(program, step.cursor),
            variant=variant_at(program, step.cursor),
            first_phase=step.order_phase,
            rest_v=self.voltage_v,
            lower_armed=self._run.lower_armed,
        )
        return due, self._order_id

    def go_on(self, way: Way, text: str) -> Sequence[MachineEvent]:
        """After `take_up` of a run that is not over: in the way that was decided on, for this reason."""
        step = self._run.step
        if step is None or way == "begin":
            return self._await(first(self._plan.program), 0)
        if way == "inside":
            step.contact_looks = CONTACT_LOOKS if self._measures_output else 0
            return self._await(step.cursor, step.phase, goes_on=True)
        if way == "adopt":
            self._relay_open = False
            self._narrow()
            return ()
        events: list[MachineEvent] = []
        self._see_end("host-loss", text)
        if way == "end":
            self._finish("host-loss", text, "stopped", "INTERRUPTED", events)
        else:
            before = rest_before(self._plan.program, step.cursor) if way == "from the rest before" else None
            self._go_on(before or step.cursor, events)
        return events

    def _stand_at(self, last: Sample) -> None:
        counters = last.counters
        self.charged_nas, self.discharged_nas = counters.charged_nas, counters.discharged_nas
        self.charged_nws, self.discharged_nws = counters.charged_nws, counters.discharged_nws
        self.voltage_v, self.temperature_degc = last.voltage_v, last.temperature_degc
        self.elapsed_s, self.step_time_s = last.elapsed_s, last.step_time_s
        self._integrate_from_here()

    def _interrupt(self, step: StepProgress, reading: Reading, *, gap_s: float) -> None:
        """What flowed since the last sample is known to the device's counter, or to nobody."""
        variant = variant_at(self._plan.program, step.cursor)
        step.interrupted, step.gap_s = True, step.gap_s + gap_s
        conditions = (*variant.fail, *variant.until)
        step.watches = [WatchState(judged=c.window == "at" and c.window_s < self.step_time_s) for c in conditions]
        step.current, step.held, step.cv_since_s, step.slope_readings = WatchState(), False, None, []
        if self.has_counted(reading):
            self._counted_in_ah, self._counted_out_ah = reading.charged_ah or 0.0, reading.discharged_ah or 0.0
            self._settle_counters()
        else:
            self._zero_nas = None
            self._counted_in_ah = self._counted_out_ah = float("nan")
            step.charge_unknown = step.charge_unknown or not _rests(variant)
        self._integrate_from_here()
        step.entry_host_nas = step.entry.charged_nas - step.entry.discharged_nas
        if _rests(variant) and not variant.phases[0].held:  # what is over by itself is no longer than it may be
            longest_s = max(step_at(self._plan.program, step.cursor).time_s_max, self.step_time_s)
            self.step_time_s = min(self.step_time_s + gap_s, longest_s)
        self.current_a = 0.0
        self._regulation, self._relay_open = "unknown", True


def _rests(variant: StepVariant) -> bool:
    return all(phase.direction == "rest" for phase in variant.different)


def _nas(charge_ah: float) -> int:
    return int(charge_ah * NAS_PER_AH + 0.5)


def order_in_force(saved: bytes) -> int:
    """Of what was saved: the id of the order that the step in force began with; 0 where none was."""
    run, _, present = msgspec.msgpack.decode(saved, type=tuple[RunProgress, Now, dict[str, Any]])
    in_force = run.step is not None and run.over is None
    return int(present["_order_id"]) if in_force else 0
