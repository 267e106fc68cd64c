"""What one rack is configured to be, every value checked and in SI units."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from cycler.contract.plugin import DeviceSettings
from cycler.contract.sweep import ChannelId
from cycler.model.audit import Role
from cycler.model.rack import Rack
from cycler.recipe.problems import Problem
from cycler.service.device_trust import DeviceTrust

RUNTIME: Final = Path("/run/cycler")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfiguration:
    """One line under `devices:`."""

    settings: DeviceSettings
    driver: str
    trust: DeviceTrust = field(default_factory=DeviceTrust)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A whole rack file. `content` is its bytes.

    `not_yet` is what the file asks of control and control of this version cannot do: no run starts on such a rack.
    """

    rack: Rack
    devices: tuple[DeviceConfiguration, ...]
    store: Path | None
    file: Path
    content: bytes
    runtime: Path = RUNTIME  # where the service's sockets and its list of what may run on lie
    resume: Literal["auto", "ask"] = "auto"  # whether runs go on by themselves when control was lost and is back
    users: Mapping[str, Role] = field(default_factory=dict)  # by the names of their accounts
    not_yet: tuple[Problem, ...] = ()

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def channels_of(self, device: str) -> tuple[ChannelId, ...]:
        """The channels of this device that bays and positions name, as cycler, sensor, contactor or other output."""
        named: dict[ChannelId, None] = {}
        for bay in self.rack.bays.values():
            refs = [ref for p in bay.positions.values() for ref in (*p.channels, p.temperature, p.meter)]
            for ref in (*refs, bay.contactor, bay.press, *(each.output for each in bay.outputs.values())):
                if ref is not None and ref.device == device:
                    named[ChannelId(ref.channel)] = None
        return tuple(named)
