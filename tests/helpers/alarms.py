"""An alarm as it is raised first."""

from datetime import UTC, datetime

from cycler.model.alarm_record import Alarm
from cycler.model.rack import PositionId

RAISED_UTC = datetime(2026, 1, 1, 6, tzinfo=UTC)


def raised(
    number: int = 1,
    *,
    code: int = 60,
    source: str = "ch-01",
    positions: tuple[str, ...] = ("B01/A1",),
    is_trip: bool = False,
) -> Alarm:
    return Alarm(
        number=number,
        code=code,
        name="chamber off its set value",
        severity="medium",
        source=source,
        positions=tuple(PositionId(each) for each in positions),
        text=f"{source}: air at 31 degC, set to 25 degC",
        remedy="Check the chamber.",
        is_trip=is_trip,
        state="unacknowledged",
        is_active=True,
        raised_utc=RAISED_UTC,
        changed_utc=RAISED_UTC,
    )
