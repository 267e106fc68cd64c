"""Somebody sets the PC's clock in the middle of a run: nothing ends, lengthens or changes its place because of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cycler.control.clock_watch import STEP_S_MIN, ClockWatch
from cycler.control.rack_log import RackLog
from cycler.model.results import Event
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder
from sims.testing.rack_run import RackRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, rest, voltage

HALF_AN_HOUR = (charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(20))), rest(minutes=10))
STEPPED = "clock.stepped"


def ran(step_s: float | None = None, *, for_s: float | None = None) -> RackRun:
    rack = SimRack().load("c1").load("c2", bay="B02", device="cyc-02").enclose("B01", "B02")
    if step_s is not None:
        rack.disturb("", "clock-step", after_s=600.0, for_s=for_s, step_s=step_s)
    return rack.run("soak: {chamber: 25 degC, hold: 1 min, timeout: 1 h}", *HALF_AN_HOUR)


def course(run: RackRun) -> list[Event]:
    """What happened in which order, but for what the wall clock said of it."""
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return [replace(event, utc=then) for event in run.events if event.event != STEPPED]


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, -40 * 86400.0])
def test_a_step_of_the_clock_changes_nothing_in_what_is_done_and_recorded(step_s: float) -> None:
    sound, stepped = ran(), ran(step_s)
    assert stepped.cells == sound.cells
    assert course(stepped) == course(sound)


def test_a_step_of_the_clock_is_on_record_once_each_time() -> None:
    run = ran(-3600.0, for_s=300.0)
    back, forward = run.happened(STEPPED)
    assert (back.code, forward.code) == ("50", "50")
    assert "set back by 3600.0 s" in back.text
    assert "set forward by 3600.0 s" in forward.text
    assert forward.elapsed_s - back.elapsed_s == pytest.approx(300.0, abs=5.0)
    assert ran().happened(STEPPED) == []


def test_the_wall_clock_of_what_is_recorded_is_the_one_on_the_wall() -> None:
    run = ran(3600.0)
    before, after = run.events[0], run.events[-1]
    assert after.utc - before.utc > timedelta(hours=1)
    assert after.elapsed_s < 3600.0


def test_a_clock_that_is_slewed_is_no_step(tmp_path: Path) -> None:
    class Deaf(RackLog):
        def __init__(self) -> None: ...

        def record(self, event: str, **_: object) -> None:
            raise AssertionError(event)

    async def inline(work: Callable[[], None]) -> None:
        work()

    async def main() -> None:
        began_utc = datetime(2026, 1, 1, tzinfo=UTC)
        now_s = 0.0
        journal = Journal(tmp_path, rack="R1", opened_utc=began_utc)
        recorder = Recorder(journal, run_blocking=inline, on_failure=print)
        watch = ClockWatch(lambda: began_utc + timedelta(seconds=now_s * (1 + 5e-4)), Deaf(), recorder)
        for look in range(5000):
            now_s = 2.0 * look
            watch.look(now_s)
        assert now_s * 5e-4 > STEP_S_MIN
        await recorder.aclose()

    asyncio.run(main())
