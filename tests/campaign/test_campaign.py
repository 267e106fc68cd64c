"""A slice of what `make campaign` does: some two hundred channel-hours, and an observer that is not blind."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from campaign_run import run_seed
from observer import Observer, Spot
from scenario import Scenario, scenario
from watched_world import WatchedWorld

from cycler.service.wiring import simulated_devices
from sims.terminal import Supply

SLICE = (12, 24)
QUIET = 11  # nothing is wrong in its rack
ON = Supply(on=True, voltage_v=4.1, source_current_a=1.0)


@pytest.mark.slow
def test_whatever_happens_to_racks_at_random_nothing_is_violated() -> None:
    ran = [run_seed(seed) for seed in SLICE]
    assert [line for each in ran for line in each.violations] == []
    assert sum(each.channel_hours for each in ran) > 200
    assert sum(each.faults for each in ran) >= 15


def test_equal_seeds_end_alike() -> None:
    first, again, other = run_seed(23), run_seed(23), run_seed(2)
    assert first.digest == again.digest != other.digest


def observed(drawn: Scenario) -> tuple[Observer, WatchedWorld]:
    devices = simulated_devices(drawn.configuration)
    world = WatchedWorld(drawn.declaration, drawn.configuration.rack, devices, wire="memory")
    world.witness = observer = Observer(drawn, world)
    return observer, world


def left_alone(world: WatchedWorld, spot: Spot, supply: Supply, *, for_s: float) -> None:
    """The output is as told, its contactor closed, and nobody controls it."""

    async def main() -> None:
        await world.start()
        for bay in world.rack.bays.values():
            if bay.contactor is not None:
                world.set_contactor(bay.contactor.device, bay.contactor.channel, True)
        world.terminal(spot.own[0], spot.channel).drive(supply)
        await asyncio.sleep(for_s)
        await world.aclose()

    world.run(main())


@pytest.fixture
def drawn(tmp_path: Path) -> Scenario:
    return scenario(QUIET, tmp_path, library=0.0)


def test_an_output_that_comes_on_after_its_off_is_seen(drawn: Scenario) -> None:
    observer, world = observed(drawn)
    spot = next(iter(observer.spots.values()))

    async def main() -> None:
        await world.start()
        observer.driven(spot.own[0], spot.channel, ON)
        assert observer.violations == []
        observer.off_confirmed(spot.device, [spot.channel])
        observer.driven(spot.own[0], spot.channel, Supply())
        assert observer.violations == []
        observer.driven(spot.own[0], spot.channel, ON)
        await world.aclose()

    world.run(main())
    assert "switched on after its off" in observer.violations[0]


def test_an_output_that_nobody_reads_is_seen(drawn: Scenario) -> None:
    observer, world = observed(drawn)
    spot = next(iter(observer.spots.values()))
    left_alone(world, spot, ON, for_s=4.0)
    assert observer.violations == []
    observer, world = observed(drawn)
    left_alone(world, observer.spots[spot.position], ON, for_s=30.0)
    assert "stale: no reading for" in observer.violations[0]


def test_a_cell_that_is_charged_beyond_its_limits_is_seen(drawn: Scenario) -> None:
    observer, world = observed(drawn)
    spot = next(iter(observer.spots.values()))
    left_alone(world, spot, replace(ON, voltage_v=4.6, source_current_a=15.0), for_s=1200.0)
    seen = " ".join(observer.violations)
    assert "over-current: 15.0" in seen
    assert "over-voltage: 4." in seen
