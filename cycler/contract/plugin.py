"""How a driver makes itself known: an entry point in the group `cycler.drivers` that names a `Driver`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from cycler.contract.capabilities import ChamberRange, ChannelRange, Keeps, MeterRange, Watchdog
from cycler.contract.devices import ChamberDriver, CyclerDriver, DigitalIo, Meter, TemperatureInput
from cycler.contract.register_map import RegisterMap

DeviceKind = Literal["cycler", "temperature", "chamber", "digital-io", "meter"]
AnyDevice = CyclerDriver | TemperatureInput | ChamberDriver | DigitalIo | Meter


IN_PROCESS = "sim"
"""The scheme of simulated devices that live in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Where a device is: `modbus-tcp://127.0.0.1:1502?unit=1`, taken apart."""

    text: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: Mapping[str, str]

    @property
    def in_process(self) -> bool:
        """A simulated device inside this process: it has no address."""
        return self.scheme == IN_PROCESS

    @classmethod
    def parse(cls, text: str) -> "Resource":
        """Raises `ValueError` saying what is wrong."""
        parts = urlsplit(text)
        if not parts.scheme:
            raise ValueError(f"{text!r} names no scheme; write it like modbus-tcp://127.0.0.1:1502")
        if parts.netloc and "@" in parts.netloc + parts.path:  # what stands before it may be secret: it is not repeated
            raise ValueError(f"an address names no user and no password; write it like {parts.scheme}://192.168.0.21")
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
        if port == 0:
            raise ValueError(f"{text!r}: nothing can be reached at port 0")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        query = dict(pairs)
        if len(query) != len(pairs):
            raise ValueError(f"{text!r} gives an option twice")
        return cls(text=text, scheme=parts.scheme, host=parts.hostname or "", port=port, path=parts.path, query=query)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What the rack file says of one device, in SI units. `None`: the driver's own default."""

    device: str  # its id in the rack
    resource: Resource
    voltage_accuracy_v: float | None = None
    current_accuracy_a: float | None = None
    rated_voltage_v: float | None = None
    rated_current_a: float | None = None
    rated_power_w: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    register_map: RegisterMap | None = None  # for a driver that is told everything by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a driver may not fetch for itself."""

    utcnow: Callable[[], datetime]
    world: object | None = None  # the simulated world, for the drivers of simulated devices that live in this process


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineFacts:
    """What the rack file alone tells of a device, so that racks and recipes can be checked before anybody connects.

    `None`: only the device itself knows.
    """

    channels: tuple[str, ...] | None = None  # of a cycler, temperature input or meter; the outputs of a digital I/O
    inputs: tuple[str, ...] | None = None  # of a digital I/O
    range: ChannelRange | None = None  # of a cycler
    keeps: Keeps | None = None  # of a cycler
    chamber: ChamberRange | None = None  # of a chamber; infinite where only the device knows
    meter: MeterRange | None = None
    watchdog: Watchdog | None = None  # of a digital I/O


class Opener(Protocol):
    """Builds the device; opens nothing yet. Raises `ValueError` for settings that cannot be."""

    def __call__(self, settings: DeviceSettings, surroundings: Surroundings) -> AnyDevice: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What the entry point names."""

    kind: DeviceKind | None  # None: a register map, which it needs, says it
    summary: str  # one line for `cycler drivers list`
    schemes: tuple[str, ...]  # the resources that it can open
    opens: Opener
    offline: Callable[[DeviceSettings], OfflineFacts] | None = None
    """Raises `ValueError` for settings that cannot be, `MapError` for a register map that says too little."""
    confirmed_on_hardware: bool = False

    def kind_of(self, settings: DeviceSettings) -> DeviceKind:
        """Raises `ValueError` where the rack file gives a register map to a driver without use for it, or none to one
        that needs it."""
        given = settings.register_map
        if self.kind is not None:
            if given is not None:
                raise ValueError(f"{settings.device}: its driver has no use for a register map")
            return self.kind
        if given is None:
            raise ValueError(f"{settings.device}: its driver needs a register map: write `map: FILE.yaml`")
        return given.kind
