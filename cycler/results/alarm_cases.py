"""The alarms of a report: what was wrong when, with which cells, what is to be done, and the seconds before a trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.alarm_record import SEVERITIES, AlarmRecord, AlarmState, TripSamples, in_short
from cycler.model.rack import PositionId
from cycler.results.charts import Line, LineChart, line_chart
from cycler.results.drawing import thinned

_STATES: Final[Mapping[AlarmState, str]] = {
    "unacknowledged": "there, nobody has acknowledged it",
    "acknowledged": "there, acknowledged",
    "returned": "gone, nobody has acknowledged it",
    "shelved": "shelved",
    "out-of-service": "out of service",
    "normal": "over",
}

_THERMAL: Final = frozenset(
    {
        AlarmCode.OVER_TEMPERATURE,
        AlarmCode.UNDER_TEMPERATURE,
        AlarmCode.TEMPERATURE_RISE_RATE,
        AlarmCode.TEMPERATURE_TO_TRAY_MEAN,
    }
)
_CURRENT: Final = frozenset(
    {
        AlarmCode.CHARGE_OVER_CURRENT,
        AlarmCode.DISCHARGE_OVER_CURRENT,
        AlarmCode.CURRENT_DEVIATION,
        AlarmCode.CURRENT_WHILE_IDLE,
        AlarmCode.FAST_CURRENT_RISE,
        AlarmCode.WRONG_DIRECTION,
    }
)
_CELLS_MAX: Final = 12  # named one by one
_CHARTED_MAX: Final = 12  # alarms; the readings before the others are in trip_samples.parquet
_STYLES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCase:
    """One alarm, in words. `lasted` is empty as long as its cause is there."""

    record: AlarmRecord
    state: str
    lasted: str
    where: str
    cells: str
    charts: tuple[LineChart, ...]


def alarm_cases(records: Sequence[AlarmRecord], cells: Mapping[PositionId, str]) -> list[AlarmCase]:
    """The worst first, of equal ones the earliest. `cells`: the ids of those that the report is about."""
    ordered = sorted(records, key=lambda each: (SEVERITIES.index(each.alarm.severity), each.alarm.number))
    charted = [record.alarm.number for record in ordered if record.samples][:_CHARTED_MAX]
    return [_case(record, cells, charted=record.alarm.number in charted) for record in ordered]


def _case(record: AlarmRecord, cells: Mapping[PositionId, str], *, charted: bool) -> AlarmCase:
    alarm = record.alarm
    ids = [cells[name] for name in alarm.positions if name in cells]
    more = f" and {len(ids) - _CELLS_MAX} more" if len(ids) > _CELLS_MAX else ""
    lasted = ""
    if alarm.returned_utc is not None and not alarm.is_active:
        lasted = _duration((alarm.returned_utc - alarm.raised_utc).total_seconds())
    return AlarmCase(
        record=record,
        state=_STATES[alarm.state],
        lasted=lasted,
        where=in_short(alarm.positions) or alarm.source,
        cells=", ".join(ids[:_CELLS_MAX]) + more,
        charts=tuple(chart for chart in _charts(record) if chart is not None) if charted else (),
    )


def _charts(record: AlarmRecord) -> list[LineChart | None]:
    """What the protection watched, over what drove it."""
    samples = record.samples
    voltage = _chart("Voltage", "V", [(each, each.voltage_v) for each in samples])
    current = _chart("Current", "A", [(each, each.current_a) for each in samples])
    if record.alarm.code in _THERMAL:
        return [_chart("Temperature", "°C", [(each, each.temperature_degc) for each in samples]), current]
    return [current, voltage] if record.alarm.code in _CURRENT else [voltage, current]


def _chart(name: str, unit: str, curves: Sequence[tuple[TripSamples, Sequence[float]]]) -> LineChart | None:
    lines = []
    for place, (samples, values) in enumerate(curves):
        x, y = thinned(samples.time_s, values)
        lines.append(Line(x=x, y=y, label=samples.position, style=place % _STYLES))
    return line_chart(f"{name} before the trip", "s before the trip", unit, lines)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
