"""Alarms on record: with what else happened in the same instant, and there again after a restart."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from alarms import RAISED_UTC, raised
from formed_tray import A2, A10, RUN_ID, TRAY, ended, recording

from cycler.model.alarm_record import Alarm, AlarmChange, TripSamples, in_short
from cycler.model.rack import PositionId
from cycler.record.reader import Reader
from cycler.record.recorder import Recorder
from cycler.record.schema import journal_path
from sims.loop import run_virtual

SAMPLES = TripSamples(
    position=A2, time_s=(-1.0, 0.0), voltage_v=(4.2, 4.3), current_a=(1.0, 1.0), temperature_degc=(25.0, 25.5)
)


def came(alarm: Alarm) -> AlarmChange:
    return AlarmChange(utc=alarm.changed_utc, alarm=alarm.number, act="raise", state=alarm.state)


def over(alarm: Alarm) -> tuple[Alarm, AlarmChange]:
    after = replace(alarm, state="normal", is_active=False, changed_utc=RAISED_UTC + timedelta(hours=1))
    return after, AlarmChange(utc=after.changed_utc, alarm=alarm.number, act="clear", state="normal")


def test_an_alarm_is_read_back_with_its_trail_and_the_readings_before_its_trip(tmp_path: Path) -> None:
    async def main() -> None:
        async with recording(tmp_path) as recorder:
            recorder.start_run(TRAY)
            alarm = raised(recorder.next_alarm_number(), positions=(A2,))
            recorder.alarm(alarm, came(alarm), [SAMPLES])
            recorder.alarm(*over(alarm))
            await recorder.durable()
        with Reader(tmp_path) as reader:
            (found,) = reader.alarms()
            assert reader.record(RUN_ID).alarms == (found,)
        assert found.alarm == over(alarm)[0]
        assert [change.act for change in found.changes] == ["raise", "clear"]
        assert found.samples == (SAMPLES,)

    run_virtual(main())


def test_an_alarm_belongs_to_the_runs_at_its_positions(tmp_path: Path) -> None:
    b2 = PositionId("B02/A1")
    other = replace(
        TRAY,
        run_id="20260101-002",
        cells={b2: replace(TRAY.cells[A2], cell_id="c-3")},  # type: ignore[arg-type]
    )

    async def main() -> tuple[list[int], list[int]]:
        async with recording(tmp_path) as recorder:
            recorder.start_run(TRAY)
            recorder.start_run(other)
            for positions in ((A2,), (b2,), (A10, b2), (), ("B09/A1",)):
                alarm = raised(recorder.next_alarm_number(), positions=positions)
                recorder.alarm(alarm, came(alarm))
            for position in (A2, A10):
                recorder.outcome(ended(position))
            late = raised(recorder.next_alarm_number(), positions=(A2,))  # its run is over, and was the latest there
            recorder.alarm(late, came(late))
            await recorder.durable()
        with Reader(tmp_path) as reader:
            first, second = ([a.alarm.number for a in reader.record(run).alarms] for run in (RUN_ID, other.run_id))
        return first, second

    assert run_virtual(main()) == ([1, 3, 4, 6], [2, 3, 4])


def test_a_new_opening_finds_what_was_not_over_and_goes_on_counting(tmp_path: Path) -> None:
    async def opened() -> tuple[Recorder, list[int]]:
        async with recording(tmp_path) as recorder:
            found = [alarm.number for alarm in recorder.alarms_found]
            for _ in range(2):
                alarm = raised(recorder.next_alarm_number())
                recorder.alarm(alarm, came(alarm))
            recorder.alarm(*over(alarm))
            await asyncio.sleep(2)
        return recorder, found

    assert run_virtual(opened())[1] == []
    assert run_virtual(opened())[1] == [1]
    assert run_virtual(opened())[1] == [1, 3]


@pytest.mark.parametrize("tampering", ["UPDATE alarm_changes SET alarm = 9", "DELETE FROM alarm_changes"])
def test_the_trail_is_only_added_to(tmp_path: Path, tampering: str) -> None:
    async def main() -> None:
        async with recording(tmp_path) as recorder:
            alarm = raised(recorder.next_alarm_number())
            recorder.alarm(alarm, came(alarm))
            await recorder.durable()

    run_virtual(main())
    connection = apsw.Connection(str(journal_path(tmp_path)))
    with pytest.raises(apsw.ConstraintError, match="only added"):
        connection.execute(tampering)
    connection.close()


@pytest.mark.parametrize(
    ("positions", "text"),
    [
        ([f"B01/A{n}" for n in range(1, 33)], "B01/A1..A32"),
        (["B02/A1", "B01/A2", "B01/A1", "B01/B7"], "B01/A1..A2, B01/B7, B02/A1"),
        (["S01/10", "S01/9", "S01/11", "S01/13"], "S01/9..11, S01/13"),
        (["B01/A01", "B01/left", "B01/right"], "B01/A01, B01/left, B01/right"),
        ([], ""),
    ],
    ids=["a row", "several", "numbers", "names", "none"],
)
def test_neighbours_are_named_as_rack_files_write_them(positions: list[str], text: str) -> None:
    assert in_short(PositionId(each) for each in positions) == text
