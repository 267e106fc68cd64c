"""An alarm as a thing with a state: what is wrong, with what, since when, and what people have done about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal, get_args

from cycler.model.rack import PositionId

AlarmState = Literal["normal", "unacknowledged", "acknowledged", "returned", "shelved", "out-of-service"]
"""As ISA-18.2 and IEC 62682 know them. `returned`: the cause is gone, and nobody has acknowledged it yet; `normal`: it
is over. OPC UA's conditions have the same facts side by side: `Alarm.is_active`, `is_acknowledged`, shelved, and out of
service."""

AlarmAct = Literal["raise", "spread", "clear", "acknowledge", "shelve", "unshelve", "remove", "restore"]
"""What happens to an alarm. `spread`: it concerns more positions than before; `remove`: out of service, `restore`: back
into it."""

AlarmSeverity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[AlarmSeverity, ...] = get_args(AlarmSeverity)
"""How soon a person must act: at once, within minutes, in this shift, when there is time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One occurrence, from its raise until it is over. `number` is its own for the life of the store.

    An alarm that comes again before it is over is the same one. Its words are kept as they were said.
    """

    number: int
    code: int  # of `AlarmCode`
    name: str
    severity: AlarmSeverity
    source: str  # what it is about: a device, an interlock, a bay, the first position that tripped, or the rack
    positions: tuple[PositionId, ...]
    text: str  # what was said last when it was raised
    remedy: str  # what a person does about it
    is_trip: bool  # it has opened outputs, or keeps them open: it can be hidden by nobody
    state: AlarmState
    is_active: bool  # its cause is there
    raised_utc: datetime
    changed_utc: datetime
    returned_utc: datetime | None = None  # when its cause had gone, the last time
    raises: int = 1  # how often it has come
    acknowledged_utc: datetime | None = None
    acknowledged_by: str | None = None
    hidden_by: str | None = None  # who has shelved it or taken it out of service, and why
    hidden_reason: str | None = None
    shelved_until_utc: datetime | None = None
    left: tuple[PositionId, ...] = ()  # the positions of a cell's trip that have had another run since

    @property
    def is_acknowledged(self) -> bool:
        """A person has seen it as it is now."""
        return self.state in ("acknowledged", "normal")

    @property
    def is_over(self) -> bool:
        """It needs nobody any more."""
        return self.state == "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """One entry of the trail of an alarm: only ever added to. `by` is None for what happened by itself."""

    utc: datetime
    alarm: int
    act: AlarmAct
    state: AlarmState  # from then on
    by: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TripSamples:
    """A position's readings in the seconds before its trip, each sweep of it; NaN where nothing was measured.

    `time_s` counts from the reading that tripped, which is the last, at 0.
    """

    position: PositionId
    time_s: tuple[float, ...]
    voltage_v: tuple[float, ...]
    current_a: tuple[float, ...]
    temperature_degc: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecord:
    """An alarm with its trail and the readings before its trips, as a run's record tells it."""

    alarm: Alarm
    changes: tuple[AlarmChange, ...]
    samples: tuple[TripSamples, ...]


def in_short(positions: Iterable[PositionId]) -> str:
    """`B01/A1..A32, B02/A1`: neighbours as one, as rack files write them."""
    return ", ".join(_runs(positions))


def _runs(positions: Iterable[PositionId]) -> Iterator[str]:
    places = sorted(_place(position) for position in positions)
    for (bay, row, _), group in groupby(enumerate(places), lambda each: (*each[1][:2], each[1][2] - each[0])):
        numbers = [number for _, (_, _, number) in group]
        first, last = numbers[0], numbers[-1]
        head = f"{bay}/" if bay else ""
        if first < 0:  # no number at its end
            yield f"{head}{row}"
        else:
            yield f"{head}{row}{first}" if first == last else f"{head}{row}{first}..{row}{last}"


def _place(position: PositionId) -> tuple[str, str, int]:
    bay, _, name = position.rpartition("/")
    row = name.rstrip("0123456789")
    number = name[len(row) :]
    if not number or str(int(number)) != number:
        return bay, name, -1
    return bay, row, int(number)
