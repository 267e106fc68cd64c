"""The tables of a run as Arrow: the columns of the Battery Data Format, and those of steps, cells and events.

Missing values are null, and a column without any value is left out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellResult, Event, PulsePoint, StepResult
from cycler.model.run import Run
from cycler.record.curve import Curve
from cycler.record.reader import RunRecord

Row = dict[str, str | int | float | datetime | None]

_TYPES: Final = {str: pa.string(), int: pa.int64(), float: pa.float64(), datetime: pa.timestamp("us", tz="UTC")}

_METRICS: Final = (
    "capacity_ah", "first_cycle_efficiency", "dcir_ohm", "ocv_v", "k_v_per_h", "energy_in_wh", "energy_out_wh",
    "acir_ohm",
)  # fmt: skip


def bdf_table(run: Run, steps: Iterable[StepResult], curve: Curve) -> pa.Table:
    """One cell's samples. Capacities and energies never reset; those of a step count from its first row."""
    step_of = {step.step_count: step for step in steps}
    counts, first_of_count, count_of_row = np.unique(curve.step_count, return_index=True, return_inverse=True)
    known = [step_of.get(count) for count in counts.tolist()]
    first_row = first_of_count[count_of_row]
    cumulative = {
        "Charging Capacity / Ah": curve.charged_ah,
        "Discharging Capacity / Ah": curve.discharged_ah,
        "Charging Energy / Wh": curve.charged_wh,
        "Discharging Energy / Wh": curve.discharged_wh,
    }
    return _without_empty_columns(
        {
            "Test Time / s": _floats(curve.elapsed_s),
            "Unix Time / s": _floats(run.started_utc.timestamp() + curve.elapsed_s),
            "Voltage / V": _floats(curve.voltage_v),
            "Current / A": _floats(curve.current_a),
            "Cycle Count / 1": pa.array(curve.cycle),
            "Step Count / 1": pa.array(curve.step_count),
            "Step ID": pa.array([step and step.step_id for step in known], pa.string()).take(count_of_row),
            "Step Type": pa.array([step and step.step_type for step in known], pa.string()).take(count_of_row),
            "Step Time / s": _floats(curve.step_time_s),
            "Surface Temperature / degC": _floats(curve.temperature_degc),
            **({} if curve.air_degc is None else {"Ambient Temperature / degC": _floats(curve.air_degc)}),
            **{name: _floats(values) for name, values in cumulative.items()},
            **{f"Step {name}": _floats(values - values[first_row]) for name, values in cumulative.items()},
        }
    )


def steps_table(runs: Sequence[RunRecord]) -> pa.Table:
    """One row a cell and executed step. `dcir_ohm` is a pulse's longest value, the others are `dcir_<n>ms_ohm`.

    `measured_by`, of `ocv_v` and `acir_ohm`, is a meter's channel or `cycler`.
    """
    every = [
        (record.run, position, step)
        for record in runs
        for position, results in record.steps.items()
        for step in results
    ]
    shorter = {_dcir_column(point) for _, _, step in every for point in _pulse(step)[:-1]}
    dcir = [name for _, name in sorted(shorter)]
    return table_of(
        {
            "cell_id": str, "step_count": int, "step_id": str, "step_type": str, "cycle": int, "tag": str,
            "started_utc": datetime, "duration_s": float, "charge_ah": float, "discharge_ah": float,
            "charge_wh": float, "discharge_wh": float, "end_voltage_v": float, "end_current_a": float,
            "temperature_degc_max": float, "stop_reason": str, "dcir_ohm": float, **dict.fromkeys(dcir, float),
            "contact_ohm": float, "charge_source": str, "gap_s": float, "quality": str,
            "ocv_v": float, "acir_ohm": float, "measured_by": str,
        },
        [_step_row(*row) for row in every],
    )  # fmt: skip


def pulses_table(runs: Sequence[RunRecord]) -> pa.Table:
    """One row a resistance: what was read for it, and when, in seconds since the edge of its pulse.

    `stretch` counts those of a train from 1, its rests too; `timed_by` is `device` or `host`.
    """
    readings = ("reference", "before", "after")
    numbers = ("time_s", "voltage_v", "current_a")
    return table_of(
        {
            "cell_id": str, "step_count": int, "step_id": str, "step_type": str, "cycle": int, "stretch": int,
            "nominal_s": float, "resistance_ohm": float, "uncertainty_ohm": float, "skew_s": float, "timed_by": str,
            **{f"{reading}_{number}": float for reading in readings for number in numbers},
        },
        [
            {
                "cell_id": record.run.cells[position].cell_id,
                "step_count": step.step_count,
                "step_id": step.step_id,
                "step_type": step.step_type,
                "cycle": step.cycle,
                "stretch": point.stretch,
                "nominal_s": point.nominal_s,
                "resistance_ohm": point.resistance_ohm,
                "uncertainty_ohm": point.uncertainty_ohm,
                "skew_s": point.skew_s,
                "timed_by": "host" if "HOST_TIMED" in step.quality else "device",
                **{
                    f"{reading}_{number}": getattr(getattr(point, reading), number)
                    for reading in readings
                    for number in numbers
                },
            }
            for record in runs
            for position, results in record.steps.items()
            for step in results
            for point in (*_pulse(step), *step.train)
        ],
    )  # fmt: skip


