"""What goes wrong in a plant, and what its people do then: each as it happens, by the commands that they have."""

import asyncio
from pathlib import Path

from service_bench import ADA, RECIPE, ServiceBench, audit, in_service, records

from cycler.model.rack import PositionId

STORAGE = """\
recipe: to-storage
version: 1.0.0
cell_type: nmc811-21700
steps:
  - discharge: {current: C/10, until: [voltage <= 3.4 V, time >= 2 min], fail: [capacity > 30 %, time > 3 min]}
"""
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
