"""Control is killed in the middle of a run and comes back: what goes on, what waits, and what is counted."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import service_bench
from hypothesis import given, settings
from hypothesis import strategies as st
from service_bench import ADA, BOB, RACK, ServiceBench, in_services, records

from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, StepResult
from cycler.record.reader import Reader, RunRecord

A1, A2 = PositionId("B01/A1"), PositionId("B01/A2")
PLAIN = 'driver: sim_cycler, resource: "sim:c-01"'
WITH_COUNTER = RACK.replace(PLAIN, f"counter: true, {PLAIN}")
ALONE = RACK.replace(
    PLAIN,
    f"counter: true, autonomous: true, {PLAIN}, on_controller_loss: finish-step, temperature_guard: independent,"
    " override: {by: Ada, reason: a fuse is on its way, expires: 2026-12-31}",
).replace("    contactor: io-01/DO0\n", "")
CYCLE = """\
recipe: short
version: 1.0.0
cell_type: nmc811-21700
steps:
  - rest: {time: 20 s}
  - charge: {current: C/10, until: [time >= 60 s], fail: [voltage > 4.15 V, capacity > 30 %, time > 2 min]}
  - rest: {time: 20 s}
  - discharge: {current: C/10, until: [time >= 60 s], fail: [voltage < 2.8 V, capacity > 30 %, time > 2 min], tag: cap}
  - dcir: {direction: discharge, current: C/2, time: 10 s, values: [1 s, 10 s], rest: 20 s, voltage: 2.8 V}
  - rest: {time: 20 s}