def cells_table(cells: Sequence[CellResult]) -> pa.Table:
    """One row a cell; its genealogy stands behind."""
    genealogy = sorted({name for cell in cells for name in cell.genealogy})
    return table_of(
        {
            **{"cell_id": str, "position": str, "cell_type": str, "verdict": str, "grade": str, "reason_codes": str},
            **dict.fromkeys(_METRICS, float),
            **dict.fromkeys(genealogy, str),
        },
        [
            {
                **cell.genealogy,
                "cell_id": cell.cell,
                "position": cell.position,
                "cell_type": cell.cell_type,
                "verdict": cell.verdict,
                "grade": cell.grade,
                "reason_codes": ";".join(cell.reason_codes) or None,
                **{name: getattr(cell, name) for name in _METRICS},
            }
            for cell in cells
        ],
    )


def events_table(events: Sequence[Event]) -> pa.Table:
    """One row an event; `data` is a JSON object."""
    return table_of(
        {
            "utc": datetime, "elapsed_s": float, "event": str, "cell_id": str, "position": str, "device": str,
            "code": str, "text": str, "data": str,
        },
        [
            {
                "utc": event.utc,
                "elapsed_s": event.elapsed_s,
                "event": event.event,
                "cell_id": event.cell_id,
                "position": event.position,
                "device": event.device,
                "code": event.code,
                "text": event.text or None,
                "data": json.dumps(dict(event.data), sort_keys=True) if event.data else None,
            }
            for event in events
        ],
    )  # fmt: skip


def _step_row(run: Run, position: PositionId, step: StepResult) -> Row:
    pulse = _pulse(step)
    return {
        "cell_id": run.cells[position].cell_id,
        "step_count": step.step_count,
        "step_id": step.step_id,
        "step_type": step.step_type,
        "cycle": step.cycle,
        "tag": step.tag,
        "started_utc": run.started_utc + timedelta(seconds=step.started_s),
        "duration_s": step.duration_s,
        "charge_ah": step.moved.charged_nas / NAS_PER_AH,
        "discharge_ah": step.moved.discharged_nas / NAS_PER_AH,
        "charge_wh": step.moved.charged_nws / NAS_PER_AH,
        "discharge_wh": step.moved.discharged_nws / NAS_PER_AH,
        "end_voltage_v": step.end_voltage_v,
        "end_current_a": step.end_current_a,
        "temperature_degc_max": step.temperature_degc_max,
        "stop_reason": step.stop_reason,
        "dcir_ohm": pulse[-1].resistance_ohm if pulse else None,
        **{_dcir_column(point)[1]: point.resistance_ohm for point in pulse[:-1]},
        "contact_ohm": step.contact_ohm,
        "charge_source": step.charge_source,
        "gap_s": step.gap_s,
        "quality": ";".join(step.quality),
        "ocv_v": step.ocv_v,
        "acir_ohm": step.acir_ohm,
        "measured_by": step.measured_by,
    }


def _pulse(step: StepResult) -> list[PulsePoint]:
    return sorted(step.pulse, key=lambda point: point.nominal_s)


def _dcir_column(point: PulsePoint) -> tuple[int, str]:
    """The name, behind what sorts it."""
    milliseconds = round(point.nominal_s * 1000)
    return milliseconds, f"dcir_{milliseconds}ms_ohm"


def table_of(columns: Mapping[str, type], rows: Sequence[Row]) -> pa.Table:
    """Rows by the names of their columns; the types are `str`, `int`, `float` and `datetime`."""
    return _without_empty_columns(
        {
            name: pa.array([row.get(name) for row in rows], _TYPES[kind], from_pandas=True)
            for name, kind in columns.items()
        }
    )


def _floats(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, from_pandas=True)  # which makes NaN null


def _without_empty_columns(columns: Mapping[str, Any]) -> pa.Table:
    return pa.table({name: values for name, values in columns.items() if values.null_count < max(len(values), 1)})
