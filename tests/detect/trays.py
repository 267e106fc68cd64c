"""Trays of simulated cells, run without a wire in virtual time; every cell is judged as a user's would be."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cycler.contract.plugin import DeviceSettings, Resource
from cycler.model.rack import Bay, ChannelRef, PositionId
from cycler.model.world import WorldDeclaration
from cycler.record.reader import Reader
from cycler.results.verdict import JudgedCell
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.lot import finish_runs
from cycler.service.running_rack import Job
from cycler.service.session import run_session
from cycler.service.wiring import load_driver, open_world

IN_PROCESS: Final = "in-process"
DRIVERS: Final = {"temperature": "sim_temperature", "chamber": "sim_chamber", "digital-io": "sim_io"}
OPTIONS: Final = {"sim_temperature": {"channels": "32", "sensor": "thermocouple"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trays:
    """What came of them. `unexpected`: positions where there should have been no cell."""

    cells: tuple[JudgedCell, ...]
    unexpected: frozenset[PositionId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was planted at a position, if anything, and what the checks made of it."""

    tray: str
    seed: int
    position: PositionId
    planted: str | None
    wanted: frozenset[str]  # any of these reasons is right
    verdict: str
    codes: tuple[str, ...]

    @property
    def rejected(self) -> bool:
        return self.verdict != "pass"

    @property
    def is_right(self) -> bool:
        """A good cell has passed; a bad one is rejected for the right reason."""
        return not self.rejected if self.planted is None else bool(self.codes) and self.codes[0] in self.wanted


def ran(configuration: Configuration, declaration: WorldDeclaration, jobs: Sequence[Job]) -> Trays:
    """To the end of the last job."""
    world = open_world(configuration, declaration, wire="memory")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "journal"
        runs = run_session(configuration, world, jobs, store=store, seed=declaration.seed)
        lot = finish_runs(
            store,
            [run.run_id for run in runs],
            {job.recipe.cell_type.name: job.recipe.cell_type for job in jobs},
            Path(folder),
            config_hash=configuration.content_hash,
            seed=declaration.seed,
        )
        with Reader(store) as reader:
            events = [event for run in runs for event in reader.record(run.run_id).events]
    found = (event.position for event in events if event.event == "cell.unexpected")
    return Trays(cells=lot.judged, unexpected=frozenset(position for position in found if position is not None))


def without_wires(configuration: Configuration) -> Configuration:
    """The same rack with devices inside this process, under their own names; but one cycler for all cells, as good as
    the one that most of them are behind."""
    places = [place for bay in configuration.rack.bays.values() for place in bay.positions.values()]
    instead = {
        channel: ChannelRef(device=IN_PROCESS, channel=str(number))
        for number, channel in enumerate((channel for place in places for channel in place.channels), 1)
    }
    kinds = {
        device.settings.device: load_driver(device.driver).kind_of(device.settings) for device in configuration.devices
    }
    (most, _), *_ = Counter(channel.device for place in places for channel in place.channels).most_common()
    rated = next(device.settings for device in configuration.devices if device.settings.device == most)
    cycler = _in_process(replace(rated, device=IN_PROCESS, options={"channels": str(len(instead))}), "sim_cycler")
    others = (
        _in_process(replace(device.settings, options=OPTIONS.get(driver, {}), register_map=None), driver)
        for device in configuration.devices
        if (driver := DRIVERS.get(kinds[device.settings.device])) is not None
    )
    bays = {name: _rewired(bay, instead) for name, bay in configuration.rack.bays.items()}
    return replace(configuration, rack=replace(configuration.rack, bays=bays), devices=(cycler, *others))


def _in_process(settings: DeviceSettings, driver: str) -> DeviceConfiguration:
    resource = Resource.parse(f"sim:{settings.device}")
    return DeviceConfiguration(settings=replace(settings, resource=resource), driver=driver)


def _rewired(bay: Bay, instead: Mapping[ChannelRef, ChannelRef]) -> Bay:
    positions = {
        at: replace(place, channels=tuple(instead[channel] for channel in place.channels))
        for at, place in bay.positions.items()
    }
    return replace(bay, positions=positions)
