"""A rack that goes on for longer than one run: starts after a loss, one run after another, and stops."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from broken_drivers import Wrapped

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import CyclerDriver
from cycler.contract.plugin import Surroundings
from cycler.contract.sweep import Sweep
from cycler.control.channel_controller import ChannelController
from cycler.control.rack_controller import RackController
from cycler.model.alarm import AlarmCode
from cycler.model.rack import BayId, InterlockAction, Placement, PositionId
from cycler.model.run import Run
from cycler.model.world import WorldDeclaration
from cycler.recipe.compile import compile_plan
from cycler.record.journal import Journal, JournalDelayed, JournalFailed
from cycler.record.recorder import Recorder
from cycler.service.story import RunStory, stories
from cycler.service.wiring import open_devices, simulated_devices
from sims.testing.cables import Cables
from sims.testing.layout import Layout, WiredInterlock
from sims.testing.observed_world import ObservedWorld
from sims.testing.steps import amp_hours, charge, minutes, voltage

B01 = BayId("B01")
ONE_MINUTE = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(1)))


@dataclass
class Shop:
    """A rack at work, and its cables."""

    rack: RackController
    recorder: Recorder
    cables: Cables
    world: ObservedWorld
    layout: Layout

    async def start(self, bay: BayId = B01) -> Run:
        """The recipe on the cells of the bay."""
        (job,) = [job for job in self.layout.jobs((ONE_MINUTE,)) if job.bay == bay]
        now = self.world.utcnow()
        run = Run(
            run_id=self.recorder.next_run_id(now),
            started_utc=now,
            placement=Placement(tray=job.tray, bay=job.bay, from_utc=now),
            recipe_name="test",
            recipe_version="1.0.0",
            recipe_hash="",
            recipe_text="",
            released_as="simulated",
            cells=job.cells,
        )
        plans = {}
        for position in job.cells:
            capabilities = self.rack.capabilities(position)
            if capabilities is not None:
                plans[position] = compile_plan(job.recipe.recipe, job.recipe.cell_type, capabilities.range)
        await self.rack.start_run(run, plans)
        return run

    async def finished(self, run: Run, *, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            await self.rack.finished(run)


class Disk:
    """Fails when it is told to."""

    fails: JournalFailed | None = None

    async def __call__(self, work: Callable[[], None]) -> None:
        if self.fails is not None:
            raise self.fails
        work()


def at_work(
    store: Path,
    test: Callable[[Shop], Awaitable[None]],
    *,
    disk: Disk | None = None,
    bays: tuple[BayId, BayId] = (B01, B01),
    authors: Mapping[str, Callable[[CyclerDriver], Any]] | None = None,
    chamber: str | None = None,
    interlocks: Sequence[WiredInterlock] = (),
) -> tuple[RunStory, ...]:
    """Runs the test on a rack with two supplies, one cell each; what the journal then tells.

    `authors` put drivers of their own around the good ones; `chamber` is what the first bay stands in.
    """
    layout = Layout(driver="ea_psb", options={}, contactors=True, free_ports=False)
    for cell, bay in zip(("c1", "c2"), bays, strict=True):
        layout.load(cell, state="formed@50%", capacity_ah=None, device=None, bay=bay)
    layout.interlocks.extend(interlocks)
    if chamber is not None:
        layout.chambers[bays[0]] = chamber
    configuration = layout.configuration()
    job = layout.jobs((ONE_MINUTE,))[0]
    declaration = WorldDeclaration(cells=layout.simulated_cells(job.recipe.cell_type))
    devices = simulated_devices(configuration)
    world = ObservedWorld(declaration, configuration.rack, devices, wire="memory")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Shop]:
        await world.start()
        recorder = Recorder(
            Journal(store, rack="TEST", opened_utc=world.utcnow()),
            run_blocking=disk or Disk(),
            on_failure=lambda reason: rack.stop_all(reason, code=AlarmCode.JOURNAL_NOT_DURABLE),
            on_trouble=lambda reason: rack.note_journal(reason, is_durable=False),
            on_durable=lambda text: rack.note_journal(text, is_durable=True),
        )
        built = open_devices(configuration, Surroundings(utcnow=world.utcnow, world=world))
        own = {device: author(built.cyclers[device]) for device, author in (authors or {}).items()}
        built = replace(built, cyclers={**built.cyclers, **own})
        rack = RackController(configuration.rack, built, recorder, utcnow=world.utcnow, rng=random.Random(1))
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(recorder.run()), tasks.create_task(rack.run())]
            await rack.ready()
            try:
                cables = Cables(world, {device.device: device.resource for device in devices})
                yield Shop(rack, recorder, cables, world, layout)
            finally:
                for task in background:
                    task.cancel()
        await recorder.aclose()
        await world.aclose()

    async def main() -> None:
        async with opened() as shop:
            await test(shop)
        timers = [each for each in gc.get_objects() if isinstance(each, asyncio.TimerHandle) and not each.cancelled()]
        assert not any("DeviceLoop" in repr(timer) for timer in timers)

    world.run(main())
    return stories(store)


def test_one_run_follows_another_on_the_same_bay(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        for _ in range(3):
            run = await shop.start()
            await shop.finished(run, within_s=90.0)

    told = at_work(tmp_path, test)
    assert [story.run.run_id for story in told] == ["20260101-001", "20260101-002", "20260101-003"]
    assert all(outcome.ended == "completed" for story in told for outcome in story.outcomes.values())


def test_a_bay_takes_no_second_run_before_its_first_one_is_over(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        first = await shop.start()
        with pytest.raises(ValueError, match="B01"):
            await shop.start()
        await asyncio.sleep(10.0)
        with pytest.raises(ValueError, match="B01"):
            await shop.start()
        await shop.finished(first, within_s=90.0)

    (story,) = at_work(tmp_path, test)
    assert {outcome.ended for outcome in story.outcomes.values()} == {"completed"}


def test_a_cell_on_a_latched_device_is_refused_and_its_run_ends(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        shop.cables.unplug("psb-02")
        await asyncio.sleep(60.0)  # it is latched
        run = await shop.start()
        await shop.finished(run, within_s=90.0)

    (story,) = at_work(tmp_path, test)
    assert {position: outcome.ended for position, outcome in story.outcomes.items()} == {
        "B01/A1": "completed",
        "B01/A2": "not-started",
    }


def test_of_cells_that_were_refused_again_and_again_nothing_is_kept(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        shop.cables.unplug("io-01")
        for _ in range(4):
            await shop.finished(await shop.start(), within_s=90.0)
        gc.collect()
        kept = [each for each in gc.get_objects() if isinstance(each, ChannelController)]
        assert len(kept) <= 2  # one for each position

    told = at_work(tmp_path, test)
    assert {outcome.ended for story in told for outcome in story.outcomes.values()} == {"not-started"}


def test_a_cycler_that_was_let_go_is_left_alone_for_good(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        await shop.finished(await shop.start(), within_s=90.0)
        await shop.rack.let_go(["psb-02"])
        shop.cables.unplug("psb-02")
        run = await shop.start()
        await shop.finished(run, within_s=90.0)

    _, story = at_work(tmp_path, test)
    assert not any(event.event == "device.lost" for event in story.events)
    assert {position: outcome.ended for position, outcome in story.outcomes.items()} == {
        "B01/A1": "completed",
        "B01/A2": "not-started",
    }


def test_a_chamber_that_was_let_go_is_left_alone_for_good(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        await shop.finished(await shop.start(), within_s=90.0)
        await shop.rack.let_go(["ch-01"])
        shop.cables.unplug("ch-01")
        await shop.finished(await shop.start(BayId("B02")), within_s=90.0)

    _, story = at_work(tmp_path, test, bays=(B01, BayId("B02")), chamber="ch-01")
    assert {outcome.ended for outcome in story.outcomes.values()} == {"completed"}
    assert not any(event.event == "device.lost" for event in story.events)


def test_a_device_that_comes_back_takes_the_next_run(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        run = await shop.start()
        await asyncio.sleep(10.0)
        shop.cables.unplug("psb-02")
        await asyncio.sleep(5.0)
        shop.cables.plug("psb-02")
        await shop.finished(run, within_s=90.0)
        await asyncio.sleep(10.0)
        await shop.finished(await shop.start(), within_s=90.0)

    first, second = at_work(tmp_path, test)
    assert first.steps[PositionId("B01/A2")][-1].stop_reason == "stale"
    assert {outcome.ended for outcome in second.outcomes.values()} == {"completed"}


def test_a_rack_that_ends_while_an_output_may_still_be_on_waits_for_nothing(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        await shop.start()
        await asyncio.sleep(10.0)
        for device in ("psb-02", "io-01"):
            shop.cables.unplug(device)
        await asyncio.sleep(6.0)

    (story,) = at_work(tmp_path, test)
    assert "off.no_way_left" in {event.event for event in story.events}


def test_nothing_starts_once_the_journal_has_failed(tmp_path: Path) -> None:
    disk = Disk()

    async def test(shop: Shop) -> None:
        disk.fails = JournalFailed("the disk is gone")
        run = await shop.start()
        await shop.finished(run, within_s=90.0)
        again = await shop.start()
        await shop.finished(again, within_s=1.0)
        assert all(not shop.world.truth(PositionId(f"B01/A{n}")).is_energised for n in (1, 2))
        assert shop.world.truth(PositionId("B01/A1")).charged_ah == 0.0

    assert at_work(tmp_path, test, disk=disk) == ()


def test_a_full_disk_is_an_alarm_at_once_and_stops_all_charging_after_ten_seconds(tmp_path: Path) -> None:
    disk = Disk()

    async def test(shop: Shop) -> None:
        def charging() -> bool:
            return shop.world.truth(PositionId("B01/A1")).is_energised

        run = await shop.start()
        await asyncio.sleep(20.0)
        assert charging()
        disk.fails = JournalDelayed("the disk is full")
        await asyncio.sleep(2.0)
        assert [alarm.code for alarm in shop.rack.alarms.standing] == [AlarmCode.JOURNAL_NOT_DURABLE]
        await asyncio.sleep(6.0)
        assert charging()
        await asyncio.sleep(4.0)
        assert not charging()
        disk.fails = None
        await asyncio.sleep(2.0)
        assert [alarm.state for alarm in shop.rack.alarms.standing] == ["returned"]
        await shop.finished(run, within_s=1.0)

    (story,) = at_work(tmp_path, test, disk=disk)
    told = [event.event for event in story.events if event.code == "73"]
    assert told == ["journal.delayed", "rack.stopped"]
    assert {outcome.ended for outcome in story.outcomes.values()} == {"stopped"}


def test_nothing_starts_on_a_disk_that_is_low_until_there_is_room(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        shop.rack.note_disk("0.1 GB of 9 GB are free", is_low=True)
        await shop.finished(await shop.start(), within_s=1.0)
        shop.rack.note_disk("there is room on the disk again", is_low=False)
        await shop.finished(await shop.start(), within_s=90.0)

    refused, completed = at_work(tmp_path, test)
    assert {outcome.ended for outcome in refused.outcomes.values()} == {"not-started"}
    assert all("0.1 GB of 9 GB are free" in outcome.detail for outcome in refused.outcomes.values())
    assert {outcome.ended for outcome in completed.outcomes.values()} == {"completed"}


def test_stopping_the_rack_ends_every_run_and_opens_every_output(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        run = await shop.start()
        await asyncio.sleep(20.0)
        shop.rack.stop_all("a person said so")
        await shop.finished(run, within_s=2.0)
        assert all(not shop.world.truth(PositionId(f"B01/A{n}")).is_energised for n in (1, 2))

    (story,) = at_work(tmp_path, test)
    assert {step.stop_reason for steps in story.steps.values() for step in steps} == {"all-off"}
    assert {outcome.ended for outcome in story.outcomes.values()} == {"stopped"}


def test_a_rack_that_is_stopped_while_a_bay_is_made_ready_starts_nothing_there(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(shop.start())
            await asyncio.sleep(0)  # it has begun
            assert not starting.done()
            assert len(shop.rack.controllers) == 2
            shop.rack.stop_all("a person said so")
        await shop.finished(starting.result(), within_s=5.0)
        await asyncio.sleep(5.0)
        assert all(not shop.world.truth(PositionId(f"B01/A{n}")).is_energised for n in (1, 2))

    (story,) = at_work(tmp_path, test)
    assert {outcome.ended for outcome in story.outcomes.values()} == {"not-started"}
    assert story.steps == {}


class Slow(Wrapped):
    """Takes ten seconds for a sweep."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.good.capabilities, sweep_time_s=10.0, idle_s_max=20.0)


