"""What the driver needs of the supply, whichever language it speaks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cycler.contract.capabilities import Identity
from cycler.contract.sweep import Regulation
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import Ratings
from drivers.ea_psb.set_values import Held, Setting
from drivers.links.queue import Priority

CONFIRM_S = 0.5  # V: what is written takes effect "a short, undefined time" after it was received
POWER_FAIL = "power fail"


class Switch(Enum):
    """What is on or off, beside the output."""

    REMOTE = "remote control"
    RESISTANCE_MODE = "resistance mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the supply says of itself."""

    output_on: bool
    regulation: Regulation
    alarms: str = ""  # those that stand, by name, for people
    events: str = ""  # all that is flagged, alarm or not: some of it keeps an output off all the same
    other_owner: str | None = None  # who has control where we have not


@dataclass(frozen=True, slots=True)
class Measured:
    """`taken_s` is the middle of request and reply. The current is NaN where its direction could not be told."""

    taken_s: float
    voltage_v: float
    current_a: float
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take on its wire, as `Capabilities` has them."""

    order_time_s: float
    sweep_time_s: float


class Instrument(Protocol):
    """The supply behind one of its wires. A write that returns was received, or only sent: what it did, a read shows.

    `unless`: see `drivers.links.access.Access.transact`.
    """

    @property
    def pace(self) -> Pace:
        """Known before anything is asked."""

    async def identify(self) -> Identity:
        """Who answers. Raises `ProtocolError` for anything but a PSB."""

    async def ratings(self) -> Ratings:
        """To be read before anything that is scaled by them."""

    async def reach(self) -> Reach:
        """The adjustment limits as they stand now: a person may change them at the front panel."""

    async def status(self, priority: Priority) -> Status:
        """As it is now."""

    async def measure(self, *, accuracy_a: float) -> Measured:
        """Currents below the accuracy have whatever sign comes with them."""

    async def held(self) -> Held:
        """The set values as they read back."""

    async def voltage_raw(self) -> int:
        """The voltage at the output, as a count."""

    async def write(
        self, setting: Setting, raw: int, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """A set value as a count, or the output: 1 is on."""

    async def switch(self, what: Switch, on: bool, priority: Priority) -> None:
        """Turn it on or off."""

    async def is_on(self, what: Switch) -> bool:
        """Whether it is."""

    async def acknowledge_alarms(self) -> None:
        """Those whose cause is gone."""

    async def refuse_restart(self) -> bool:
        """Raises `DeviceFault` where the output comes on with the power. False: the device cannot be asked."""

    def close(self) -> None:
        """Let go of the wire."""
