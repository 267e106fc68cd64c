"""The recorder on the event loop: what is durable, when, and what happens when nothing can be."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from formed_tray import (
    A2,
    A10,
    BEGAN_UTC,
    CHARGE,
    REST,
    RUN_ID,
    TRAY,
    ended,
    give_sample,
    happened,
    record_of,
    recording,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cycler.record.journal import Batch, Journal, JournalDelayed, JournalFailed
from cycler.record.reader import Reader
from cycler.record.recorder import Recorder
from sims.loop import run_inline, run_virtual


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def seconds_kept(store: Path) -> list[float]:
    with Reader(store) as reader:
        return reader.curves(RUN_ID)[A10].elapsed_s.tolist()


def test_everything_that_was_given_is_there_after_closing(store: Path) -> None:
    async def main() -> None:
        async with recording(store) as recorder:
            handles = recorder.start_run(TRAY)
            give_sample(recorder, handles[A10], elapsed_s=1.0)
            recorder.step_result(A10, CHARGE)
            recorder.step_result(A10, REST)
            recorder.checkpoint(A10, b"first")
            recorder.checkpoint(A10, b"second")
            recorder.event(happened("step.ended", position=A10))
            recorder.outcome(ended(A10))

    run_virtual(main())
    record = record_of(store)
    assert record.run == TRAY
    assert record.steps == {A10: (CHARGE, REST)}
    assert record.checkpoints == {A10: b"second"}
    assert record.outcomes == {A10: ended(A10)}
    assert record.events == (happened("step.ended", position=A10),)
    assert seconds_kept(store) == [1.0]


def test_numbers_that_are_missing_stay_missing(store: Path) -> None:
    blind = replace(CHARGE, end_voltage_v=float("nan"))

    async def main() -> None:
        async with recording(store) as recorder:
            recorder.start_run(TRAY)
            recorder.step_result(A2, blind)

    run_virtual(main())
    (kept,) = record_of(store).steps[A2]
    assert kept.end_voltage_v != kept.end_voltage_v
    assert replace(kept, end_voltage_v=0.0) == replace(blind, end_voltage_v=0.0)


def test_what_waits_is_committed_at_once_and_the_rest_within_the_interval(store: Path) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        async with recording(store, commit_every_s=10.0) as recorder:
            handles = recorder.start_run(TRAY)
            waited_from_s = loop.time()
            await recorder.durable()
            at_once_s = loop.time() - waited_from_s
            give_sample(recorder, handles[A10], elapsed_s=1.0)
            await asyncio.sleep(10.5)
            return [at_once_s, *seconds_kept(store)]

    assert run_virtual(main()) == [0.0, 1.0]


def test_many_who_wait_share_one_commit(store: Path) -> None:
    committed: list[int] = []

    class CountingJournal(Journal):
        def commit(self, batch: Batch) -> None:
            committed.append(batch.number)
            super().commit(batch)

    async def main() -> None:
        journal = CountingJournal(store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=run_inline, on_failure=pytest.fail, commit_every_s=100.0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            recorder.start_run(TRAY)
            await asyncio.gather(*(recorder.durable() for _ in range(50)))
            await recorder.aclose()

    run_virtual(main())
    assert committed == [1]


def test_who_waits_waits_only_for_what_came_before(store: Path) -> None:
    async def main() -> list[float]:
        disk = DiskTrouble()
        journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=disk, on_failure=pytest.fail, commit_every_s=100.0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            give_sample(recorder, handles[A10], elapsed_s=1.0)
            disk.may_go_on.clear()
            waiting = tasks.create_task(recorder.durable())
            await asyncio.sleep(1.0)  # its commit is under way
            give_sample(recorder, handles[A10], elapsed_s=2.0)
            disk.may_go_on.set()
            await waiting
            kept = seconds_kept(store)
            await recorder.aclose()
        return kept

    assert run_virtual(main()) == [1.0]


def test_nothing_on_the_way_means_nothing_to_wait_for(store: Path) -> None:
    async def main() -> None:
        async with recording(store) as recorder:
            await recorder.durable()

    run_virtual(main())


@settings(max_examples=15)  # each opens real files
@given(count=st.integers(0, 500), restarts=st.integers(1, 3))
def test_order_ids_never_repeat_not_even_over_restarts(
    tmp_path_factory: pytest.TempPathFactory, count: int, restarts: int
) -> None:
    store = tmp_path_factory.mktemp("ids") / "store"
    given_out: list[int] = []

    async def main() -> None:
        journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=run_inline, on_failure=pytest.fail)
        given_out.extend(recorder.next_order_id() for _ in range(count))
        journal.close()  # nothing was committed: as after a crash

    for _ in range(restarts):
        run_virtual(main())
    assert all(order_id > 0 for order_id in given_out)
    assert given_out == sorted(set(given_out))
    assert len(given_out) == restarts * count


def test_run_ids_go_on_after_a_restart(store: Path) -> None:
    async def main() -> str:
        async with recording(store) as recorder:
            run_id = recorder.next_run_id(BEGAN_UTC)
            recorder.start_run(replace(TRAY, run_id=run_id))
            return run_id

    assert [run_virtual(main()) for _ in range(3)] == ["20260101-001", "20260101-002", "20260101-003"]


def test_a_run_is_not_begun_twice(store: Path) -> None:
    async def main() -> None:
        async with recording(store) as recorder:
            recorder.start_run(TRAY)
            with pytest.raises(ValueError, match="in the journal already"):
                recorder.start_run(TRAY)

    run_virtual(main())


def test_an_event_without_a_position_belongs_to_every_run_that_is_going_on(store: Path) -> None:
    other = replace(TRAY, run_id="20260101-002", cells={"B02/A1": TRAY.cells[A2]})

    async def main() -> None:
        async with recording(store) as recorder:
            recorder.event(happened("rack.ready"))
            recorder.start_run(TRAY)
            recorder.start_run(other)
            recorder.event(happened("device.lost", device="psb-01"))
            recorder.outcome(ended(A2))
            recorder.outcome(ended(A10))
            recorder.event(happened("device.found", device="psb-01"))
            recorder.event(happened("run.ended"), run_id=RUN_ID)

    run_virtual(main())
    assert [event.event for event in record_of(store).events] == ["device.lost", "run.ended"]
    assert [event.event for event in record_of(store, other.run_id).events] == ["device.lost", "device.found"]


@settings(max_examples=15)
@given(charged_nas=st.lists(st.integers(0, 10**16), min_size=1, max_size=30))
def test_counters_come_back_to_the_last_digit(tmp_path_factory: pytest.TempPathFactory, charged_nas: list[int]) -> None:
    store = tmp_path_factory.mktemp("counters") / "store"

    async def main() -> None:
        async with recording(store) as recorder:
            handles = recorder.start_run(TRAY)
            for second, value in enumerate(charged_nas):
                give_sample(recorder, handles[A10], elapsed_s=second, charged_nas=value)

    run_virtual(main())
    with Reader(store) as reader:
        curve = reader.curves(RUN_ID)[A10]
    assert [round(value * 3.6e12) for value in curve.charged_ah.tolist()] == pytest.approx(charged_nas, rel=1e-15)


class DiskTrouble:
    """Blocking work that fails, or hangs until it is let go."""

    def __init__(self) -> None:
        self.failure: JournalFailed | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, work: Callable[[], None]) -> None:
        await self.may_go_on.wait()
        if self.failure is not None:
            raise self.failure
        work()


def test_a_failed_commit_is_told_to_everyone_and_never_tried_again(store: Path) -> None:
    told: list[str] = []

    async def main() -> None:
        disk = DiskTrouble()
        journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=disk, on_failure=told.append, commit_every_s=1.0)
        async with asyncio.TaskGroup() as tasks:
            committing = tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            await recorder.durable()
            disk.failure = JournalFailed("the disk is gone")
            give_sample(recorder, handles[A10], elapsed_s=1.0)
            answers = await asyncio.gather(*(recorder.durable() for _ in range(3)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [JournalFailed] * 3
            disk.failure = None
            give_sample(recorder, handles[A10], elapsed_s=2.0)
            recorder.step_result(A10, CHARGE)
            with pytest.raises(JournalFailed, match="the disk is gone"):
                await recorder.durable()
            assert committing.done()
            assert recorder.failure == "the disk is gone"
            await recorder.aclose()

    run_virtual(main())
    assert told == ["the disk is gone"]
    assert record_of(store).steps == {}


def test_a_disk_that_hangs_fails_the_journal_and_never_the_sweep(store: Path) -> None:
    told: list[str] = []

    async def main() -> None:
        disk = DiskTrouble()
        journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=disk, on_failure=told.append, commit_every_s=1.0, samples_max=100)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            await recorder.durable()
            disk.may_go_on.clear()
            for second in range(400):
                give_sample(recorder, handles[A10], elapsed_s=second)
                await asyncio.sleep(0.1)
            with pytest.raises(JournalFailed, match="nothing was committed for 10 s"):
                await recorder.durable()
            disk.may_go_on.set()
            await recorder.aclose()

    run_virtual(main())
    assert len(told) == 1


def test_many_samples_hurry_the_commit(store: Path) -> None:
    async def main() -> int:
        async with recording(store, commit_every_s=1e6, samples_max=100) as recorder:
            handles = recorder.start_run(TRAY)
            for second in range(1000):
                give_sample(recorder, handles[A10], elapsed_s=second)
                await asyncio.sleep(1)
            return len(seconds_kept(store))

    assert run_virtual(main()) > 900


def test_a_commit_under_way_is_finished_although_its_task_is_cancelled(store: Path) -> None:
    async def main() -> None:
        disk = DiskTrouble()
        journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=disk, on_failure=pytest.fail, commit_every_s=1.0)
        committing = asyncio.create_task(recorder.run())
        handles = recorder.start_run(TRAY)
        give_sample(recorder, handles[A10], elapsed_s=1.0)
        disk.may_go_on.clear()
        await asyncio.sleep(1.5)
        give_sample(recorder, handles[A10], elapsed_s=2.0)
        committing.cancel()
        await asyncio.wait([committing])
        asyncio.get_running_loop().call_later(1.0, disk.may_go_on.set)
        await recorder.aclose()

    run_virtual(main())
    assert seconds_kept(store) == [1.0, 2.0]


def test_the_loop_goes_on_while_a_thread_commits(store: Path) -> None:
    async def main() -> None:
        journal = await asyncio.to_thread(Journal, store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=asyncio.to_thread, on_failure=pytest.fail)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            for second in range(20):
                give_sample(recorder, handles[A10], elapsed_s=second)
                await recorder.durable()
            await recorder.aclose()

    asyncio.run(main())
    assert seconds_kept(store) == [float(second) for second in range(20)]


def test_a_slow_disk_is_told_of_within_a_second_and_forgotten_when_it_has_caught_up(store: Path) -> None:
    heard: list[tuple[float, str]] = []

    async def main() -> None:
        disk, clock = DiskTrouble(), asyncio.get_running_loop().time
        recorder = Recorder(
            Journal(store, rack="R1", opened_utc=BEGAN_UTC),
            run_blocking=disk,
            on_failure=pytest.fail,
            on_trouble=lambda reason: heard.append((clock() - stalled_s, reason)),
            on_durable=lambda text: heard.append((clock() - stalled_s, text)),
            commit_every_s=0.5,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            await recorder.durable()
            disk.may_go_on.clear()
            stalled_s = clock()
            give_sample(recorder, handles[A10], elapsed_s=1.0)
            waiting = tasks.create_task(recorder.durable())
            await asyncio.sleep(5.0)
            assert not waiting.done()
            give_sample(recorder, handles[A10], elapsed_s=2.0)
            disk.may_go_on.set()
            await waiting
            await recorder.durable()
            assert (recorder.trouble, recorder.failure) == (None, None)
            await recorder.aclose()

    run_virtual(main())
    (alarm_s, alarm), (back_s, back) = heard
    assert alarm_s <= 1.0
    assert "more than 1 s for a commit" in alarm
    assert (back_s, "durable again" in back) == (5.0, True)
    assert seconds_kept(store) == [1.0, 2.0]


@pytest.mark.parametrize("full_s", [8.0, 30.0])
def test_a_full_disk_stops_what_runs_after_ten_seconds_and_loses_nothing_that_fits_later(
    store: Path, full_s: float
) -> None:
    told: list[tuple[float, str]] = []

    async def main() -> None:
        disk, clock = DiskTrouble(), asyncio.get_running_loop().time
        recorder = Recorder(
            Journal(store, rack="R1", opened_utc=BEGAN_UTC),
            run_blocking=disk,
            on_failure=lambda reason: told.append((clock(), reason)),
            commit_every_s=0.5,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            await recorder.durable()
            full_from_s = clock()
            disk.failure = JournalDelayed("database or disk is full")
            tasks.create_task(become_roomy(disk, full_s))
            for each in range(40):
                give_sample(recorder, handles[A10], elapsed_s=float(each))
                if recorder.failure is not None:
                    assert told[0][0] - full_from_s == pytest.approx(10.0, abs=0.6)
                    with pytest.raises(JournalFailed, match=r"nothing was committed for 10 s: .* full"):
                        await recorder.durable()
                await asyncio.sleep(1.0)
            await recorder.durable()
            assert (recorder.trouble, recorder.failure) == (None, None)
            await recorder.aclose()

    run_virtual(main())
    assert len(told) == (full_s > 10.0)
    assert seconds_kept(store) == [float(each) for each in range(40)]


async def become_roomy(disk: DiskTrouble, after_s: float) -> None:
    await asyncio.sleep(after_s)
    disk.failure = None


def test_a_long_trouble_makes_the_record_coarser_but_keeps_edges_and_sums(store: Path) -> None:
    heard: list[str] = []

    async def main() -> None:
        disk = DiskTrouble()
        recorder = Recorder(
            Journal(store, rack="R1", opened_utc=BEGAN_UTC),
            run_blocking=disk,
            on_failure=pytest.fail,
            on_durable=heard.append,
            stop_after_s=1e6,
            samples_max=100,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handles = recorder.start_run(TRAY)
            await recorder.durable()
            disk.failure = JournalDelayed("full")
            for each in range(2000):
                give_sample(recorder, handles[A10], elapsed_s=float(each), charged_nas=each * 10**9)
                await asyncio.sleep(0.1)
            disk.failure = None
            await recorder.durable()
            await recorder.aclose()

    run_virtual(main())
    with Reader(store) as reader:
        curve = reader.curves(RUN_ID)[A10]
    kept = curve.elapsed_s.tolist()
    assert 20 < len(kept) < 200
    assert (kept[0], kept[-1]) == (0.0, 1999.0)
    assert kept == sorted(set(kept))
    assert (curve.charged_ah * 3600).round(6).tolist() == kept
    assert f"; {2000 - len(kept)} samples were left out" in heard[-1]