"""


async def over(bench: ServiceBench) -> None:
    for _ in range(1000):
        if bench.state("B01") == "ended":
            return
        await asyncio.sleep(5.0)
    raise AssertionError(bench.service.commands.status())


def at(second: float) -> Callable[[ServiceBench], Coroutine[Any, Any, None]]:
    """The service is killed so long after the start of the tray."""

    async def scenario(bench: ServiceBench) -> None:
        await bench.released()
        for answer in (await bench.load(), await bench.ask("start", {"bay": "B01"})):
            assert answer.answer == "done", answer
        await asyncio.sleep(second)

    return scenario


def the_run(folder: Path) -> RunRecord:
    (record,) = records(folder)
    return record


def moved_ah(steps: tuple[StepResult, ...]) -> tuple[float, float]:
    return (
        sum(step.moved.charged_nas for step in steps) / NAS_PER_AH,
        sum(step.moved.discharged_nas for step in steps) / NAS_PER_AH,
    )


def test_a_charge_goes_on_inside_its_step_and_ends_as_it_would_have(tmp_path: Path) -> None:
    in_services(tmp_path, at(10.0), over)
    record = the_run(tmp_path)
    for position in (A1, A2):
        assert record.outcomes[position].ended == "completed"
        charge, rest = record.steps[position]
        assert (charge.step_type, charge.stop_reason, rest.step_type) == ("charge", "time", "rest")
        assert charge.quality == ("INTERRUPTED",)
        assert 10.0 < charge.gap_s < 40.0
        assert charge.duration_s == pytest.approx(60.0, abs=1.5)
        assert charge.charge_source == "unknown"


@settings(max_examples=8, deadline=None)
@given(first_s=st.floats(0.5, 230.0), second_s=st.floats(0.5, 120.0), gap_s=st.floats(0.5, 300.0))
def test_whenever_control_is_killed_the_run_ends_the_same_and_no_charge_is_counted_twice(
    tmp_path_factory: pytest.TempPathFactory, first_s: float, second_s: float, gap_s: float
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    truths: list[tuple[float, float]] = []

    async def later(_: ServiceBench) -> None:
        await asyncio.sleep(second_s)

    async def to_the_end(bench: ServiceBench) -> None:
        await over(bench)
        truth = bench.world.truth(A1)
        truths.append((truth.charged_ah, truth.discharged_ah))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service_bench, "RACK", WITH_COUNTER)
        patched.setattr(service_bench, "RECIPE", CYCLE)
        in_services(folder, at(first_s), later, to_the_end, gap_s=gap_s)
    record = the_run(folder)
    assert {outcome.ended for outcome in record.outcomes.values()} == {"completed"}
    steps = record.steps[A1]
    own = [step for step in steps if step.stop_reason != "host-loss"]
    assert [step.step_type for step in own if step.step_type != "rest"] == ["charge", "discharge", "dcir"]
    assert [step.step_count for step in steps] == list(range(1, len(steps) + 1))
    assert {step.charge_source for step in steps} == {"device"}
    assert moved_ah(steps) == pytest.approx(truths[0], abs=1e-6)
    with Reader(folder / "store") as reader:
        curve = reader.curves(record.run.run_id)[A1]
    assert (curve.charged_ah[-1], curve.discharged_ah[-1]) == pytest.approx(moved_ah(steps), abs=1e-12)
    assert all(later >= earlier for later, earlier in zip(curve.elapsed_s[1:], curve.elapsed_s, strict=False))
    assert all(later >= earlier for later, earlier in zip(curve.charged_ah[1:], curve.charged_ah, strict=False))


def test_nothing_is_energised_before_the_rule_has_spoken_and_a_person_is_asked_where_the_rack_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_bench, "RACK", RACK.replace("store:", "resume: ask\nstore:"))

    async def waits(bench: ServiceBench) -> None:
        await asyncio.sleep(60.0)
        assert bench.energised() == set()
        found: Any = bench.service.commands.status()
        asked = [cell["waits"]["for"] for cell in found["bays"][0]["positions"]]
        assert asked == ["operator", "operator"]

    async def still_waits(bench: ServiceBench) -> None:
        await asyncio.sleep(30.0)
        assert bench.energised() == set()
        assert (await bench.ask("abort", {"at": "B01/A2"}, reason="swollen")).result == {"not_open": []}
        assert (await bench.ask("resume", {"at": "B01"}, reason="looked")).result == {"resumed": ["B01/A1"]}
        await asyncio.sleep(5.0)
        assert bench.energised() == {"B01/A1"}
        await over(bench)

    in_services(tmp_path, at(10.0), waits, still_waits)
    record = the_run(tmp_path)
    assert {position: outcome.ended for position, outcome in record.outcomes.items()} == {
        A1: "completed",
        A2: "stopped",
    }
    assert record.steps[A1][0].duration_s == pytest.approx(60.0, abs=1.5)


def test_a_charge_beyond_the_gap_of_its_cell_type_waits_for_an_engineer(tmp_path: Path) -> None:
    async def waits(bench: ServiceBench) -> None:
        await asyncio.sleep(30.0)
        assert bench.energised() == set()
        refused = await bench.ask("resume", {"at": "B01"}, by=BOB)
        assert (refused.code, refused.message) == ("not-ready", "an engineer has to decide about B01/A1, B01/A2")
        assert (await bench.ask("resume", {"at": "B01"}, by=ADA, reason="checked")).answer == "done"
        await over(bench)

    in_services(tmp_path, at(10.0), waits, gap_s=3 * 3600.0)
    assert {outcome.ended for outcome in the_run(tmp_path).outcomes.values()} == {"completed"}


def test_a_device_that_goes_on_alone_is_adopted_and_its_charge_is_all_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_bench, "RACK", ALONE)
    truth: list[float] = []

    async def goes_on(bench: ServiceBench) -> None:
        assert bench.energised() == {"B01/A1", "B01/A2"}
        await asyncio.sleep(10.0)
        assert bench.energised() == {"B01/A1", "B01/A2"}
        await over(bench)
        truth.append(bench.world.truth(A1).charged_ah)

    in_services(tmp_path, at(10.0), goes_on, gap_s=15.0)
    record = the_run(tmp_path)
    charge, _ = record.steps[A1]
    assert (charge.stop_reason, charge.charge_source, charge.quality) == ("time", "device", ("INTERRUPTED",))
    assert charge.duration_s == pytest.approx(60.0, abs=1.5)
    assert moved_ah(record.steps[A1])[0] == pytest.approx(truth[0], abs=1e-6)
    assert [event.event for event in record.events].count("order.given") == 4  # one a step and cell, as ever


def test_after_too_many_resumes_a_cell_is_to_be_tested_again(tmp_path: Path) -> None:
    async def a_while(_: ServiceBench) -> None:
        await asyncio.sleep(8.0)

    in_services(tmp_path, at(5.0), a_while, a_while, a_while, over)
    record = the_run(tmp_path)
    assert {(out.ended, out.code) for out in record.outcomes.values()} == {("stopped", "INTERRUPTED")}
    (charge,) = record.steps[A1]
    assert charge.stop_reason == "host-loss"
