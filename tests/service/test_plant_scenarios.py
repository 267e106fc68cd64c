"""What goes wrong in a plant, and what its people do then: each as it happens, by the commands that they have."""

import asyncio
from pathlib import Path

from service_bench import ADA, RACK, RECIPE, ServiceBench, audit, in_service, peer, records

from cycler.model.rack import PositionId
from cycler.results.reasons import reason
from cycler.service.story import stories

STORAGE = """\
recipe: to-storage
version: 1.0.0
cell_type: nmc811-21700
steps:
  - discharge: {current: C/10, until: [voltage <= 3.4 V, time >= 2 min], fail: [capacity > 30 %, time > 3 min]}
"""
WITH_SMOKE = RACK.replace(
    "store:",
    """interlocks:
  - {id: smoke-B01, input: io-01/DI1, active: low, scope: bay, at: B01, action: off-latched}
reset: {input: io-01/DI3, active: low}
store:""",
)
A1, A2 = PositionId("B01/A1"), PositionId("B01/A2")
THERE = PositionId("B02/A1")


async def tried(bench: ServiceBench, recipe: str) -> None:
    arguments = {"decision": "trial", "recipe": recipe, "by": "Ada", "author": "Ada", "lasts_s": "36000"}
    assert (await bench.ask("decide", arguments, by=ADA, reason="first try")).answer == "done"


async def form(bench: ServiceBench, bay: str, cells: str, *, recipe: str = RECIPE, tray: str = "T1") -> None:
    arguments = {"bay": bay, "tray": tray, "recipe": recipe, "cells": f"position,cell_id,state\n{cells}"}
    loaded = await bench.ask("load", {**arguments, "cells_file": "cells.csv"})
    assert loaded.answer == "done", loaded
    begun = await bench.ask("start", {"bay": bay})
    assert begun.answer == "done", begun


def test_a_bay_dies_and_its_tray_goes_on_in_another(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        died = bench.world.faults("c-01").begin("no-reply")
        await asyncio.sleep(30.0)
        assert bench.energised() == set()
        await form(bench, "B02", "A1,c-1,formed\n")
        await asyncio.sleep(120.0)
        bench.world.faults("c-01").end(died)
        await asyncio.sleep(120.0)
        assert bench.energised() == set(), "a bay that comes back energises nothing"

    in_service(tmp_path, scenario)
    died, moved = records(tmp_path)
    assert {at: died.outcomes[at].code for at in (A1, A2)} == {A1: "TRIP_49", A2: "TRIP_49"}
    assert (moved.run.cells[THERE].cell_id, moved.outcomes[THERE].ended) == ("c-1", "completed")


def test_the_wrong_recipe_is_noticed_and_the_tray_goes_to_storage_instead(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        await tried(bench, STORAGE)
        stopped = await bench.ask("abort", {"at": "B01"}, reason="wrong recipe: these cells are sold as they are")
        assert stopped.result == {"not_open": []}
        assert bench.energised() == set()
        await asyncio.sleep(5.0)
        await form(bench, "B01", "A1,c-1,formed\nA2,c-2,formed\n", recipe=STORAGE)
        await asyncio.sleep(200.0)

    in_service(tmp_path, scenario)
    wrong, right = records(tmp_path)
    assert [step.stop_text for step in wrong.steps[A1]] == [
        "aborted by bob: wrong recipe: these cells are sold as they are"
    ]
    assert {right.outcomes[at].ended for at in (A1, A2)} == {"completed"}
    told = [(each.command, each.user, each.reason) for each in audit(tmp_path) if each.answer == "done"]
    assert ("abort", "bob", "wrong recipe: these cells are sold as they are") in told


def test_a_channel_dies_in_a_run_its_cell_is_tested_again_and_its_neighbour_goes_on(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        bench.world.faults("c-01").begin("nan", "1")
        await asyncio.sleep(15.0)
        assert bench.energised() == {"B01/A2"}
        await asyncio.sleep(120.0)

    in_service(tmp_path, scenario)
    (record,) = records(tmp_path)
    code = record.outcomes[A1].code
    assert code is not None
    assert reason(code).verdict == "retest"
    assert record.outcomes[A2].ended == "completed"


def test_a_false_smoke_alarm_at_night_is_watched_reset_at_the_rack_and_resumes_nothing(tmp_path: Path) -> None:
    mia = peer("mia", "maintenance", 1004)

    async def scenario(bench: ServiceBench) -> None:
        async def for_a_while(line: str) -> None:
            active = bench.world.faults("io-01").begin("input-active", line)
            await asyncio.sleep(3.0)
            bench.world.faults("io-01").end(active)
            await asyncio.sleep(3.0)

        async def reset() -> tuple[str, str]:
            answer = await bench.ask("reset", {"what": "B01"}, by=mia, reason="dust in the smoke head, no smell, cold")
            return answer.answer, answer.message

        await bench.running()
        await form(bench, "B02", "A1,c-3,formed\n", tray="T2")
        await for_a_while("DI1")
        assert bench.energised() == {"B02/A1"}
        await asyncio.sleep(1800.0)
        assert "has not been turned" in (await reset())[1]
        await for_a_while("DI3")
        assert (await reset())[0] == "done"
        await asyncio.sleep(2400.0)
        assert bench.energised() == set(), "a reset resumes nothing"
        await tried(bench, RECIPE)
        await form(bench, "B01", "A1,c-4,formed\n", tray="T3")
        await asyncio.sleep(120.0)

    in_service(tmp_path, scenario, rack=WITH_SMOKE)
    stopped, beside, later = records(tmp_path)
    disposed = {at: (outcome.ended, outcome.detail) for at, outcome in stopped.outcomes.items()}
    assert set(disposed) == {A1, A2}, "one line for each cell that somebody has to dispose of"
    assert all(ended == "stopped" and "smoke-B01" in detail for ended, detail in disposed.values())
    assert {each.outcomes[at].ended for each, at in ((beside, THERE), (later, A1))} == {"completed"}
    watched_s = stories(tmp_path / "store")[0].samples[A1][-1].elapsed_s
    assert watched_s > 3500.0, "its voltage and temperature are on record through the night"
    assert ("reset", "mia") in [(each.command, each.user) for each in audit(tmp_path) if each.answer == "done"]
