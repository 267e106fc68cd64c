"""The device of a register map behind its wire, in a simulated rack."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from cycler.contract.plugin import Resource
from cycler.contract.register_map import RegisterMap
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.terminal import Column
from sims.wire.modbus import modbus_conversation
from sims.wire.modbus_map.device import MappedDevice
from sims.wire.modbus_map.plant import ChamberPlant, Lines, Plant, can_be_written, thermometers
from sims.wire.modbus_map.supplies import MappedSupply, supplies_plant
from sims.wire.ports import Port
from sims.world import SimulatedWorld

OFFSET_RATIO = 1 / 3  # of the declared accuracy: most sensors are better than they have to be
ACCURACY_K = 2.5  # where the map gives none


class MapSimulator:
    """A powered device that listens. `device` is there from `start` on."""

    def __init__(self, register_map: RegisterMap, plant: Plant, resource: Resource, faults: Faults) -> None:
        self.device: MappedDevice
        self._map = register_map
        self._plant = plant
        self._faults = faults
        default = 1 if register_map.unit is None else register_map.unit
        self._unit = int(resource.query.get("unit", default))
        # Those on one line are told apart by it, wherever it was said.
        self._resource = replace(resource, query={**resource.query, "unit": str(self._unit)})
        self._port = Port(self._resource, self._converse, default_port=502, faults=faults)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = MappedDevice(self._map, self._plant, self._faults)
        self._faults.wire(_rows(self._map), self.restart)
        await self._port.start()

    async def aclose(self) -> None:
        """Power off."""
        await self._port.aclose()
        self.device.power_off()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        self._port.drop()
        self.device.restart()

    def _converse(self) -> asyncio.Protocol:
        return modbus_conversation(self._resource, {self._unit: self.device})()


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> MapSimulator:
    """The entry point `modbus_map`. Raises `ValueError` where the rack file gives no map."""
    if device.register_map is None:
        raise ValueError(f"{device.device}: its driver needs a register map: write `map: FILE.yaml`")
    faults = world.faults(device.device)
    return MapSimulator(device.register_map, _plant(device, device.register_map, world), device.resource, faults)


def _plant(device: SimulatedDevice, register_map: RegisterMap, world: SimulatedWorld) -> Plant:
    faults = world.faults(device.device)
    match register_map.kind:
        case "temperature":
            return thermometers(register_map, _sensors(device, register_map, world), faults)
        case "digital-io":

            def moved(line: str, closed: bool) -> None:
                world.set_contactor(device.device, line, closed)

            return Lines(register_map, moved, faults).plant()
        case "chamber":
            return ChamberPlant(register_map, world.chamber(device.device), faults).plant()
        case "cycler":
            supplies = {
                channel: MappedSupply(register_map, row, world.terminal(device.device, channel), faults)
                for row, channel in enumerate(_rows(register_map))
            }
            return supplies_plant(supplies)


def _sensors(device: SimulatedDevice, register_map: RegisterMap, world: SimulatedWorld) -> Callable[[], Column]:
    channels = [str(register.channel) for register in register_map.registers]
    look = world.thermometers(device.device, channels)
    if world.declaration.ideal:
        return look
    spread_k = OFFSET_RATIO * register_map.accuracies.get("temperature", ACCURACY_K)
    offset_k = world.rng(f"{device.device} offsets").uniform(-spread_k, spread_k, len(channels))
    return lambda: look() + offset_k


def _rows(register_map: RegisterMap) -> list[str]:
    """The channels that a fault may strike alone."""
    if register_map.kind == "digital-io":
        return [str(bit.channel) for bit in register_map.bits if can_be_written(bit)]
    return list(dict.fromkeys(register.channel for register in register_map.registers if register.channel is not None))
