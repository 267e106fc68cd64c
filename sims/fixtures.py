"""Where the cells of a rack stand, and what is wired to them: channels, sensors, contactors, chambers."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cycler.model.rack import ChannelRef, PositionId, Rack
from cycler.model.world import WorldDeclaration, WorldError
from sims.air import UNEVEN_K, Air, Places
from sims.cells.bank import CellBank
from sims.chamber import Chamber
from sims.clamps import Clamp
from sims.defects import DrawnDefect
from sims.loading import loading, physics, sensors
from sims.seeds import generator

NO_CELL_W_PER_K = 1.0  # there is nothing to lose heat, but a division has to go through


class Place(NamedTuple):
    """A row of the physics."""

    bank: CellBank
    row: int


class Fixtures:
    """One bank of cells per instrument: instruments polled at staggered times then never pay for each other.

    Contactors start open; where a bay has none, the path is closed. Raises `WorldError` for a declaration that does not
    fit the rack.
    """

    def __init__(
        self,
        declaration: WorldDeclaration,
        rack: Rack,
        *,
        defects: Iterable[DrawnDefect],
        chambers: Mapping[str, Chamber],
    ) -> None:
        self._ambient_degc = declaration.ambient_degc
        self._at: dict[PositionId, Place] = {}
        self._on: dict[ChannelRef, Clamp] = {}
        self._behind: dict[ChannelRef, list[Place]] = {}
        self._sensors = sensors(rack, defects)
        loaded = loading(declaration, rack, defects)
        if unknown := sorted(set(declaration.cells) - set(loaded)):
            raise WorldError(f"the rack has no position {unknown[0]!r}", line=declaration.cells[unknown[0]].line)
        places = Places(rack, chambers, ambient_degc=declaration.ambient_degc, uneven_k=_uneven_k(declaration, rack))
        for rows in _wired(rack):
            cells = [physics(loaded[name], declaration) for name, _ in rows]
            loss_w_per_k = [NO_CELL_W_PER_K if cell is None else cell.heat_loss_w_per_k for cell in cells]
            air = Air(places, [name for name, _ in rows], np.array(loss_w_per_k))
            supplies = {row: len(channels) for row, (_, channels) in enumerate(rows) if len(channels) > 1}
            bank = CellBank(cells, ambient_degc=self._ambient_degc, air=air, supplies=supplies)
            for row, (name, channels) in enumerate(rows):
                self._at[name] = Place(bank, row)
                for lead, channel in enumerate(channels):
                    self._on[channel] = Clamp(bank, row, lead if len(channels) > 1 else None)
                if loaded[name].reversed:
                    bank.reverse(row)
        self._probed = {
            place.meter: self._at[name]
            for bay in rack.bays.values()
            for name, place in bay.positions.items()
            if place.meter is not None
        }
        for bay in rack.bays.values():
            if bay.contactor is not None:
                behind = [self._at[name] for name in bay.positions]
                self._behind.setdefault(bay.contactor, []).extend(behind)
                for bank, row in behind:
                    bank.set_path(row, closed=False)

    def watch(self, told: Callable[[PositionId, bool], None]) -> None:
        """`told` hears when a supply that is on begins to reach the cell of a position, and when that ends."""
        at: dict[CellBank, dict[int, PositionId]] = {}
        for name, place in self._at.items():
            at.setdefault(place.bank, {})[place.row] = name
        for bank, names in at.items():
            bank.watch(_Watched(bank, names, told).look)

    def at(self, position: PositionId) -> Place:
        """Raises `KeyError` for a position that the rack does not have."""
        return self._at[position]

    def on(self, device: str, channels: Sequence[str]) -> list[Clamp]:
        """What the channels are wired to; those that the rack does not name have open clamps."""
        wanted = [ChannelRef(device=device, channel=channel) for channel in channels]
        unwired = [channel for channel in wanted if channel not in self._on]
        if unwired:
            bank = CellBank([None] * len(unwired), ambient_degc=self._ambient_degc)
            self._on |= {channel: Clamp(bank, row) for row, channel in enumerate(unwired)}
        return [self._on[channel] for channel in wanted]

    def seen_by(self, device: str, channels: Sequence[str]) -> list[Place | None]:
        """Where these sensors sit, `None` for one that sits nowhere."""
        positions = [self._sensors.get(ChannelRef(device=device, channel=channel)) for channel in channels]
        return [None if position is None else self._at[position] for position in positions]

    def probed_by(self, device: str, channel: str) -> Place | None:
        """The cell on which this meter's tips are, `None` for one whose tips hang in the air."""
        return self._probed.get(ChannelRef(device=device, channel=channel))

    def behind(self, device: str, line: str) -> Sequence[Place]:
        """The cells whose path this contactor carries; none, if the line is something else."""
        return self._behind.get(ChannelRef(device=device, channel=line), ())


class _Watched:
    """One bank, with what was last told of it."""

    def __init__(
        self, bank: CellBank, names: Mapping[int, PositionId], told: Callable[[PositionId, bool], None]
    ) -> None:
        self._bank = bank
        self._names = names
        self._told = told
        self._on = {row for row in names if bank.is_energised(row)}

    def look(self, row: int) -> None:
        """Something was set there."""
        on = self._bank.is_energised(row)
        if on is (row in self._on):
            return
        (self._on.add if on else self._on.remove)(row)
        self._told(self._names[row], on)


def _wired(rack: Rack) -> Collection[list[tuple[PositionId, tuple[ChannelRef, ...]]]]:
    """The positions on each instrument; those with channels on several are on the first of them."""
    wired: dict[str, list[tuple[PositionId, tuple[ChannelRef, ...]]]] = {}
    for bay in rack.bays.values():
        for name, position in bay.positions.items():
            wired.setdefault(position.channels[0].device, []).append((name, position.channels))
    return wired.values()


def _uneven_k(declaration: WorldDeclaration, rack: Rack) -> Mapping[PositionId, float]:
    """How much warmer than its air each place in a chamber is."""
    if declaration.ideal:
        return {}
    return {
        name: generator(declaration.seed, f"place:{name}").uniform(-UNEVEN_K, UNEVEN_K)
        for bay in rack.bays.values()
        if bay.chamber is not None
        for name in bay.positions
    }
