"""What there is to say of a rack file that reads well."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cycler.service.configuration import Configuration
from cycler.service.instruments import declared_world
from cycler.service.protection_check import not_available_on, protection_lines
from cycler.service.rack_file import load_configuration
from cycler.service.wiring import open_world


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConfiguration:
    """A rack file in which nothing is wrong; `Configuration.not_yet` may still keep a run from starting."""

    configuration: Configuration

    @property
    def positions(self) -> int:
        """In all bays."""
        return sum(len(bay.positions) for bay in self.configuration.rack.bays.values())

    @property
    def uncommissioned(self) -> Mapping[str, str]:
        """The cyclers whose register maps nobody has proved yet, each with its map's file."""
        told = [device.settings for device in self.configuration.devices]
        return {
            settings.device: settings.register_map.file
            for settings in told
            if settings.register_map is not None
            and settings.register_map.kind == "cycler"
            and settings.register_map.commissioned is None
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        found = self.configuration
        yield f"{found.file} is fine: {found.content_hash[:12]}"
        counts = f"devices {len(found.devices)}, bays {len(found.rack.bays)}, positions {self.positions}"
        yield f"rack {found.rack.rack}: {counts}"
        for device, file in self.uncommissioned.items():
            yield f"{device}: {file} is uncommissioned: it refuses cells until its proof test has passed"
        yield from protection_lines(found.rack)
        for problem in found.not_yet:
            yield f"no run can start on it: {problem}"

    def document(self) -> Mapping[str, object]:
        """For programs."""
        found = self.configuration
        return {
            "rack": found.rack.rack,
            "hash": found.content_hash,
            "devices": [device.settings.device for device in found.devices],
            "bays": list(found.rack.bays),
            "positions": self.positions,
            "uncommissioned": list(self.uncommissioned),
            "protections_not_available": {
                position: {int(code): list(needs) for code, needs in missing.items()}
                for position, missing in not_available_on(found.rack).items()
            },
            "not_yet": [problem.as_json() for problem in found.not_yet],
        }


def check_configuration(file: Path, world: Path | None) -> CheckedConfiguration:
    """Raises `InvalidFile` with what is wrong in either file, and `ValueError` for what cannot be simulated."""
    configuration = load_configuration(file)
    if world is not None:
        open_world(configuration, declared_world(configuration, world, cell_type=None, seed=None), wire="memory")
    return CheckedConfiguration(configuration=configuration)
