"""Where the cells of a rack stand, and what is wired to them: channels, sensors, contactors."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cycler.model.rack import ChannelRef, PositionId, Rack
from cycler.model.world import WorldDeclaration, WorldError
from sims.cells.bank import CellBank
from sims.cells.population import draw
from sims.seeds import generator


class Place(NamedTuple):
    """A row of the physics."""

    bank: CellBank
    row: int


class Fixtures:
    """One bank of cells per instrument: instruments polled at staggered times then never pay for each other.

    Contactors start open; where a bay has none, the path is closed. Raises `WorldError` for a declaration that does not
    fit the rack.
    """

    def __init__(self, declaration: WorldDeclaration, rack: Rack, *, missing: Collection[PositionId]) -> None:
        self._ambient_degc = declaration.ambient_degc
        self._at: dict[PositionId, Place] = {}
        self._on: dict[ChannelRef, Place] = {}
        self._sensors: dict[ChannelRef, PositionId] = {}
        self._behind: dict[ChannelRef, list[Place]] = {}
        positions = {name: position for bay in rack.bays.values() for name, position in bay.positions.items()}
        if unknown := sorted(set(declaration.cells) - set(positions)):
            raise WorldError(f"the rack has no position {unknown[0]!r}", line=declaration.cells[unknown[0]].line)
        wired: dict[str, list[tuple[PositionId, ChannelRef]]] = {}
        for name, position in positions.items():
            if len(position.channels) != 1:
                raise ValueError(f"{name}: channels in parallel are not simulated")
            wired.setdefault(position.channels[0].device, []).append((name, position.channels[0]))
            if position.temperature is not None:
                self._sensors[position.temperature] = name
        for rows in wired.values():
            cells = [
                draw(declaration.cells[name], generator(declaration.seed, f"cell:{name}"), ideal=declaration.ideal)
                if name in declaration.cells and name not in missing
                else None
                for name, _ in rows
            ]
            bank = CellBank(cells, ambient_degc=self._ambient_degc)
            for row, (name, channel) in enumerate(rows):
                self._at[name] = self._on[channel] = Place(bank, row)
        for bay in rack.bays.values():
            if bay.contactor is not None:
                places = [self._at[name] for name in bay.positions]
                self._behind.setdefault(bay.contactor, []).extend(places)
                for bank, row in places:
                    bank.set_path(row, closed=False)

    def at(self, position: PositionId) -> Place:
        """Raises `KeyError` for a position that the rack does not have."""
        return self._at[position]

    def on(self, device: str, channels: Sequence[str]) -> list[Place]:
        """What the channels are wired to; those that the rack does not name have open clamps."""
        wanted = [ChannelRef(device=device, channel=channel) for channel in channels]
        unwired = [channel for channel in wanted if channel not in self._on]
        if unwired:
            bank = CellBank([None] * len(unwired), ambient_degc=self._ambient_degc)
            self._on |= {channel: Place(bank, row) for row, channel in enumerate(unwired)}
        return [self._on[channel] for channel in wanted]

    def seen_by(self, device: str, channels: Sequence[str]) -> list[Place | None]:
        """Where these sensors sit, `None` for one that sits nowhere."""
        positions = [self._sensors.get(ChannelRef(device=device, channel=channel)) for channel in channels]
        return [None if position is None else self._at[position] for position in positions]

    def behind(self, device: str, line: str) -> Sequence[Place]:
        """The cells whose path this contactor carries; none, if the line is something else."""
        return self._behind.get(ChannelRef(device=device, channel=line), ())
