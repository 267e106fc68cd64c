"""The module behind its Modbus TCP port, in a simulated rack."""

from collections.abc import Callable

from cycler.contract.plugin import Resource
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.wire.modbus import ModbusTcpConversation
from sims.wire.moxa_iologik.device import MODELS, IologikDevice, IologikSetup
from sims.wire.moxa_iologik.registers import IologikUnit
from sims.wire.ports import Port
from sims.world import SimulatedWorld

UNITS = range(256)  # it does not look at the unit, and echoes it


class IologikSimulator:
    """A powered module that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], IologikDevice], resource: Resource, faults: Faults) -> None:
        self.device: IologikDevice
        self._make_device = make_device
        self._faults = faults
        self._port = Port(resource, self._converse, default_port=502, faults=faults)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        self._units = dict.fromkeys(UNITS, IologikUnit(self.device))
        self._faults.wire([f"DO{channel}" for channel in self.device.outputs], self.restart)
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()
        self.device.power_off()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.restart()

    def _converse(self) -> ModbusTcpConversation:
        return ModbusTcpConversation(self._units)


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> IologikSimulator:
    """The entry point `moxa_iologik`: its jumpers, model and watchdog are what the rack file says that they are."""
    setup, faults = _setup(device), world.faults(device.device)

    def make_device() -> IologikDevice:
        def moved(line: str, closed: bool) -> None:
            world.set_contactor(device.device, line, closed)

        return IologikDevice(setup, moved=moved, faults=faults)

    return IologikSimulator(make_device, device.resource, faults)


def _setup(device: SimulatedDevice) -> IologikSetup:
    options = device.options
    model = options.get("model", IologikSetup().model)
    watchdog = options.get("watchdog")
    outputs = options.get("dio_outputs")
    return IologikSetup(
        model=model,
        dio_outputs=frozenset(
            range(MODELS[model].dios) if outputs is None else map(int, outputs.replace(",", " ").split())
        ),
        watchdog_s=None if watchdog is None else float(watchdog.removesuffix("s")),
    )