class HangsWhenTold(Wrapped):
    async def read(self) -> Sequence[Sweep]:
        if "hangs" in self.memory:
            await self.memory["hangs"].wait()
        sweeps: Sequence[Sweep] = await self.good.read()
        return sweeps


def test_a_device_that_begins_to_run_beside_a_slower_one_is_found_silent_in_its_own_time(tmp_path: Path) -> None:
    memory: dict[str, Any] = {}

    async def test(shop: Shop) -> None:
        first = await shop.start(B01)
        await asyncio.sleep(5.0)
        second = await shop.start(BayId("B02"))
        await asyncio.sleep(5.0)
        memory["hangs"] = asyncio.Event()
        await asyncio.sleep(4.0)
        assert shop.rack.controllers[PositionId("B02/A2")].outcome is not None
        memory["hangs"].set()
        shop.rack.stop_all("a person said so")
        await shop.finished(first, within_s=30.0)
        await shop.finished(second, within_s=30.0)

    authors = {"psb-01": lambda driver: Slow(driver, {}), "psb-02": lambda driver: HangsWhenTold(driver, memory)}
    _, story = at_work(tmp_path, test, bays=(B01, BayId("B02")), authors=authors)
    assert story.steps[PositionId("B02/A2")][-1].stop_reason == "stale"


