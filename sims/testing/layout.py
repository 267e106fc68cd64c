"""How the rack of a test is put together: its configuration, the world around it, and what is to be done."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from cycler.contract.plugin import DeviceSettings, Resource
from cycler.model.cell import Cell, CellId, LedgerState
from cycler.model.cell_type import CellType
from cycler.model.interlock import alarm_of, concerned
from cycler.model.rack import (
    Bay,
    BayId,
    BayOutput,
    ChannelRef,
    Interlock,
    InterlockAction,
    InterlockScope,
    Position,
    PositionId,
    Rack,
    ResetInput,
    TrayId,
)
from cycler.model.world import SimulatedCell
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.recipes import recipe_from, recipe_named
from cycler.service.running_rack import Job
from sims.testing.steps import recipe_text

CyclerDriverName = Literal["sim_cycler", "ea_psb", "keithley_2450"]

CELL_TYPE = "nmc811-21700"
MeterDriverName = Literal["sim_meter", "hioki_bt3562"]

THERMOMETERS, CONTACTORS = "tc-01", "io-01"
PRESS = "DO3"  # of the first bay; those of others are wired to the outputs before it
FIRST_PORT = 15000
METER_PORT = 15900
HERE = Path(__file__).parent  # there are no recipes and cell types here, so they are the library's


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCell:
    """A cell and its place."""

    name: str
    number: int  # from 1; its row on the thermometer module
    position: PositionId
    bay: BayId
    channels: tuple[ChannelRef, ...]
    state: str | None  # None: the place is left empty
    capacity_ah: float | None

    @property
    def ledger(self) -> LedgerState:
        """The word that is promised of it: what stands before its charge."""
        return cast(LedgerState, (self.state or "").partition("@")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredInterlock:
    """As a rack file declares it, on an input of the I/O module."""

    interlock: str
    line: str
    active: Literal["low", "high"]
    scope: InterlockScope
    at: str | None
    action: InterlockAction

    def on(self, bays: Mapping[BayId, Bay]) -> Interlock:
        """With the positions that it concerns in these bays."""
        return Interlock(
            interlock=self.interlock,
            input=ChannelRef(device=CONTACTORS, channel=self.line),
            active=self.active,
            positions=concerned(bays, self.scope, self.at),
            action=self.action,
            alarm=alarm_of(self.interlock),
        )


@dataclass(slots=True, kw_only=True)
class Layout:
    """Every bay has a contactor on one I/O module, every cell a sensor on one thermometer module."""

    driver: CyclerDriverName
    options: Mapping[str, str]  # of the cyclers
    contactors: bool
    free_ports: bool  # on real sockets somebody else may have taken the usual ones
    press: bool = False
    cells: dict[str, LoadedCell] = field(default_factory=dict)
    chambers: dict[BayId, str] = field(default_factory=dict)  # of the bays that stand in one
    zones: dict[BayId, str] = field(default_factory=dict)  # of the bays that have neighbours
    reset: ResetInput | None = None
    meters: dict[str, MeterDriverName] = field(default_factory=dict)  # by their ids
    probed: dict[str, ChannelRef] = field(default_factory=dict)  # the meters' tips, by the cells that they are on
    outputs: dict[BayId, dict[str, BayOutput]] = field(default_factory=dict)  # that steps may set
    interlocks: list[WiredInterlock] = field(default_factory=list)
    recipes: dict[BayId, tuple[str, ...]] = field(default_factory=dict)  # of the bays that have one of their own

    def load(
        self,
        cell: str,
        *,
        state: str | None,
        capacity_ah: float | None,
        device: str | None,
        bay: str,
        parallel: int = 1,
    ) -> None:
        """Into the next place of the bay, on the next channels of the device."""
        number = len(self.cells) + 1
        channels: list[ChannelRef] = []
        for _ in range(parallel):
            taken = [channel for loaded in self.cells.values() for channel in loaded.channels] + channels
            supply = len(taken) + 1
            usual = {"sim_cycler": "cyc-01", "ea_psb": f"psb-{supply:02d}"}.get(self.driver, f"smu-{supply:02d}")
            own = device or usual
            channels.append(ChannelRef(device=own, channel=str(1 + sum(channel.device == own for channel in taken))))
        self.cells[cell] = LoadedCell(
            name=cell,
            number=number,
            position=PositionId(f"{bay}/A{number}"),
            bay=BayId(bay),
            channels=tuple(channels),
            state=state,
            capacity_ah=capacity_ah,
        )

    def configuration(self) -> Configuration:
        """As a rack file would give it."""
        cyclers = dict.fromkeys(channel.device for cell in self.cells.values() for channel in cell.channels)
        has_io = self.contactors or self.interlocks
        modules = [DeviceConfiguration(settings=_inside(CONTACTORS, {}), driver="sim_io")] if has_io else []
        channels = {"channels": str(len(self.cells))}
        modules.append(DeviceConfiguration(settings=_inside(THERMOMETERS, channels), driver="sim_temperature"))
        chambers = dict.fromkeys(self.chambers.values())
        modules += [DeviceConfiguration(settings=_inside(name, {}), driver="sim_chamber") for name in chambers]
        modules += [self._meter(name, place) for place, name in enumerate(self.meters)]
        bays = {bay: self._bay(bay) for bay in dict.fromkeys(cell.bay for cell in self.cells.values())}
        interlocks = tuple(each.on(bays) for each in self.interlocks)
        return Configuration(
            rack=Rack(rack="TEST", purpose="production", bays=bays, interlocks=interlocks, reset=self.reset),
            devices=(*(self._cycler(device, place) for place, device in enumerate(cyclers)), *modules),
            store=None,
            file=Path("test"),
            content=b"",
        )

    def contactor(self, bay: BayId) -> ChannelRef:
        """The output that closes the bay's."""
        bays = list(dict.fromkeys(cell.bay for cell in self.cells.values()))
        return ChannelRef(device=CONTACTORS, channel=f"DO{bays.index(bay)}")

    def press_of(self, bay: BayId) -> ChannelRef:
        """The output that closes the bay's."""
        bays = list(dict.fromkeys(cell.bay for cell in self.cells.values()))
        return ChannelRef(device=CONTACTORS, channel=f"DO{int(PRESS[2:]) - bays.index(bay)}")

    def jobs(self, steps: tuple[str, ...]) -> list[Job]:
        """On every bay its own recipe, else this one: its steps, or its name in the library. Raises `InvalidFile`."""
        jobs = []
        states = dict.fromkeys(loaded.ledger for loaded in self._standing())
        for bay in dict.fromkeys(loaded.bay for loaded in self._standing()):
            own = self.recipes.get(bay, steps)
            if len(own) == 1 and ":" not in own[0]:
                recipe = recipe_named(own[0], beside=HERE)
            else:
                recipe = recipe_from(recipe_text(own, cell_type=CELL_TYPE, states=states), beside=HERE)
            cells = {
                loaded.position: Cell(cell_id=CellId(loaded.name), cell_type=recipe.cell_type.name, state=loaded.ledger)
                for loaded in self._standing()
                if loaded.bay == bay
            }
            jobs.append(Job(bay=bay, tray=TrayId(f"T-{bay}"), cells=cells, recipe=recipe))
        return jobs

    def simulated_cells(self, cell_type: CellType) -> dict[PositionId, SimulatedCell]:
        """As a world file would declare them."""
        found = {}
        for loaded in self._standing():
            simulation = cell_type.simulation
            if loaded.capacity_ah is not None:
                simulation = replace(simulation, capacity_ah=loaded.capacity_ah)
            found[loaded.position] = SimulatedCell(
                cell_type=replace(cell_type, simulation=simulation), state=loaded.state
            )
        return found

    def _bay(self, bay: BayId) -> Bay:
        positions = {
            cell.position: Position(
                position=cell.position,
                channels=cell.channels,
                temperature=ChannelRef(device=THERMOMETERS, channel=str(cell.number)),
                meter=self.probed.get(cell.name),
            )
            for cell in self.cells.values()
            if cell.bay == bay
        }
        return Bay(
            bay=bay,
            positions=positions,
            chamber=self.chambers.get(bay),
            zone=self.zones.get(bay),
            contactor=self.contactor(bay) if self.contactors else None,
            press=self.press_of(bay) if self.press else None,
            outputs=self.outputs.get(bay, {}),
        )

    def _standing(self) -> list[LoadedCell]:
        return [loaded for loaded in self.cells.values() if loaded.state is not None]

    def _cycler(self, device: str, place: int) -> DeviceConfiguration:
        if self.driver == "sim_cycler":
            channels = sum(ref.device == device for cell in self.cells.values() for ref in cell.channels)
            settings = _inside(device, {"channels": str(channels), **self.options})
        elif self.driver == "keithley_2450":
            port = _free_ports()[0] if self.free_ports else FIRST_PORT + 2 * place
            resource = Resource.parse(f"scpi-tcp://127.0.0.1:{port}")
            settings = DeviceSettings(device=device, resource=resource, rated_current_a=7.0, options=self.options)
        else:
            modbus, scpi = _free_ports() if self.free_ports else (FIRST_PORT + 2 * place, FIRST_PORT + 2 * place + 1)
            settings = DeviceSettings(
                device=device,
                resource=Resource.parse(f"modbus-tcp://127.0.0.1:{modbus}?scpi={scpi}"),
                rated_voltage_v=10.0,
                rated_current_a=15.0,
                rated_power_w=150.0,
                options=self.options,
            )
        return DeviceConfiguration(settings=settings, driver=self.driver)

    def _meter(self, device: str, place: int) -> DeviceConfiguration:
        driver = self.meters[device]
        if driver == "sim_meter":
            channels = sum(tips.device == device for tips in self.probed.values())
            return DeviceConfiguration(settings=_inside(device, {"channels": str(channels)}), driver=driver)
        port = _free_ports()[0] if self.free_ports else METER_PORT + place
        resource = Resource.parse(f"ascii-tcp://127.0.0.1:{port}")
        settings = DeviceSettings(device=device, resource=resource, options={"resistance_range": "30 mOhm"})
        return DeviceConfiguration(settings=settings, driver=driver)


def _inside(device: str, options: Mapping[str, str]) -> DeviceSettings:
    return DeviceSettings(device=device, resource=Resource.parse(f"sim:{device}"), options=options)


def _free_ports() -> tuple[int, int]:
    """Two that nobody listens on at this instant."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
