"""Devices by their register maps behind their wire: those that the driver's README shows."""

import asyncio
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cycler.contract.plugin import DeviceSettings, Surroundings
from cycler.contract.register_map import MapKind, RegisterMap
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from cycler.service.register_map_file import load_register_map
from drivers.modbus_map.driver import DRIVER, open_mapped
from sims.chamber import Chamber
from sims.testing.bench import AMBIENT_DEGC, BenchCell, BenchWorld
from sims.testing.wired import DEVICE, WiredSubject, utcnow
from sims.wire.modbus_map.plant import ChamberPlant, Lines, Plant, thermometers
from sims.wire.modbus_map.simulator import MapSimulator
from sims.wire.modbus_map.supplies import MappedSupply, supplies_plant

README = Path(__file__).parents[2] / "drivers" / "modbus_map" / "README.md"


def map_texts() -> list[str]:
    """The worked examples."""
    return re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)


def map_of(text: str) -> RegisterMap:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.yaml"
        file.write_text(text)
        return load_register_map(file)


@cache
def example(kind: MapKind) -> RegisterMap:
    (found,) = (each for each in map(map_of, map_texts()) if each.kind == kind)
    return found


class MapSubject(WiredSubject):
    """A device of one kind, on one wire."""

    call_s_max = 4.0
    driver = DRIVER
    kind: MapKind

    def __init__(self, scheme: str = "modbus-tcp", *, query: str = "") -> None:
        self.resource = f"{scheme}://127.0.0.1:1504{query}"  # type: ignore[misc]
        self.map = example(self.kind)
        self.sort = f"modbus_map {self.kind}"
        super().__init__()

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> MapSimulator:
        return MapSimulator(self.map, self.plant(world), device.resource, world.faults(DEVICE))

    def plant(self, world: BenchWorld) -> Plant:
        raise NotImplementedError

    def open(self, **changes: Any) -> Any:
        settings = DeviceSettings(device=DEVICE, resource=self.where, register_map=replace(self.map, **changes))
        return open_mapped(settings, Surroundings(utcnow=utcnow))

    def settings(self) -> object:
        return None


class MapTemperatureSubject(MapSubject):
    kind = "temperature"

    def plant(self, world: BenchWorld) -> Plant:
        self.sensors_degc = np.full(len(self.map.registers), AMBIENT_DEGC)
        return thermometers(self.map, lambda: self.sensors_degc, world.faults(DEVICE))

    def set_temperature(self, channel: ChannelId, temperature_degc: float | None) -> None:
        row = [register.channel for register in self.map.registers].index(channel)
        self.sensors_degc[row] = np.nan if temperature_degc is None else temperature_degc


class MapIoSubject(MapSubject):
    kind = "digital-io"

    def plant(self, world: BenchWorld) -> Plant:
        self.relays: dict[str, bool] = {}
        self.lines = Lines(self.map, self.relays.__setitem__, world.faults(DEVICE))
        return self.lines.plant()

    def settings(self) -> object:
        return dict(self.lines.outputs), self.simulator.device.watchdog_s

    def output(self, line: str) -> bool:
        return self.relays.get(line, False)

    def set_input(self, line: str, high: bool) -> None:
        self.lines.inputs[line] = high

    def ignore_offs(self) -> None:
        self.faults.begin("off-ignored")


class MapChamberSubject(MapSubject):
    kind = "chamber"

    def plant(self, world: BenchWorld) -> Plant:
        self.chamber = Chamber(ambient_degc=AMBIENT_DEGC)
        return ChamberPlant(self.map, self.chamber, world.faults(DEVICE)).plant()

    def settings(self) -> object:
        chamber = self.chamber
        return chamber.target_degc, chamber.rate_k_per_min, chamber.limits_degc, chamber.running

    def air_degc(self) -> float:
        return self.chamber.air_degc(asyncio.get_running_loop().time())

    def limits_degc(self) -> tuple[float, float]:
        return self.chamber.limits_degc

    def ignore_orders(self) -> None:
        self.faults.begin("not-applied")
        self.faults.begin("off-ignored")


class MapCyclerSubject(MapSubject):
    kind = "cycler"

    def plant(self, world: BenchWorld) -> Plant:
        self.cells = {channel: BenchCell() for channel in ("1", "2")}
        self.supplies = {
            channel: MappedSupply(self.map, row, cell, world.faults(DEVICE))
            for row, (channel, cell) in enumerate(self.cells.items())
        }
        return supplies_plant(self.supplies)

    def settings(self) -> object:
        held = {channel: (dict(s.values), s.on, s.alarm) for channel, s in self.supplies.items()}
        return held, self.simulator.device.watchdog_s

    def output(self, channel: ChannelId) -> Output:
        reading = self.cells[channel].measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self.cells[channel].place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self.cells[channel].would_flow_a(cell_v) for cell_v in cells_v]

    def raise_alarm(self, channel: ChannelId) -> None:
        self.supplies[channel].trip()

    def has_alarm(self, channel: ChannelId) -> bool:
        return self.supplies[channel].alarm

    def ignore_offs(self) -> None:
        self.faults.begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        return {}
