"""What a simulated world offers to whoever runs control on it: an entry point in the group `cycler.worlds`."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from cycler.contract.plugin import Resource
from cycler.contract.register_map import RegisterMap
from cycler.contract.sweep import ChannelId

T = TypeVar("T")

RunBlocking = Callable[[Callable[[], T]], Awaitable[T]]
"""Where blocking work (fsync, compression) goes: a thread in production, inline in simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDevice:
    """A device of the rack file, as far as its simulator has to know it. `None`: the simulator's own rating."""

    device: str
    driver: str
    resource: Resource
    channels: tuple[ChannelId, ...]  # those that the rack's positions name, in the rack's order
    rated_voltage_v: float | None = None
    rated_current_a: float | None = None
    rated_power_w: float | None = None
    voltage_accuracy_v: float | None = None  # what the rack file declares: the instrument errs within it
    current_accuracy_a: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    register_map: RegisterMap | None = None

    @property
    def sort(self) -> str:
        """Of devices that are alike: its driver, and where a map says it, the kind."""
        return self.driver if self.register_map is None else f"{self.driver} {self.register_map.kind}"


class World(Protocol):
    """Cells, fixtures and instruments, and the time that they live in."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end on the world's own loop, in its own time."""

    async def run_blocking(self, work: Callable[[], T]) -> T:
        """Where blocking work goes: here in line, for it costs no simulated time."""

    def utcnow(self) -> datetime:
        """The world's wall clock; starts at 2026-01-01T00:00:00Z."""

    async def start(self) -> None:
        """Start every simulated instrument, each at the address that its resource names."""

    def watch_outputs(self, told: Callable[[str, bool, float], None]) -> None:
        """`told` hears of each position whose cell is energised from now on or no longer, and when, in s."""

    async def aclose(self) -> None:
        """Stop them."""
