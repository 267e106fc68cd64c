"""The service of a rack of in-process devices, in virtual time: what its clients say to it, and what it answers."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cycler.contract.plugin import Surroundings
from cycler.model.audit import AuditEntry, Role
from cycler.model.rack import PositionId
from cycler.recipe.lookup import find_cell_type
from cycler.record.reader import Reader, RunRecord
from cycler.service.command_lines import Answer, Request
from cycler.service.peers import Peer
from cycler.service.rack_file import load_configuration
from cycler.service.rack_service import RackService, rack_service
from cycler.service.wiring import simulated_devices
from cycler.service.world_file import everywhere
from sims.testing.cables import Cables
from sims.world import SimulatedWorld

T = TypeVar("T")

RACK = """\
rack: {id: R1, purpose: production}
devices:
  - {id: c-01, driver: sim_cycler, resource: "sim:c-01"}
  - {id: c-02, driver: sim_cycler, resource: "sim:c-02"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: c-01/1, temperature: t-01/1}
      A2: {channel: c-01/2, temperature: t-01/2}
  - id: B02
    contactor: io-01/DO1
    positions:
      A1: {channel: c-02/1, temperature: t-01/3}
store: {path: store}
runtime: {path: run}
users: {ada: engineer, bob: operator, eve: viewer}
"""
RECIPE = """\
recipe: short
version: 1.0.0
cell_type: nmc811-21700
steps:
  - charge: {current: C/10, until: [time >= 60 s], fail: [voltage > 4.15 V, capacity > 30 %, time > 2 min]}
  - rest: {time: 10 s}
"""
CELLS = "position,cell_id,state\nA1,c-1,formed\nA2,c-2,formed\n"


def peer(user: str, role: Role, uid: int = 1000) -> Peer:
    return Peer(uid=uid, user=user, role=role)


ADA, BOB, EVE = peer("ada", "engineer", 1001), peer("bob", "operator", 1002), peer("eve", "viewer", 1003)
ROOT = peer("root", "admin", 0)


@dataclass
class ServiceBench:
    """`ask` is a client of the service; it numbers its requests."""

    service: RackService
    world: SimulatedWorld
    asked: int = 0

    async def ask(
        self, command: str, arguments: Mapping[str, str] | None = None, *, by: Peer = BOB, reason: str = ""
    ) -> Answer:
        """The last answer."""
        self.asked += 1
        request = Request(id=f"r-{self.asked}", command=command, arguments=dict(arguments or {}), reason=reason)
        return (await self.all_answers(request, by))[-1]

    async def all_answers(self, request: Request, by: Peer = BOB) -> list[Answer]:
        return [answer async for answer in self.service.commands.answers(request, by)]

    async def released(self, *, lasts_s: int = 3600) -> None:
        """Somebody tries the recipe."""
        arguments = {"decision": "trial", "recipe": RECIPE, "by": "Ada", "author": "Ada", "lasts_s": str(lasts_s)}
        answer = await self.ask("decide", arguments, by=ADA, reason="first try")
        assert answer.answer == "done", answer

    async def load(self, bay: str = "B01", *, tray: str = "T1", cells: str = CELLS) -> Answer:
        arguments = {"bay": bay, "tray": tray, "recipe": RECIPE, "cells": cells, "cells_file": "cells.csv"}
        return await self.ask("load", arguments)

    async def running(self) -> None:
        """A tray charges in bay B01."""
        await self.released()
        for answer in (await self.load(), await self.ask("start", {"bay": "B01"})):
            assert answer.answer == "done", answer
        await asyncio.sleep(10.0)
        assert self.energised() == {"B01/A1", "B01/A2"}

    def energised(self) -> set[str]:
        """By the truth."""
        positions = [name for bay in self.service.running.rack.bays.values() for name in bay.positions]
        return {name for name in positions if self.world.truth(PositionId(name)).is_energised}

    def state(self, bay: str) -> str:
        found: Any = self.service.commands.status()
        return str(next(each["state"] for each in found["bays"] if each["bay"] == bay))


def in_service(
    folder: Path,
    scenario: Callable[[ServiceBench], Coroutine[Any, Any, T]],
    *,
    disturb: Callable[[SimulatedWorld], None] = lambda world: None,
    rack: str | None = None,
) -> T:
    """Run the scenario while the service runs, which is stopped in order afterwards. `rack`: another than `RACK`."""
    return in_services(folder, scenario, disturb=disturb, rack=rack)


def in_services(
    folder: Path,
    *scenarios: Callable[[ServiceBench], Coroutine[Any, Any, T]],
    gap_s: float = 10.0,
    disturb: Callable[[SimulatedWorld], None] = lambda world: None,
    rack: str | None = None,
) -> T:
    """As `in_service`, but each scenario ends with the service killed; the next one comes after so long.

    What is left of a killed service is what its journal held at that instant, and devices that hear nothing more.
    """
    (folder / "rack.yaml").write_text(RACK if rack is None else rack)
    configuration = load_configuration(folder / "rack.yaml")
    cell_type = find_cell_type("nmc811-21700", beside=folder)
    declaration = everywhere(configuration.rack, cell_type, seed=1, state="formed@30%")
    world = SimulatedWorld(declaration, configuration.rack, simulated_devices(configuration), wire="memory")
    disturb(world)

    @asynccontextmanager
    async def started() -> AsyncIterator[None]:
        await world.start()
        try:
            yield
        finally:
            await world.aclose()

    devices = simulated_devices(configuration)
    cables = Cables(world, {device.device: device.resource for device in devices})
    store, left = folder / "store", folder / "left"

    async def served(scenario: Callable[[ServiceBench], Coroutine[Any, Any, T]], *, killed: bool) -> T:
        async with rack_service(
            configuration,
            Surroundings(utcnow=world.utcnow, world=world),
            store=store,
            run_blocking=world.run_blocking,
            commit=world.run_blocking,
            rng=random.Random(1),
        ) as service:
            found = await scenario(ServiceBench(service, world))
            if killed:
                shutil.copytree(store, left)
                for device in devices:
                    cables.unplug(device.device)
            return found

    async def main() -> T:
        async with started():
            for scenario in scenarios[:-1]:
                await served(scenario, killed=True)
                shutil.rmtree(store)
                left.rename(store)
                await asyncio.sleep(gap_s)
                for device in devices:
                    cables.plug(device.device)
            return await served(scenarios[-1], killed=False)

    return world.run(main())


def audit(folder: Path) -> tuple[AuditEntry, ...]:
    with Reader(folder / "store") as reader:
        return reader.audit()


def records(folder: Path) -> list[RunRecord]:
    with Reader(folder / "store") as reader:
        return [reader.record(run.run_id) for run in reader.runs()]
