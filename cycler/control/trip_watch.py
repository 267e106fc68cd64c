"""The time after a trip: V and T of the bay go on being read and recorded, and it stays locked until it is cold."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, nan
from typing import NamedTuple

from cycler.control.channel_controller import ChannelController
from cycler.control.device_loop import DeviceLoop
from cycler.control.rack_log import RackLog
from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import CellType
from cycler.model.rack import Bay, BayId, PositionId, Rack
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder
from cycler.safety.trip_watch import CellWatch

LOOK_S = 10.0


class _Kept(NamedTuple):
    """What a restart must know of a watch. The time without control does not count: nobody has watched."""

    why: str
    left_s: float
    cells: tuple[PositionId, ...]


@dataclass(slots=True, eq=False)
class _Watched:
    bay: Bay
    why: str
    until_s: float
    places: tuple[PositionId, ...]  # where a cell stands
    cells: dict[ChannelController, CellWatch] = field(default_factory=dict)  # whose run is over
    began_s: dict[ChannelController, float] = field(default_factory=dict)
    told: set[tuple[PositionId, AlarmCode]] = field(default_factory=set)
    is_doubted: bool = False  # its time is over, but a cell is not known to be cold


class TripWatches:
    """Of all bays. Its readings belong to the runs whose cells stand there. What is left of a watch outlives the
    process: it goes on when control is back, and the time without control does not count."""

    def __init__(
        self,
        rack: Rack,
        controllers: Mapping[PositionId, ChannelController],
        rack_log: RackLog,
        recorder: Recorder,
        *,
        loop_of: Callable[[PositionId], DeviceLoop],
        on_over: Callable[[Bay], None],
    ) -> None:
        """`controllers`: the latest run on each position. `on_over`: the bay is cold, or nobody waits for that here."""
        self._rack = rack
        self._controllers = controllers
        self._log = rack_log
        self._loop_of = loop_of
        self._on_over = on_over
        self._memory: Memory[_Kept] = Memory(recorder, "watch", _Kept)
        now_s = asyncio.get_running_loop().time()
        self._watched = {
            bay: _Watched(rack.bays[bay], kept.why, now_s + kept.left_s, kept.cells)
            for bay, kept in ((BayId(name), kept) for name, kept in self._memory.items())
            if bay in rack.bays
        }
        self._begun = asyncio.Event()
        if self._watched:
            self._begun.set()

    def begin(self, bay: Bay, why: str) -> None:
        """From now on, or once more for the whole time."""
        until_s = asyncio.get_running_loop().time() + self._rack.watch_s
        places = tuple(each.position for each in self._standing(bay))
        watched = self._watched.setdefault(bay.bay, _Watched(bay, why, until_s, places))
        watched.until_s, watched.places, watched.is_doubted = until_s, places, False
        self._keep(watched)
        self._begun.set()

    def is_on(self, bay: BayId) -> bool:
        """The bay is locked: its press stays closed, and nothing starts there."""
        return bay in self._watched

    def lasts(self, bay: BayId) -> bool:
        """Its time is not over yet."""
        return bay in self._watched and not self._watched[bay].is_doubted

    def refusal(self, position: PositionId) -> str | None:
        """Why no run may start there now."""
        return next((self.obstacle(bay) for bay in self._watched if position in self._rack.bays[bay].positions), None)

    def obstacle(self, bay: BayId) -> str | None:
        """Why nobody may go near the bay, and for how long; None where it is not watched."""
        watched = self._watched.get(bay)
        if watched is None:
            return None
        left_s = watched.until_s - asyncio.get_running_loop().time()
        rest = f"for another {ceil(left_s / 60)} min, and until it is cold"
        if left_s <= 0:
            rest = f"until it is cold: {'; '.join(self._doubts(watched))}"
        return f"bay {bay} is watched {rest} (since {watched.why})"

    def confirm_cold(self, bay: BayId) -> str | None:
        """A person has seen for himself that the bay is cold. Why that is too early; None where the watch is over."""
        if self.lasts(bay):
            return self.obstacle(bay)
        if bay in self._watched:
            self._end(self._watched[bay], f"bay {bay} has been found cold")
        return None

    async def run(self) -> None:
        """Until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._begun.wait()
            for watched in list(self._watched.values()):
                self._look(watched, clock())
            if not self._watched:
                self._begun.clear()
            else:
                await asyncio.sleep(LOOK_S)

    def _look(self, watched: _Watched, now_s: float) -> None:
        for controller in self._standing(watched.bay):
            if not controller.closed:
                continue  # its own machine judges and records it
            if controller not in watched.cells:
                watched.began_s[controller] = now_s
                watched.cells[controller] = CellWatch(
                    now_s,
                    cold_degc=_cold_degc(controller.machine.plan.cell_type),
                    has_sensor=watched.bay.positions[controller.position].temperature is not None,
                )
            voltage_v, current_a = self._reading(controller)
            watched.cells[controller].take(now_s, voltage_v=voltage_v, temperature_degc=controller.temperature_degc)
            controller.record_watched(now_s, now_s - watched.began_s[controller], voltage_v, current_a)
        self._tell(watched, "watch.warming", AlarmCode.TEMPERATURE_RISE_RATE, lambda cell: cell.warms)
        self._tell(watched, "watch.voltage_falling", AlarmCode.FAST_VOLTAGE_DROP, lambda cell: cell.falls)
        self._keep(watched)
        if now_s < watched.until_s:
            return
        doubts = list(self._doubts(watched))
        if not doubts:
            self._end(watched, f"bay {watched.bay.bay} is cold")
        elif not watched.is_doubted:
            watched.is_doubted = True
            text = f"bay {watched.bay.bay} is not proven cold: {'; '.join(doubts)}"
            self._log.record("watch.not_cold", text=text, bay=watched.bay, severity="error")
            self._on_over(watched.bay)

    def _tell(self, watched: _Watched, event: str, code: AlarmCode, finding: Callable[[CellWatch], str | None]) -> None:
        """One alarm for all cells that it is new of."""
        found = {each.position: text for each, cell in watched.cells.items() if (text := finding(cell)) is not None}
        new = [position for position in found if (position, code) not in watched.told]
        if new:
            watched.told.update((position, code) for position in new)
            text = "; ".join(f"{position}: {found[position]}" for position in new)
            self._log.record(
                event, code=code, text=f"watched after {watched.why}: {text}", bay=watched.bay, severity="error"
            )

    def _doubts(self, watched: _Watched) -> Iterator[str]:
        for position in watched.places:
            if position not in self._controllers:
                yield f"{position}: it is not read"
        for controller in self._standing(watched.bay):
            cell = watched.cells.get(controller)
            doubt = "its run goes on" if cell is None else cell.doubt
            if doubt is not None:
                yield f"{controller.position}: {doubt}"

    def _keep(self, watched: _Watched) -> None:
        left_s = max(watched.until_s - asyncio.get_running_loop().time(), 0.0)
        self._memory.keep(watched.bay.bay, _Kept(watched.why, left_s, watched.places))

    def _standing(self, bay: Bay) -> list[ChannelController]:
        return [self._controllers[name] for name in bay.positions if name in self._controllers]

    def _reading(self, controller: ChannelController) -> tuple[float, float]:
        """V and A; NaN where the device does not tell."""
        loop = self._loop_of(controller.position)
        if loop.last is None or loop.patience.is_over:
            return nan, nan
        return loop.last.voltage_v[controller.row], loop.last.current_a[controller.row]

    def _end(self, watched: _Watched, text: str) -> None:
        self._log.record("watch.over", text=text, bay=watched.bay, severity="info")
        del self._watched[watched.bay.bay]
        self._memory.forget(watched.bay.bay)
        self._on_over(watched.bay)


def _cold_degc(cell_type: CellType) -> float:
    """What it may be charged at in every phase of its life."""
    return min(envelope.charge_temperature_degc[1] for envelope in cell_type.envelopes.values())
