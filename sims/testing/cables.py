"""The cables of a simulated rack, in the hands of somebody who pulls them."""

from collections.abc import Collection, Iterable, Mapping

from cycler.contract.plugin import Resource
from sims.devices.cable import Cable
from sims.network import MemoryNetwork
from sims.transport import Address, Direction
from sims.world import SimulatedWorld

SCPI_PORT = 5025


class Cables:
    """Devices by their ids. In process there is one plug; on a wire the one cable carries every port of the device."""

    def __init__(self, world: SimulatedWorld, resources: Mapping[str, Resource]) -> None:
        self._world = world
        self._resources = resources

    def unplug(self, device: str) -> None:
        """Nothing passes any more, and nobody is told."""
        self._set(device, plugged=False)

    def plug(self, device: str) -> None:
        """What was under way on a wire still arrives, as TCP sends it again."""
        self._set(device, plugged=True)

    def cut(self, device: str) -> None:
        """Every connection to the device breaks, and both ends are told. It goes on listening."""
        for address in self._addresses(device):
            self._network.cut(address)

    def muffle(self, device: str) -> None:
        """From now on the device hears everything and does it, but its answers are lost."""
        muffled = self._addresses(device)

        def tap(address: Address, direction: Direction, data: bytes) -> Iterable[tuple[float, bytes]] | None:
            return () if direction == "to-client" and address in muffled else None

        self._network.taps.append(tap)

    def _set(self, device: str, *, plugged: bool) -> None:
        if self._resources[device].in_process:
            cable = getattr(self._world.instruments[device], "cable", None)
            assert isinstance(cable, Cable)  # noqa: S101 (every in-process device has one)
            (cable.plug if plugged else cable.unplug)()
        else:
            for address in self._addresses(device):
                (self._network.plug if plugged else self._network.unplug)(address)

    @property
    def _network(self) -> MemoryNetwork:
        network = self._world.loop.network
        if network is None:
            raise ValueError("cables can be pulled in memory only: real sockets are the kernel's")
        return network

    def _addresses(self, device: str) -> Collection[Address]:
        resource = self._resources[device]
        if resource.port is None:
            raise ValueError(f"{device}: {resource.text} has no port whose connections could be cut")
        ports = (resource.port, int(resource.query.get("scpi", SCPI_PORT)))
        return [Address(resource.host, port) for port in ports]
