"""The chamber behind its OPC UA port, in a simulated rack."""

from collections.abc import Callable
from datetime import datetime

from asyncua.server.binary_server_asyncio import OPCUAProtocol

from cycler.contract.plugin import Resource
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.wire.lads_thermal.device import LadsDevice
from sims.wire.lads_thermal.guard import Guard, guard_of
from sims.wire.lads_thermal.nodes import MODEL, ChamberNodes
from sims.wire.lads_thermal.published import AMB, DI, LADS, MACHINERY
from sims.wire.lads_thermal.server import LadsServer
from sims.wire.lads_thermal.tree import Tree
from sims.wire.ports import Port
from sims.world import SimulatedWorld

OPC_UA_PORT = 4840
STANDARD = "http://opcfoundation.org/UA/"


class LadsSimulator:
    """A powered chamber that listens. `server` is there from `start` on."""

    def __init__(
        self,
        device: LadsDevice,
        resource: Resource,
        faults: Faults,
        utcnow: Callable[[], datetime],
        *,
        guard: Guard | None = None,
    ) -> None:
        """Without a guard it lets in everybody, unsecured."""
        self.device = device
        self._guard = guard
        self.server: LadsServer
        self._resource = resource
        self._faults = faults
        self._utcnow = utcnow
        self._port = Port(resource, self._converse, default_port=OPC_UA_PORT, faults=faults)

    async def start(self) -> None:
        """Power on and listen."""
        self.device.power_on()
        own_uri = None if self._guard is None else self._guard.application_uri
        application_uri = own_uri or f"urn:formation-cycler:simulated:{self.device.serial}"
        namespaces = [STANDARD, application_uri, DI, MACHINERY, AMB, LADS, f"{application_uri}:chamber"]
        self.server = LadsServer(
            self.device, url=self._resource.text, application_uri=application_uri, name=MODEL, guard=self._guard
        )
        await self.server.init()
        await self.server.introduce(namespaces, application_uri=application_uri)
        await self.server.start()
        ChamberNodes(Tree(self.server, namespaces, self._utcnow), self.device, self._utcnow)
        self._faults.wire((), self.restart)
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()
        await self.server.stop()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.power_on()

    def _converse(self) -> OPCUAProtocol:
        return self.server.connection()


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> LadsSimulator:
    """The entry point `lads_thermal`. Raises `ValueError` where its security cannot be had."""
    faults = world.faults(device.device)
    lads = LadsDevice(world.chamber(device.device), faults, serial=f"SIM-{device.device}")
    return LadsSimulator(lads, device.resource, faults, world.true_utcnow, guard=guard_of(device))