def test_a_run_that_is_started_while_its_device_is_away_does_not_wait_for_it(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        shop.cables.unplug("psb-02")
        for after_s in (2.0, 1.5, 1.0):  # before its loss is noticed, and between the attempts
            await asyncio.sleep(after_s)
            run = await shop.start()
            await shop.finished(run, within_s=90.0)

    for story in at_work(tmp_path, test):
        assert story.outcomes[PositionId("B01/A2")].ended in {"not-started", "tripped"}
        assert story.outcomes[PositionId("B01/A1")].ended in {"completed", "stopped"}


@pytest.mark.parametrize(
    ("action", "starts"), [("off", True), ("off-latched", False), ("hold", True), ("no-start", True), ("warn", True)]
)
def test_what_starts_after_an_interlock_is_healthy_again(tmp_path: Path, action: InterlockAction, starts: bool) -> None:
    async def test(shop: Shop) -> None:
        faults = shop.world.faults("io-01")
        active = faults.begin("input-active", "DI0")
        await asyncio.sleep(5.0)
        faults.end(active)
        await asyncio.sleep(5.0)
        await shop.finished(await shop.start(), within_s=90.0)

    door = WiredInterlock(interlock="lid", line="DI0", active="low", scope="bay", at="B01", action=action)
    (story,) = at_work(tmp_path, test, interlocks=[door])
    for outcome in story.outcomes.values():
        assert outcome.ended == ("completed" if starts else "not-started")
        assert starts or "latched until it is reset at the rack" in outcome.detail


class Welded(Wrapped):
    """Says that its relay is open, and its readings show a current."""

    async def read(self) -> Sequence[Sweep]:
        sweeps: Sequence[Sweep] = await self.good.read()
        if not self.memory.get("welded"):
            return sweeps
        return [replace(sweep, current_a=[2.5 if r == "off" else a for a, r in _pairs(sweep)]) for sweep in sweeps]


def _pairs(sweep: Sweep) -> list[tuple[float, str]]:
    return list(zip(sweep.current_a, sweep.regulation, strict=True))


@pytest.mark.parametrize("opens", [True, False], ids=["the-contactor-opens", "the-contactor-is-welded-too"])
def test_a_current_after_a_confirmed_off_goes_upstream_and_locks_the_bay(tmp_path: Path, opens: bool) -> None:
    memory: dict[str, Any] = {}
    person = {"person": "Bo", "reason": "new relay"}

    async def test(shop: Shop) -> None:
        first = await shop.start()
        await asyncio.sleep(10.0)
        memory["welded"] = True
        shop.rack.stop([PositionId("B01/A1")], "abort", "a person said so")
        await asyncio.sleep(2.5)
        memory["welded"] = not opens
        await shop.finished(first, within_s=90.0)
        await asyncio.sleep(5.0)
        await shop.finished(await shop.start(), within_s=90.0)
        refused = shop.rack.reset("B01", **person)
        assert (refused is None) is opens
        assert opens or "not seen open and without a current" in str(refused)
        await shop.finished(await shop.start(), within_s=90.0)

    first, locked, after = at_work(tmp_path, test, authors={"psb-01": lambda driver: Welded(driver, memory)})
    escalated = [(each.event, each.code) for each in first.events if each.code in {"25", "45"}]
    assert escalated[0] == ("off.not_confirmed", "25")
    assert (("off.no_way_left", "45") in escalated) is not opens
    assert any(each.event == "contactor.opened" for each in first.events)
    assert {each.ended for each in locked.outcomes.values()} == {"not-started"}
    assert ({each.ended for each in after.outcomes.values()} == {"completed"}) is opens
