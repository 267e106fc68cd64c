"""The controller on its wire: a serial line, or TCP through a serial-to-Ethernet converter."""

from collections.abc import Callable
from dataclasses import replace

from cycler.contract.plugin import Resource
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.wire.espec_p300 import commands
from sims.wire.espec_p300.device import P300Device, P300Model
from sims.wire.lines import Late, LineConversation
from sims.wire.ports import Port
from sims.world import SimulatedWorld

TCP_PORT = 10001
ANSWER_S = 0.05  # from a command to its answer


class P300Simulator:
    """A powered controller that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], P300Device], resource: Resource, faults: Faults) -> None:
        """Raises `ValueError` for a resource where nothing can listen."""
        self.device: P300Device
        self._make_device = make_device
        self._faults = faults
        self._address = int(resource.query["address"]) if "address" in resource.query else None
        self._port = Port(resource, self._converse, default_port=TCP_PORT, faults=faults)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        self._faults.wire((), self.restart)
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()
        self.device.power_off()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.restart()

    def _converse(self) -> LineConversation:
        return LineConversation(self._answer, end=b"\r\n", bytes_max=commands.LINE_BYTES_MAX)

    def _answer(self, line: bytes) -> Late | None:
        reply = commands.answer(self.device, self._address, line)
        return None if reply is None else Late(ANSWER_S, reply)


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> P300Simulator:
    """The entry point."""
    chamber, faults = world.chamber(device.device), world.faults(device.device)
    return P300Simulator(lambda: P300Device(chamber, faults, replace(P300Model())), device.resource, faults)
