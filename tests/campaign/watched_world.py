"""A simulated world that tells its observer whenever an instrument drives its output, and every half second."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sims.faults import Faults
from sims.terminal import Bank, BankReading, Supply, Terminal, TerminalReading
from sims.testing.observed_world import ObservedWorld

LOOK_S = 0.5


class Witness(Protocol):
    """Sees what is true."""

    def driven(self, device: str, channel: str, supply: Supply) -> None: ...
    def look(self, now_s: float) -> None: ...


class WatchedWorld(ObservedWorld):
    """`witness` is there before the world starts."""

    witness: Witness

    async def start(self) -> None:
        await super().start()
        self.loop.call_later(LOOK_S, self._look)

    def terminal(self, device: str, channel: str) -> Terminal:
        return _Terminal(super().terminal(device, channel), self, device, channel)

    def bank(self, device: str, channels: Sequence[str]) -> Bank:
        return _Bank(super().bank(device, channels), self, device, channels)

    def place(self, position: Any) -> Any:
        """The row of the physics."""
        return self._fixtures.at(position)

    def all_faults(self) -> Mapping[str, Faults]:
        """By device, of those that have been asked for."""
        return self._faults

    def _look(self) -> None:
        if self.left is None:
            self.witness.look(self.loop.time())
            self.loop.call_later(LOOK_S, self._look)


class _Terminal:
    def __init__(self, terminal: Terminal, world: WatchedWorld, device: str, channel: str) -> None:
        self._terminal = terminal
        self._world = world
        self._where = (device, channel)

    def drive(self, supply: Supply) -> None:
        self._terminal.drive(supply)
        self._world.witness.driven(*self._where, supply)

    def measure(self) -> TerminalReading:
        return self._terminal.measure()


class _Bank:
    def __init__(self, bank: Bank, world: WatchedWorld, device: str, channels: Sequence[str]) -> None:
        self._bank = bank
        self._world = world
        self._device = device
        self._channels = tuple(channels)

    def drive(self, row: int, supply: Supply) -> None:
        self._bank.drive(row, supply)
        self._world.witness.driven(self._device, self._channels[row], supply)

    def measure(self) -> BankReading:
        return self._bank.measure()
