"""A simulated instrument on its wire, with its driver, on a bench and in a time of its own: a subject for the suite."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from cycler.contract.plugin import DeviceSettings, Driver, Resource, Surroundings
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on
from sims.network import MemoryNetwork
from sims.testing.bench import BenchWorld
from sims.testing.troubles import Troubles, troubles
from sims.transport import Address, Direction

T = TypeVar("T")

DEVICE = "dut"
BEGINNING_UTC = datetime(2026, 1, 1, tzinfo=UTC)
DYING_S = 1.0  # in which what was under way on the wire ends
RESTART_S = 0.1


def utcnow() -> datetime:
    """A wall clock that runs with the loop."""
    return BEGINNING_UTC + timedelta(seconds=asyncio.get_running_loop().time())


class WiredSubject:
    """What `cycler.contract.suite.subject.Subject` asks for, but `settings`; for one TCP address, over a network in
    memory. What only the kind of device has (cells, sensors, relays) is added by who inherits this.

    `simulate` is what the entry point of the simulator names, as a `staticmethod`.
    """

    call_s_max = 5.0
    driver: ClassVar[Driver]
    sort = ""  # its own faults are those that `sims.faults.POSSIBLE` has for this sort
    simulate: ClassVar[Callable[..., Any]]
    resource: ClassVar[str]
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.world = BenchWorld()
        self.network = MemoryNetwork(seed=1)
        self.where = Resource.parse(self.resource)
        self.simulator = self.simulate(
            SimulatedDevice(device=DEVICE, driver="", resource=self.where, channels=(), options=self.options),
            self.world,
        )

    @property
    def faults(self) -> Faults:
        """What is wrong with the device."""
        return self.world.faults(DEVICE)

    @property
    def troubles(self) -> Troubles:
        """All that can happen to its wire."""
        return troubles(self.faults, driver=self.sort, scheme=self.where.scheme)

    def open(self) -> Any:
        """A driver that has not been connected yet."""
        settings = DeviceSettings(device=DEVICE, resource=self.where, options=self.options)
        return self.driver.opens(settings, Surroundings(utcnow=utcnow))

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Power on, run the scenario, power off."""

        async def powered() -> T:
            await self.simulator.start()
            try:
                return await scenario
            finally:
                await self.simulator.aclose()
                await asyncio.sleep(DYING_S)

        return run_on(VirtualLoop(self.network), powered())

    def watch(self, hook: Callable[[], None]) -> None:
        """At every answer of the device."""

        def tap(address: Address, direction: Direction, data: bytes) -> None:
            if direction == "to-client":
                hook()

        self.network.taps.append(tap)

    @property
    def address(self) -> Address:
        """Where the device listens."""
        assert self.where.port is not None, "the resource of a subject names its port"  # noqa: S101
        return Address(self.where.host, self.where.port)

    def unplug(self) -> None:
        """The cable is pulled."""
        self.network.unplug(self.address)

    def plug(self) -> None:
        """And is back; the connections of before are broken."""
        self.network.cut(self.address)
        self.network.plug(self.address)

    async def restart(self) -> None:
        """The device loses its power and gets it back."""
        await self.simulator.aclose()
        await self.simulator.start()


class LastingSubject(WiredSubject):
    """Its device lasts when the power goes, with what it keeps without: its simulator has a `restart`."""

    async def restart(self) -> None:
        """The device loses its power and gets it back."""
        self.simulator.restart()
        await asyncio.sleep(RESTART_S)
