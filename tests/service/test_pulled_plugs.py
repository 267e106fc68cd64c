"""A safety officer pulls any plug in any order, and at last control is killed: outputs open in time, on record."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from service_bench import ADA, RACK, ServiceBench, in_services, records

from sims.devices.cable import Cable

CHARGE = """\
recipe: long
version: 1.0.0
cell_type: nmc811-21700
steps:
  - charge: {current: C/10, until: [time >= 20 min], fail: [voltage > 4.15 V, capacity > 30 %, time > 30 min]}
"""
IN_A_CHAMBER = RACK.replace("bays:\n", '  - {id: ch-01, driver: sim_chamber, resource: "sim:ch-01"}\nbays:\n').replace(
    "    contactor:", "    chamber: ch-01\n    contactor:"
)
FIRST, SECOND = frozenset({"B01/A1", "B01/A2"}), frozenset({"B02/A1"})
ALL = FIRST | SECOND
OPENS: Mapping[str, frozenset[str]] = {
    "the wire to c-01": FIRST,
    "the wire to c-02": SECOND,
    "the wire to io-01": ALL,
    "the wire to t-01": ALL,
    "the wire to ch-01": frozenset(),
    "the mains of c-01": FIRST,
    "the mains of c-02": SECOND,
}
"""Whose outputs have to open when it is pulled."""
LOST = {"stale", "trip", "device-fault", "interlock", "lost-contact"}
BUDGET_S = 6.0  # what makes a reading stale, and a device's own watchdog
THERMOMETER_BUDGET_S = 10.0  # its sweeps are slower, and three may be missing

plugs = st.lists(st.sampled_from(sorted(OPENS)), unique=True, max_size=4)
gaps_s = st.sampled_from([0.0, 0.3, 2.0, 5.0, 9.0, 40.0])


def pull(bench: ServiceBench, plug: str) -> None:
    kind, device = plug.rsplit(" ", 2)[0], plug.rsplit(" ", 1)[1]
    if kind == "the mains":
        bench.world.faults(device).begin("restart")
        return
    cable = getattr(bench.world.instruments[device], "cable", None)
    assert isinstance(cable, Cable)
    cable.unplug()


@settings(max_examples=12)
@example(drawn=(["the mains of c-01", "the mains of c-02"], [0.0, 0.0]))
@given(plugs.flatmap(lambda chosen: st.tuples(st.just(chosen), st.lists(gaps_s, min_size=len(chosen), max_size=4))))
def test_whatever_plug_is_pulled_the_outputs_behind_it_open_in_time_and_the_record_says_so(
    drawn: tuple[Sequence[str], Sequence[float]],
) -> None:
    pulled, pauses_s = drawn
    due = frozenset[str]().union(*(OPENS[plug] for plug in pulled))

    async def officer(bench: ServiceBench) -> None:
        arguments = {"decision": "trial", "recipe": CHARGE, "by": "Ada", "author": "Ada", "lasts_s": "36000"}
        assert (await bench.ask("decide", arguments, by=ADA, reason="drill")).answer == "done"
        for bay, cells in (("B01", "A1,c-1,formed\nA2,c-2,formed\n"), ("B02", "A1,c-3,formed\n")):
            tray = {"bay": bay, "tray": f"T-{bay}", "recipe": CHARGE, "cells": f"position,cell_id,state\n{cells}"}
            assert (await bench.ask("load", {**tray, "cells_file": "cells.csv"})).answer == "done"
            assert (await bench.ask("start", {"bay": bay})).answer == "done"
        await asyncio.sleep(30.0)
        assert bench.energised() == ALL
        looks = []
        for plug, pause_s in zip(pulled, pauses_s, strict=False):
            pull(bench, plug)
            looks.append(asyncio.create_task(open_in_time(bench, plug)))
            await asyncio.sleep(pause_s)
        await asyncio.gather(*looks)
        assert bench.energised() == ALL - due, "nothing else opens, and nothing comes on again"
        await bench.service.running.recorder.durable()

    async def open_in_time(bench: ServiceBench, plug: str) -> None:
        budget_s = THERMOMETER_BUDGET_S if plug.endswith("t-01") else BUDGET_S
        await asyncio.sleep(budget_s)
        assert not bench.energised() & OPENS[plug], f"{plug}: not open after {budget_s} s"

    async def afterwards(bench: ServiceBench) -> None:
        assert bench.energised() == set(), "killed control leaves nothing on"
        await asyncio.sleep(60.0)
        assert bench.energised() <= ALL - due, "and what a plug has stopped stays off"

    with tempfile.TemporaryDirectory() as folder:
        in_services(Path(folder), officer, afterwards, rack=IN_A_CHAMBER)
        for record in records(Path(folder)):
            assert set(record.outcomes) == set(record.run.cells)
            for position, outcome in record.outcomes.items():
                assert (outcome.ended != "completed", bool(outcome.detail)) == (True, True)
                reasons = {step.stop_reason for step in record.steps.get(position, ())}
                # What no plug has stopped goes on by the rules of a restart, until the service ends.
                assert reasons <= (LOST if position in due else {*LOST, "all-off"}), f"{position}: {reasons}"
                told = {event.event for event in record.events if event.position in {None, position}}
                assert position in due or told & {"run.interrupted", "cell.resumed", "cell.waits"}
