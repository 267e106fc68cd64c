"""A press that slowly loses its force: the contacts of its bay get worse, and then they are gone."""

import asyncio
from collections.abc import Sequence

from sims.fixtures import Place
from sims.loop import VirtualLoop

STAGES = 100


class LosingPress:
    """The force falls in a straight line; the resistance of a contact goes with its inverse, as that of films does.

    Without force the path of the current is open. The sense probes need hardly any: a megohm is behind them.
    """

    def __init__(self, loop: VirtualLoop, places: Sequence[Place], *, over_s: float) -> None:
        self._loop = loop
        self._places = places
        self._over_s = over_s
        self._sound_ohm: list[float] = []
        self._added_ohm: list[float] = []
        self._lost = 0  # stages of force
        self._next: asyncio.TimerHandle | None = None

    def change(self, begins: bool) -> None:
        """It begins to lose its force, or has all of it again."""
        if begins:
            self._sound_ohm = [place.bank.contact_ohm(place.row) for place in self._places]
            self._added_ohm = [0.0] * len(self._places)
            self._weaken()
            return
        if self._next is not None:
            self._next.cancel()
        for place, added_ohm in zip(self._places, self._added_ohm, strict=True):
            place.bank.advance(self._loop.time())
            place.bank.add_contact(place.row, -added_ohm)
            if self._lost == STAGES:
                place.bank.break_path(place.row, broken=False)
        self._lost = 0

    def _weaken(self) -> None:
        self._next = self._loop.call_later(self._over_s / STAGES, self._lose_a_stage)

    def _lose_a_stage(self) -> None:
        self._lost += 1
        for index, place in enumerate(self._places):
            place.bank.advance(self._loop.time())
            if self._lost == STAGES:
                place.bank.break_path(place.row, broken=True)
                continue
            added_ohm = self._sound_ohm[index] * self._lost / (STAGES - self._lost)
            place.bank.add_contact(place.row, added_ohm - self._added_ohm[index])
            self._added_ohm[index] = added_ohm
        if self._lost < STAGES:
            self._weaken()
