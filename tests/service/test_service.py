"""A rack that is run by commands: trays come and go as long as the service lives."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import service_bench
from service_bench import ADA, CELLS, EVE, RACK, RECIPE, ROOT, ServiceBench, audit, in_service, peer, records

from cycler.model.alarm import AlarmCode
from cycler.model.audit import Role
from cycler.service.command_lines import Answer, Request
from sims.world import SimulatedWorld


def test_a_tray_is_loaded_started_and_done_and_the_bay_is_free_for_the_next(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        assert bench.state("B01") == "running"
        refused = await bench.load(tray="T2")
        assert (refused.answer, refused.code) == ("refused", "bay-busy")
        await asyncio.sleep(120.0)
        assert bench.state("B01") == "ended"
        assert (await bench.load(tray="T2")).answer == "done"
        assert (await bench.ask("start", {"bay": "B01"})).result["run"] == "20260101-002"
        await asyncio.sleep(120.0)

    in_service(tmp_path, scenario)
    first, second = records(tmp_path)
    assert first.run.released_as == second.run.released_as == "trial"
    assert {out.ended for record in (first, second) for out in record.outcomes.values()} == {"completed"}
    assert second.run.cells["B01/A1"].state_source == "history"  # type: ignore[index]


def test_a_recipe_that_nobody_has_released_is_refused_and_an_expired_trial_too(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        refused = await bench.load()
        assert (refused.answer, refused.code) == ("refused", "not-released")
        await bench.released(lasts_s=60)
        assert (await bench.load()).answer == "done"
        await asyncio.sleep(61.0)
        expired = await bench.ask("start", {"bay": "B01"})
        assert (expired.answer, expired.code) == ("refused", "not-released")
        assert "its trial ended" in expired.message

    in_service(tmp_path, scenario)
    assert records(tmp_path) == []


def test_a_request_that_comes_twice_is_done_once(tmp_path: Path) -> None:
    start = Request(id="same", command="start", arguments={"bay": "B01"})

    async def scenario(bench: ServiceBench) -> None:
        await bench.released()
        await bench.load()
        together = await asyncio.gather(bench.all_answers(start), bench.all_answers(start))
        assert together[0] == together[1]
        await asyncio.sleep(200.0)
        assert await bench.all_answers(start) == together[0]
        other = await bench.all_answers(Request(id="same", command="abort", arguments={"at": "B01"}))
        assert [answer.code for answer in other] == ["id-used"]
        await bench.load(tray="T2")
        others = await bench.all_answers(start, by=ADA)  # another account's ids are its own
        assert others[-1].result["run"] == "20260101-002"

    in_service(tmp_path, scenario)
    assert len(records(tmp_path)) == 2


@pytest.mark.parametrize(
    ("role", "command", "is_refused"),
    [
        ("viewer", "all-off", True),
        ("viewer", "load", True),
        ("operator", "decide", True),
        ("operator", "sign", True),
        ("maintenance", "start", True),
        ("maintenance", "all-off", False),
        ("operator", "all-off", False),
        ("admin", "all-off", False),
    ],
)
def test_a_role_may_do_what_is_its_own(tmp_path: Path, role: Role, command: str, is_refused: bool) -> None:
    async def scenario(bench: ServiceBench) -> Answer:
        return await bench.ask(command, by=peer("somebody", role), reason="because")

    answer = in_service(tmp_path, scenario)
    assert (answer.code == "role") == is_refused
    (entry,) = audit(tmp_path)[-1:]
    assert (entry.user, entry.role, entry.command, entry.reason) == ("somebody", role, command, "because")
    assert entry.answer == ("refused" if is_refused else "done")


def test_everybody_with_a_role_may_look_and_that_leaves_no_trace(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> Answer:
        return await bench.ask("status", by=EVE)

    found = in_service(tmp_path, scenario).result
    assert found["journal"] == "durable"
    assert found["devices"] == [{"device": name, "trouble": None} for name in ("c-01", "c-02", "t-01", "io-01")]
    assert audit(tmp_path) == ()


def test_one_position_is_aborted_and_its_neighbour_goes_on(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        answer = await bench.ask("abort", {"at": "B01/A1"}, reason="smells")
        assert (answer.answer, answer.result) == ("done", {"not_open": []})
        assert bench.energised() == {"B01/A2"}
        await asyncio.sleep(120.0)

    in_service(tmp_path, scenario)
    (record,) = records(tmp_path)
    (step,) = record.steps["B01/A1"]  # type: ignore[index]
    assert (step.stop_reason, step.stop_text) == ("abort", "aborted by bob: smells")
    assert record.outcomes["B01/A2"].ended == "completed"  # type: ignore[index]
    assert [(each.command, each.answer) for each in audit(tmp_path)[-2:]] == [("abort", "accepted"), ("abort", "done")]


def test_a_cell_that_waits_for_a_person_goes_on_when_one_says_so(tmp_path: Path) -> None:
    hold = "steps:\n  - hold: {message: is the tray seated, timeout: 1 h}"
    held = RECIPE.replace("steps:", hold).replace("1.0.0", "1.1.0")

    async def scenario(bench: ServiceBench) -> None:
        arguments = {"decision": "trial", "recipe": held, "by": "Ada", "author": "Ada", "lasts_s": "3600"}
        await bench.ask("decide", arguments, by=ADA, reason="first try")
        loading = {"bay": "B01", "tray": "T1", "recipe": held, "cells": CELLS, "cells_file": "cells.csv"}
        assert (await bench.ask("load", loading)).answer == "done"
        assert (await bench.ask("resume", {"at": "B01"})).code == "not-held"
        await bench.ask("start", {"bay": "B01"})
        await asyncio.sleep(60.0)
        found: Any = bench.service.commands.status()
        assert [cell["waits_for"] for cell in found["bays"][0]["positions"]] == ["is the tray seated"] * 2
        assert bench.energised() == set()
        answer = await bench.ask("resume", {"at": "B01/A2"}, reason="looked")
        assert answer.result == {"resumed": ["B01/A2"]}
        await asyncio.sleep(10.0)
        assert bench.energised() == {"B01/A2"}

    in_service(tmp_path, scenario)
    (record,) = records(tmp_path)
    (released,) = [event for event in record.events if event.event == "hold.released"]
    assert released.text == "answered by bob: looked"


def test_an_alarm_is_acknowledged_and_shelved_by_who_is_on_record_for_it(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> list[str]:
        bench.world.faults("t-01").begin("no-reply")
        await asyncio.sleep(30.0)
        found: Any = bench.service.commands.status()
        (alarm,) = found["alarms"]
        assert (alarm["source"], alarm["state"]) == ("t-01", "unacknowledged")
        number = str(alarm["alarm"])
        said = [
            await bench.ask("ack", {"alarm": number}, by=EVE),
            await bench.ask("ack", {"alarm": number}, reason="seen"),
            await bench.ask("ack", {"alarm": "4711"}),
            await bench.ask("ack", {"alarm": "first"}),
            await bench.ask("shelve", {"alarm": number, "for_s": "600"}),
        ]
        return [answer.code or str(answer.result["state"]) for answer in said]

    assert in_service(tmp_path, scenario) == ["role", "acknowledged", "alarm", "wrong-use", "wrong-use"]
    (entry,) = [each for each in audit(tmp_path) if (each.command, each.answer) == ("ack", "done")]
    assert (entry.user, entry.reason) == ("bob", "seen")


def test_an_alarm_is_out_of_service_until_it_is_put_back_and_no_operator_does_that(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> list[str]:
        alarms = bench.service.running.controller.alarms
        alarms.raised(AlarmCode.CLOCK_NOT_SYNCHRONISED, "clock", "the clock follows no source")
        (alarm,) = alarms.standing
        number, mia = str(alarm.number), peer("mia", "maintenance")
        said = [
            await bench.ask("out-of-service", {"alarm": number}, reason="the mast is being replaced"),
            await bench.ask("out-of-service", {"alarm": number}, by=mia),
            await bench.ask("in-service", {"alarm": number}, by=mia),
            await bench.ask("out-of-service", {"alarm": number}, by=mia, reason="the mast is being replaced"),
            await bench.ask("in-service", {"alarm": number}, by=mia),
        ]
        return [answer.code or str(answer.result["state"]) for answer in said]

    said = in_service(tmp_path, scenario)
    assert said == ["role", "wrong-use", "alarm", "out-of-service", "unacknowledged"]


def test_a_device_that_was_given_up_is_tried_again_when_maintenance_says_so(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> list[str]:
        fault = bench.world.faults("c-02").begin("no-reply")
        await asyncio.sleep(120.0)
        bench.world.faults("c-02").end(fault)
        await asyncio.sleep(120.0)
        maintenance = peer("mia", "maintenance")
        said = [
            await bench.ask("reset", {"what": "c-02"}, reason="power was off"),
            await bench.ask("reset", {"what": "c-02"}, by=maintenance),
            await bench.ask("reset", {"what": "c-07"}, by=maintenance, reason="power was off"),
        ]
        assert "c-02" in bench.service.running.controller.troubles
        said.append(await bench.ask("reset", {"what": "c-02"}, by=maintenance, reason="power was off"))
        await asyncio.sleep(30.0)
        assert not bench.service.running.controller.troubles
        return [answer.code or answer.answer for answer in said]

    assert in_service(tmp_path, scenario) == ["role", "wrong-use", "reset", "done"]


def test_all_off_opens_every_output_and_says_so(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        assert (await bench.ask("all-off")).result == {"not_open": []}
        assert bench.energised() == set()

    in_service(tmp_path, scenario)
    (record,) = records(tmp_path)
    assert {step.stop_reason for steps in record.steps.values() for step in steps} == {"all-off"}


def test_an_output_that_does_not_open_is_told_by_name(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> Answer:
        await bench.running()
        bench.world.faults("c-01").begin("off-ignored")
        bench.world.faults("io-01").begin("off-ignored")
        return await bench.ask("abort", {"at": "B01/A2"})

    assert in_service(tmp_path, scenario).result == {"not_open": ["B01/A2"]}


def test_a_stop_of_the_service_ends_the_runs_in_order(tmp_path: Path) -> None:
    worlds: list[SimulatedWorld] = []

    async def scenario(bench: ServiceBench) -> None:
        await bench.running()
        worlds.append(bench.world)

    in_service(tmp_path, scenario)
    (record,) = records(tmp_path)
    assert {out.detail for out in record.outcomes.values()} == {"the service was stopped"}
    assert not worlds[0].truth(next(iter(record.run.cells))).is_energised


def test_a_run_whose_position_is_not_there_any_more_gets_the_end_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    async def lost(bench: ServiceBench) -> None:
        await bench.running()
        await bench.service.running.recorder.durable()
        raise Killed

    with pytest.raises(ExceptionGroup):
        in_service(tmp_path, lost)
    (before,) = records(tmp_path)
    assert before.outcomes == {}
    monkeypatch.setattr(service_bench, "RACK", RACK.replace("A2: {channel: c-01/2", "A9: {channel: c-01/2"))

    async def back(bench: ServiceBench) -> None:
        await asyncio.sleep(60.0)
        assert bench.energised() == set()
        assert bench.state("B01") == "free"

    in_service(tmp_path, back)
    (record,) = records(tmp_path)
    assert {out.ended for out in record.outcomes.values()} == {"stopped"}
    (interrupted,) = [event for event in record.events if event.event == "run.interrupted"]
    assert interrupted.data["cause"] == "host-loss"
    assert interrupted.data["from"] == "2026-01-01T00:00:10+00:00"
    assert "does not have its positions any more" in interrupted.text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ({"bay": "B9"}, "wrong-use", "there is no bay `B9`"),
        ({"tray": "T 1!"}, "wrong-use", "is no tray"),
        ({"recipe": "recipe: ["}, "invalid-file", "recipe.yaml"),
        ({"cells": "position\nA1\n"}, "invalid-file", "cells.csv:1: the column cell_id is missing"),
        ({"cells": "position,cell_id\nA7,c-1\n"}, "invalid-file", "cells.csv:2: bay B01 has no position A7"),
        ({"cells": ""}, "wrong-use", "load needs cells"),
        ({"speed": "fast"}, "wrong-use", "load takes no speed"),
    ],
)
def test_what_cannot_be_loaded_is_said_with_its_place(
    tmp_path: Path, arguments: dict[str, str], code: str, said: str
) -> None:
    good = {"bay": "B01", "tray": "T1", "recipe": RECIPE, "cells": CELLS, "cells_file": "cells.csv"}

    async def scenario(bench: ServiceBench) -> Answer:
        await bench.released()
        return await bench.ask("load", good | arguments)

    answer = in_service(tmp_path, scenario)
    assert (answer.answer, answer.code) == ("refused", code)
    assert said in answer.message


def test_a_tray_and_a_cell_stand_in_one_place_only(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> list[str]:
        await bench.released()
        await bench.load()
        same_tray = await bench.load("B02", cells="position,cell_id\nA1,d-1\n")
        same_cell = await bench.load("B02", tray="T2", cells="position,cell_id\nA1,c-2\n")
        return [same_tray.code, same_cell.code]

    assert in_service(tmp_path, scenario) == ["tray-elsewhere", "cell-elsewhere"]


def test_a_command_that_does_not_exist_is_refused_with_the_nearest(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> Answer:
        return await bench.ask("abord", by=ROOT)

    answer = in_service(tmp_path, scenario)
    assert (answer.code, answer.hint) == ("wrong-use", "did you mean abort?")
