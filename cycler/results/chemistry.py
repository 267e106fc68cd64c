"""Whether a cell is what its papers say: at which voltages it takes its charge, and gives it back.

Resistance moves the two apart, another chemistry moves both to the same side.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cycler.model.rack import PositionId
from cycler.results.cell_record import CellRecord
from cycler.results.metrics import WholeCycle, whole_cycles
from cycler.results.signs import Sign, scatter

LOT_DEVIATION_V: Final = 0.05  # both in charge and in discharge
NOMINAL_DEVIATION_V: Final = 0.2  # of their mean, from rated energy over rated capacity; where there is no lot
_SCATTER_V_MIN: Final = 1e-3


def chemistry_signs(lot: Sequence[CellRecord]) -> Mapping[PositionId, Sign]:
    """By the last whole cycle of each cell."""
    cycles = {
        record.position: whole[-1]
        for record in lot
        if (whole := whole_cycles(record.steps, record.cell.state, record.earlier))
    }
    typical_charge_v, _ = scatter(np.array([c.charge_v for c in cycles.values()]), least=_SCATTER_V_MIN)
    typical_discharge_v, _ = scatter(np.array([c.discharge_v for c in cycles.values()]), least=_SCATTER_V_MIN)
    found = {}
    for record in lot:
        cycle = cycles.get(record.position)
        if cycle is None:
            continue
        nominal_v = record.cell_type.rated_energy_wh / record.cell_type.rated_capacity_ah
        charge_off_v, discharge_off_v = cycle.charge_v - typical_charge_v, cycle.discharge_v - typical_discharge_v
        if np.isnan(typical_charge_v):
            expected = f"About {nominal_v:.2f} V on average, by the rated energy of {record.cell_type.name}."
            is_other = abs((cycle.charge_v + cycle.discharge_v) / 2 - nominal_v) > NOMINAL_DEVIATION_V
        else:
            expected = (
                f"The lot charges at {typical_charge_v:.2f} V and discharges at {typical_discharge_v:.2f} V on average."
            )
            is_other = (
                min(abs(charge_off_v), abs(discharge_off_v)) > LOT_DEVIATION_V and charge_off_v * discharge_off_v > 0
            )
        if is_other:
            found[record.position] = _sign(record, cycle, expected)
    return found


def _sign(record: CellRecord, cycle: WholeCycle, expected: str) -> Sign:
    return Sign(
        code="WRONG_CHEMISTRY",
        expected=expected,
        came=f"It charges at {cycle.charge_v:.2f} V and discharges at {cycle.discharge_v:.2f} V on average.",
        step_counts=tuple(
            step.step_count
            for step in record.steps
            if step.cycle == cycle.cycle and step.step_type in {"charge", "discharge"}
        ),
    )
