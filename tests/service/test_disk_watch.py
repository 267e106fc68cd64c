"""What fills the disk of a store is told of before it is full."""

import asyncio
import shutil
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from service_bench import ServiceBench, in_service

from cycler.model.alarm import AlarmCode
from cycler.record.schema import journal_path
from cycler.service.disk_watch import LOOK_EVERY_S, DiskWatch


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def alarms(bench: ServiceBench) -> list[tuple[AlarmCode, str]]:
    return [(alarm.code, alarm.state) for alarm in bench.service.running.controller.alarms.standing]


def test_a_disk_that_gets_low_is_an_alarm_until_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(bench: ServiceBench) -> list[list[tuple[AlarmCode, str]]]:
        found = []
        watch = asyncio.create_task(DiskWatch(bench.service.running, tmp_path).run())
        for free in (10**12, 10**9, 10**12):
            monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(10**13, 10**13 - free, free))
            await asyncio.sleep(LOOK_EVERY_S + 1.0)
            found.append(alarms(bench))
        watch.cancel()
        return found

    before, low, after = in_service(tmp_path, scenario)
    assert before == []
    assert low == [(AlarmCode.DISK_LOW, "unacknowledged")]
    assert after == [(AlarmCode.DISK_LOW, "returned")]


def test_a_reader_that_does_not_end_is_an_alarm_when_the_wal_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(bench: ServiceBench) -> str:
        recorder = bench.service.running.recorder
        monkeypatch.setattr("cycler.service.disk_watch.WAL_BYTES_MAX", 3_000_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**13, 0, 10**13))
        watch = asyncio.create_task(DiskWatch(bench.service.running, tmp_path).run())
        reader = apsw.Connection(str(journal_path(tmp_path / "store")), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM epochs").get == 1
        for number in range(10):
            recorder.keep("test", "large", bytes([number]) * 1_000_000)
            await recorder.durable()
        await asyncio.sleep(LOOK_EVERY_S)
        (alarm,) = bench.service.running.controller.alarms.standing
        reader.close()
        for number in range(10):
            recorder.keep("test", "large", bytes([number]))
            await recorder.durable()
        await asyncio.sleep(LOOK_EVERY_S)
        assert [each.state for each in bench.service.running.controller.alarms.standing] == ["returned"]
        watch.cancel()
        return alarm.text

    assert "a program that reads the store does not end" in in_service(tmp_path, scenario)
