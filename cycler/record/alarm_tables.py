"""The alarms of runs as Arrow tables, and the readings of the seconds before their trips."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from cycler.model.alarm_record import AlarmRecord
from cycler.model.cell import CellId
from cycler.model.rack import PositionId
from cycler.record.reader import RunRecord
from cycler.record.tables import Row, table_of


def alarms_of(records: Iterable[RunRecord]) -> tuple[AlarmRecord, ...]:
    """What was raised in these runs, in that order; what concerned several of them once."""
    each = {record.alarm.number: record for run in records for record in run.alarms}
    return tuple(each[number] for number in sorted(each))


def alarms_table(records: Sequence[RunRecord]) -> pa.Table:
    """One row an alarm. `positions` and `cell_ids` are `;`-joined; the cells are those of these runs.

    `state` is where it stood when the files were made.
    """
    cells = _cells(records)
    return table_of(
        {
            "alarm": int, "code": int, "name": str, "severity": str, "state": str, "source": str, "positions": str,
            "cell_ids": str, "raised_utc": datetime, "returned_utc": datetime, "raises": int, "text": str,
            "what_to_do": str, "acknowledged_by": str, "acknowledged_utc": datetime, "hidden_by": str,
            "hidden_reason": str, "shelved_until_utc": datetime,
        },
        [_row(record, cells) for record in alarms_of(records)],
    )  # fmt: skip


def trip_samples_table(records: Sequence[RunRecord]) -> pa.Table:
    """One row a reading before a trip. `time_s` is 0 at the one that tripped."""
    cells = _cells(records)
    return table_of(
        {
            "alarm": int, "code": int, "cell_id": str, "position": str, "time_s": float, "voltage_v": float,
            "current_a": float, "temperature_degc": float,
        },
        [
            {
                "alarm": record.alarm.number,
                "code": record.alarm.code,
                "cell_id": cells.get(samples.position),
                "position": samples.position,
                "time_s": time_s,
                "voltage_v": voltage_v,
                "current_a": current_a,
                "temperature_degc": temperature_degc,
            }
            for record in alarms_of(records)
            for samples in record.samples
            for time_s, voltage_v, current_a, temperature_degc in zip(
                samples.time_s, samples.voltage_v, samples.current_a, samples.temperature_degc, strict=True
            )
        ],
    )  # fmt: skip


def _row(record: AlarmRecord, cells: Mapping[PositionId, CellId]) -> Row:
    alarm = record.alarm
    return {
        "alarm": alarm.number,
        "code": alarm.code,
        "name": alarm.name,
        "severity": alarm.severity,
        "state": alarm.state,
        "source": alarm.source,
        "positions": ";".join(alarm.positions) or None,
        "cell_ids": ";".join(cells[name] for name in alarm.positions if name in cells) or None,
        "raised_utc": alarm.raised_utc,
        "returned_utc": alarm.returned_utc,
        "raises": alarm.raises,
        "text": alarm.text,
        "what_to_do": alarm.remedy,
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged_utc": alarm.acknowledged_utc,
        "hidden_by": alarm.hidden_by,
        "hidden_reason": alarm.hidden_reason,
        "shelved_until_utc": alarm.shelved_until_utc,
    }


def _cells(records: Iterable[RunRecord]) -> dict[PositionId, CellId]:
    return {position: cell.cell_id for record in records for position, cell in record.run.cells.items()}
