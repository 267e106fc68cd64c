"""A register map: what people write about a Modbus device that no driver knows, typed and in SI units.

It says where values stand and how they are scaled. What a driver makes of them is the driver's: it raises `MapError`
for a map that does not say enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MapKind = Literal["temperature", "digital-io", "chamber", "cycler"]
RegisterType = Literal["i16", "u16", "i32", "u32", "f32"]
WordOrder = Literal["high-first", "low-first"]

EntryKey = tuple[str, str | None]
"""The name of a register or bit, and its channel."""


class MapError(ValueError):
    """The map cannot be used for its kind of device. `line` counts from 1, 0 means the whole file."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedRegister:
    """A number. `value = raw × scale + offset`, in the base unit that `unit` names (K/s for K/min; "" for none)."""

    name: str
    channel: str | None
    function: Literal[3, 4]  # 3: a holding register, which may also be written; 4: an input register
    address: int
    type: RegisterType
    scale: float
    offset: float
    unit: str
    broken: tuple[float, ...] = ()  # raw values that stand for none
    line: int = 0

    @property
    def key(self) -> EntryKey:
        """No other entry of the map has it."""
        return self.name, self.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedBit:
    """A yes or no: a coil (1), a discrete input (2), one `bit` of a register (3, 4), or a whole register that holds
    `on` or `off` (3)."""

    name: str
    channel: str | None
    function: Literal[1, 2, 3, 4]
    address: int
    bit: int | None = None
    on: int = 1
    off: int = 0
    line: int = 0

    @property
    def key(self) -> EntryKey:
        """No other entry of the map has it."""
        return self.name, self.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedValue:
    """What a register of the right device holds, as a raw value: how another device at the address is recognised."""

    function: Literal[3, 4]
    address: int
    type: RegisterType
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioned:
    """Who has proved on which day, by which evidence, that the map is right."""

    by: str
    date: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """A whole file. `ranges` and `accuracies` are by quantity (`temperature`, `voltage`, `rate` …), in SI units."""

    file: str
    device: str  # what it is, for people
    kind: MapKind
    unit: int | None  # of the bus; None: as the resource says
    word_order: WordOrder
    registers: tuple[MappedRegister, ...]
    bits: tuple[MappedBit, ...] = ()
    expected: tuple[ExpectedValue, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    accuracies: Mapping[str, float] = field(default_factory=dict)
    watchdog_s: float | None = None  # to be set in the device at commissioning
    commissioned: Commissioned | None = None
