"""The rack's alarms: one for each cause, with what people have done about it, kept through restarts."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from cycler.model.alarm import AlarmCode
from cycler.model.alarm_record import Alarm, AlarmAct, AlarmChange, TripSamples
from cycler.model.rack import PositionId, Rack
from cycler.record.recorder import Recorder
from cycler.safety.alarm_states import AlarmRefused, changed
from cycler.safety.catalogue import CATALOGUE

log = structlog.get_logger()

TOGETHER_S: Final = 1.0
"""Cells that trip by the same protection within one sweep of the rack have one cause."""

JUDGED_ANEW_S: Final = 30.0
"""After a restart: how long inputs may take, from when every device has been tried, to show that a cause is there."""

HARMLESS: Final = frozenset({"warn", "no-start"})
"""Actions that keep no output open."""


class Alarms:
    """What stands. All but `run` are ordinary calls.

    What people do (`acknowledge`, `shelve`, `unshelve`, `remove`, `restore`) changes the list and nothing else: it
    starts, resets and re-enables nothing. Each of them raises `AlarmRefused` with the reason, and is on record with the
    person.
    """

    def __init__(self, rack: Rack, recorder: Recorder, utcnow: Callable[[], datetime]) -> None:
        """What the journal knows of goes on: people's word holds, and what is still wrong is found out anew."""
        self._recorder = recorder
        self._utcnow = utcnow
        self._standing = {alarm.number: alarm for alarm in recorder.alarms_found}
        places = {name for bay in rack.bays.values() for name in bay.positions}
        # The trip of a cell ends with its run, and no input shows it.
        self._unjudged = {n for n, each in self._standing.items() if each.is_active and each.source not in places}
        self._trips: dict[AlarmCode, tuple[int, float]] = {}  # the latest alarm of each, and when it was raised
        self._told_by: dict[tuple[AlarmCode, str], set[str | None]] = {}
        self._shelved = asyncio.Event()

    @property
    def standing(self) -> Sequence[Alarm]:
        """All that are not over, the oldest first."""
        return tuple(self._standing.values())

    # What happens by itself.

    def raised(
        self,
        code: AlarmCode,
        source: str,
        text: str,
        *,
        positions: Collection[PositionId] = (),
        samples: Sequence[TripSamples] = (),
        for_whom: str | None = None,
    ) -> None:
        """This cause is there. Where it stands already, it is the same alarm, now with these positions, too.

        `for_whom`: who says so, where several may; then it is gone when it is gone for all of them.
        """
        self._told_by.setdefault((code, source), set()).add(for_whom)
        found = self._find(code, source)
        if found is None:
            self._keep(self._new(code, source, text, positions), "raise", samples=samples)
        else:
            self._join(found, text, positions, samples)

    def tripped(self, code: AlarmCode, position: PositionId, text: str, samples: TripSamples) -> None:
        """A protection has ended this cell's run. Others that it ends in the same sweep join the alarm."""
        now_s = asyncio.get_running_loop().time()
        number, raised_s = self._trips.get(code, (0, -TOGETHER_S))
        first = self._standing.get(number)
        if first is not None and now_s - raised_s < TOGETHER_S:
            self._join(first, first.text, [position], [samples])
            return
        self.raised(code, position, text, positions=[position], samples=[samples])
        found = self._find(code, position)
        assert found is not None  # noqa: S101 (it has just been raised)
        self._trips[code] = found.number, now_s

    def cleared(self, code: AlarmCode, source: str, *, for_whom: str | None = None) -> None:
        """This cause is gone: for one of those who said that it is there, or for all. Nothing where it was not."""
        told_by = self._told_by.pop((code, source), set()) - {for_whom}
        if for_whom is not None and told_by:
            self._told_by[code, source] = told_by
            return
        found = self._find(code, source)
        if found is not None and found.is_active:
            self._unjudged.discard(found.number)
            self._do(found, "clear")

    def begin(self, positions: Collection[PositionId]) -> None:
        """A new run begins here: the cells that had tripped are gone."""
        for alarm in self.standing:
            here = [name for name in alarm.positions if name in positions and name not in alarm.left]
            if alarm.source not in alarm.positions or not alarm.is_active or not here:
                continue  # what is not named after a position that tripped is no cell's
            left = replace(alarm, left=(*alarm.left, *here))
            if len(left.left) == len(left.positions):
                self._do(left, "clear")
            else:
                self._standing[alarm.number] = left  # on record with its next change

    # What people do.

    def acknowledge(self, number: int, *, by: str, reason: str = "") -> Alarm:
        """A person has seen it."""
        return self._do(self._given(number), "acknowledge", by=by, reason=reason)

    def shelve(self, number: int, *, by: str, reason: str, for_s: float) -> Alarm:
        """Hide it for so long, at most `SHELVED_MAX`. Never a safety trip."""
        until_utc = self._utcnow() + timedelta(seconds=for_s)
        alarm = self._do(self._given(number), "shelve", by=by, reason=reason, until_utc=until_utc)
        self._shelved.set()
        return alarm

    def unshelve(self, number: int, *, by: str) -> Alarm:
        """Before its time."""
        return self._do(self._given(number), "unshelve", by=by)

    def remove(self, number: int, *, by: str, reason: str) -> Alarm:
        """Out of service until somebody restores it, as while its sensor is repaired. Never a safety trip."""
        return self._do(self._given(number), "remove", by=by, reason=reason)

    def restore(self, number: int, *, by: str) -> Alarm:
        """Back into service."""
        return self._do(self._given(number), "restore", by=by)

    # Time.

    async def run(self, tried: asyncio.Event) -> None:
        """Until cancelled: shelves end, and what a restart has left is judged once every device has been `tried`."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._judge_anew(tried), name="alarms judged anew")
            both.create_task(self._end_shelves(), name="alarm shelves")

    async def _judge_anew(self, tried: asyncio.Event) -> None:
        await tried.wait()
        if self._unjudged:
            await asyncio.sleep(JUDGED_ANEW_S)
        for number in sorted(self._unjudged):
            self._do(self._standing[number], "clear", reason="it was not found any more after a restart")
        self._unjudged.clear()

    async def _end_shelves(self) -> None:
        while True:
            now_utc = self._utcnow()
            shelved = [(each.shelved_until_utc, each) for each in self.standing if each.shelved_until_utc is not None]
            for until_utc, alarm in shelved:
                if until_utc <= now_utc:
                    self._do(alarm, "unshelve", reason="its time is over")
            left_s = [(until - now_utc).total_seconds() for until, _ in shelved if until > now_utc]
            self._shelved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, default=None)):
                    await self._shelved.wait()

    # The list.

    def _find(self, code: AlarmCode, source: str) -> Alarm | None:
        return next((each for each in self.standing if each.code == code and each.source == source), None)

    def _given(self, number: int) -> Alarm:
        if number not in self._standing:
            raise AlarmRefused(f"there is no alarm {number}, or it is over")
        return self._standing[number]

    def _new(self, code: AlarmCode, source: str, text: str, positions: Collection[PositionId]) -> Alarm:
        declared, now_utc = CATALOGUE[code], self._utcnow()
        return Alarm(
            number=self._recorder.next_alarm_number(),
            code=code.value,
            name=declared.name,
            severity=declared.severity,
            source=source,
            positions=tuple(positions),
            text=text,
            remedy=declared.remedy,
            is_trip=declared.action not in HARMLESS and declared.stops != "nothing",
            state="unacknowledged",
            is_active=True,
            raised_utc=now_utc,
            changed_utc=now_utc,
        )

    def _join(
        self, found: Alarm, text: str, positions: Collection[PositionId], samples: Sequence[TripSamples] = ()
    ) -> None:
        self._unjudged.discard(found.number)
        others = tuple(name for name in positions if name not in found.positions)
        again = tuple(name for name in found.left if name not in positions)
        if found.is_active and found.text == text and not others and not samples:
            return
        joined = replace(found, text=text, positions=(*found.positions, *others), left=again)
        self._do(joined, "spread" if others else "raise", samples=samples)

    def _do(
        self,
        alarm: Alarm,
        act: AlarmAct,
        *,
        by: str | None = None,
        reason: str = "",
        until_utc: datetime | None = None,
        samples: Sequence[TripSamples] = (),
    ) -> Alarm:
        after = changed(alarm, act, utc=self._utcnow(), by=by, reason=reason, until_utc=until_utc)
        self._keep(after, act, by=by, reason=reason, samples=samples)
        return after

    def _keep(
        self,
        alarm: Alarm,
        act: AlarmAct,
        *,
        by: str | None = None,
        reason: str = "",
        samples: Sequence[TripSamples] = (),
    ) -> None:
        if alarm.is_over:
            self._standing.pop(alarm.number, None)
        else:
            self._standing[alarm.number] = alarm
        change = AlarmChange(
            utc=alarm.changed_utc, alarm=alarm.number, act=act, state=alarm.state, by=by, reason=reason
        )
        self._recorder.alarm(alarm, change, samples)
        log.info("alarm.changed", alarm=alarm.number, code=alarm.code, source=alarm.source, act=act, state=alarm.state)
