"""Who may release what: a key that is turned at the rack, a cause that is gone, a person with a name and a reason."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cycler.contract.plugin import Surroundings
from cycler.control.rack_controller import RackController
from cycler.model.rack import BayId, ChannelRef, ResetInput
from cycler.model.world import Defect, WorldDeclaration
from cycler.service.running_rack import RunningRack, under_control
from cycler.service.story import RunStory, stories
from cycler.service.wiring import simulated_devices
from sims.faults import ActiveFault
from sims.testing.layout import Layout, WiredInterlock
from sims.testing.observed_world import ObservedWorld
from sims.testing.steps import amp_hours, charge, minutes, voltage

CHARGE = charge(c_rate=0.3, until=(voltage(4.1), amp_hours(6), minutes(3)))
KEY = ResetInput(input=ChannelRef(device="io-01", channel="DI3"), active="low")
ESTOP = WiredInterlock(interlock="estop", line="DI0", active="low", scope="rack", at=None, action="off-latched")
ADA = {"person": "Ada", "reason": "drill is over"}


class Shop:
    """A rack at work, with one cell in each of two bays."""

    def __init__(self, world: ObservedWorld, running: RunningRack, layout: Layout) -> None:
        self.world = world
        self.rack: RackController = running.controller
        self._running = running
        self._jobs = {job.bay: job for job in layout.jobs((CHARGE,))}

    async def form(self, bay: str = "B01") -> dict[str, str]:
        """Run the bay; how it ended for each cell, and why."""
        run = await self._running.start(self._jobs[BayId(bay)], released_as="simulated")
        async with asyncio.timeout(6000):
            await self.rack.finished(run)
        outcomes = [self.rack.outcome(name) for name in run.cells]
        return {each.position: f"{each.ended}: {each.detail}" for each in outcomes if each is not None}

    def pull(self, line: str) -> ActiveFault:
        return self.world.faults("io-01").begin("input-active", line)

    async def press_and_release(self, line: str, *, for_s: float = 5.0) -> None:
        pulled = self.pull(line)
        await asyncio.sleep(for_s)
        self.world.faults("io-01").end(pulled)
        await asyncio.sleep(5.0)

    async def turn_the_key(self) -> None:
        await self.press_and_release("DI3", for_s=2.0)


def at_work(
    store: Path,
    test: Callable[[Shop], Awaitable[None]],
    *,
    interlocks: Sequence[WiredInterlock] = (ESTOP,),
    key: ResetInput | None = KEY,
    defects: Sequence[Defect] = (),
) -> tuple[RunStory, ...]:
    layout = Layout(driver="sim_cycler", options={}, contactors=True, free_ports=False, reset=key)
    for cell, bay in (("c1", "B01"), ("c2", "B02")):
        layout.load(cell, state="formed@50%", capacity_ah=None, device=f"cyc-{bay}", bay=bay)
    layout.interlocks.extend(interlocks)
    configuration = layout.configuration()
    cells = layout.simulated_cells(layout.jobs((CHARGE,))[0].recipe.cell_type)
    world = ObservedWorld(
        WorldDeclaration(cells=cells, defects=tuple(defects)),
        configuration.rack,
        simulated_devices(configuration),
        wire="memory",
    )

    async def whole() -> None:
        await world.start()
        try:
            async with under_control(
                configuration,
                Surroundings(utcnow=world.utcnow, world=world),
                store=store,
                run_blocking=world.run_blocking,
                commit=world.run_blocking,
                rng=random.Random(1),
                commit_every_s=60.0,
            ) as running:
                await running.controller.ready()
                await test(Shop(world, running, layout))
        finally:
            await world.aclose()

    world.run(whole())
    return stories(store)


def test_after_an_emergency_stop_key_name_and_reason_release_the_rack(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        await shop.press_and_release("DI0")
        assert "latched until it is reset at the rack" in (await shop.form())["B01/A1"]
        assert "has not been turned" in str(shop.rack.reset("TEST", **ADA))
        await shop.turn_the_key()
        assert shop.rack.reset("TEST", person=" ", reason="x") == "a reset needs the name of a person, and a reason"
        assert shop.rack.reset("TEST", person="Ada", reason="") == "a reset needs the name of a person, and a reason"
        assert shop.rack.reset("TEST", **ADA) is None
        assert "the recipe is done" in (await shop.form())["B01/A1"]

    told = [event for event in at_work(tmp_path, test)[-1].events if event.event.startswith("reset.")]
    assert told == []  # nobody's run went on meanwhile


def test_a_cause_that_is_still_there_is_not_reset(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        shop.pull("DI0")
        await asyncio.sleep(5.0)
        await shop.turn_the_key()
        assert "the interlock estop is active" in str(shop.rack.reset("TEST", **ADA))

    at_work(tmp_path, test)


def test_a_key_that_is_held_from_the_beginning_or_turned_long_ago_resets_nothing(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        held = shop.pull("DI3")
        await shop.press_and_release("DI0")
        await asyncio.sleep(300.0)
        assert "has not been turned" in str(shop.rack.reset("TEST", **ADA))
        shop.world.faults("io-01").end(held)
        await asyncio.sleep(5.0)
        assert "has not been turned" in str(shop.rack.reset("TEST", **ADA))
        await shop.turn_the_key()
        await asyncio.sleep(61.0)
        assert "has not been turned" in str(shop.rack.reset("TEST", **ADA))
        await shop.turn_the_key()
        assert shop.rack.reset("TEST", **ADA) is None
        await shop.press_and_release("DI0")
        assert "has not been turned" in str(shop.rack.reset("TEST", **ADA))  # one turn is one reset

    at_work(tmp_path, test)


def test_without_a_key_the_latch_stays(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        await shop.press_and_release("DI0")
        assert "the rack has no reset switch" in str(shop.rack.reset("TEST", **ADA))

    at_work(tmp_path, test, key=None)


def test_what_concerns_more_is_not_reset_from_one_bay_but_by_its_own_name(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        await shop.press_and_release("DI0")
        await shop.turn_the_key()
        assert "estop concerns more than B01: reset estop" in str(shop.rack.reset("B01", **ADA))
        assert shop.rack.reset("estop", **ADA) is None
        assert shop.rack.reset("estop", **ADA) == "nothing is latched at estop"
        assert shop.rack.reset("B09", **ADA) == "there is no B09 to reset"

    at_work(tmp_path, test)


def test_after_a_fire_in_a_run_the_bay_is_free_once_it_is_watched_and_reset(tmp_path: Path) -> None:
    smoke = WiredInterlock(interlock="smoke", line="DI1", active="low", scope="bay", at="B01", action="off-latched")

    async def test(shop: Shop) -> None:
        forming = asyncio.create_task(shop.form())
        await asyncio.sleep(60.0)
        await shop.press_and_release("DI1")
        started_s = shop.world.loop.time()
        assert "the recipe is done" in (await shop.form("B02"))["B02/A2"]
        await shop.turn_the_key()
        assert shop.rack.reset("B01", **ADA) is None  # and the watch goes on
        assert "is watched for another" in str(shop.rack.reset("B01", **ADA))
        stopped = await forming
        assert stopped["B01/A1"].startswith("stopped")
        assert shop.world.loop.time() - started_s > 3500.0
        assert "the recipe is done" in (await shop.form())["B01/A1"]

    first = at_work(tmp_path, test, interlocks=[smoke])[0]
    told = [event.event for event in first.events if event.event.startswith(("reset.", "watch."))]
    assert told == ["reset.done", "reset.refused", "watch.over"]


def test_a_watched_bay_refuses_a_start_with_the_time_that_is_left(tmp_path: Path) -> None:
    hot = Defect(at="B01/A1", defect="extra-heat", numbers={"power_w": 40.0}, from_s=50.0, for_s=40.0)  # type: ignore[arg-type]

    async def test(shop: Shop) -> None:
        forming = asyncio.create_task(shop.form())
        await asyncio.sleep(130.0)
        assert shop.rack.controllers["B01/A1"].closed  # type: ignore[index]
        (refused,) = (await shop.form()).values()
        assert "bay B01 is watched for another" in refused
        assert "until it is cold (since B01/A1: temperature rises fast)" in refused
        await forming

    at_work(tmp_path, test, defects=[hot])


def test_a_device_that_is_latched_is_tried_again_once_maintenance_has_checked_it(tmp_path: Path) -> None:
    async def test(shop: Shop) -> None:
        assert shop.rack.reset("cyc-B01", **ADA) == "cyc-B01 is not latched"
        broken = shop.world.faults("cyc-B01").begin("exception")
        await asyncio.sleep(5.0)
        assert "not-started" in (await shop.form())["B01/A1"]
        shop.world.faults("cyc-B01").end(broken)
        await asyncio.sleep(120.0)
        assert "not-started" in (await shop.form())["B01/A1"]
        assert shop.rack.reset("cyc-B01", person="", reason="") is not None
        assert shop.rack.reset("cyc-B01", person="Bo", reason="new module") is None
        await asyncio.sleep(20.0)
        assert "the recipe is done" in (await shop.form())["B01/A1"]

    at_work(tmp_path, test)
