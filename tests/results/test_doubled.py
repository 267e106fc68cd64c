"""Two cells at one position, as their lot shows them: half of the resistance wherever a current begins."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from formed_tray import CHARGE, DISCHARGE, REST, TRAY

from cycler.model.cell import Cell, CellId
from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome
from cycler.results.cell_record import CellRecord
from cycler.results.verdict import judged

NMC = CellType(
    name="nmc", chemistry="nmc811", rated_capacity_ah=5.0, rated_energy_wh=18.0, mass_kg=0.07, envelopes={},
    required_protections=frozenset(),
)  # fmt: skip
STEPS = [
    replace(step, step_count=count, started_s=60.0 * count, duration_s=60.0, end_voltage_v=3.6, stop_reason="time")
    for count, step in enumerate((REST, DISCHARGE, REST, CHARGE), 1)
]
ODD = 5


def samples(ohms: Sequence[float], *, current_a: float) -> Any:
    """A minute of each step, every ten seconds; `ohms` are those of the discharge and of the charge."""
    times_s = np.arange(0.0, 61.0, 10.0)
    currents_a = (0.0, -current_a, 0.0, current_a)
    resistances_ohm = (0.0, ohms[0], 0.0, ohms[1])
    volts = [3.6 + a * ohm + 0.0 * times_s for a, ohm in zip(currents_a, resistances_ohm, strict=True)]
    count = np.repeat(np.arange(1, 5), len(times_s))
    return SimpleNamespace(
        elapsed_s=np.concatenate([60.0 * n + times_s for n in range(4)]),
        step_count=count,
        step_time_s=np.tile(times_s, 4),
        voltage_v=np.concatenate(volts),
        current_a=np.repeat(currents_a, len(times_s)),
        temperature_degc=np.full(len(count), 25.0),
    )


def odd_one(ohms: Sequence[float], *, code: str | None = None, cells: int = 10, current_a: float = 2.5) -> Any:
    """What becomes of it among good cells of 30 mOhm."""
    names = [PositionId(f"B01/A{n}") for n in range(cells)]
    run = replace(TRAY, cells={at: Cell(cell_id=CellId(at), cell_type="nmc", state="formed") for at in names})
    records = [
        CellRecord(
            run=run,
            position=at,
            cell_type=NMC,
            outcome=CellOutcome(
                cell=CellId(at),
                position=at,
                ended="failed" if n == ODD and code else "completed",
                code=code if n == ODD else None,
            ),
            steps=STEPS,
            samples=samples(ohms if n == ODD else (0.03 + 1e-4 * n, 0.03 - 1e-4 * n), current_a=current_a),
        )
        for n, at in enumerate(names)
    ]
    found = judged(records)
    assert all(cell.result.verdict == "pass" for n, cell in enumerate(found) if n != ODD)
    return found[ODD].result


def test_two_cells_side_by_side_contradict_what_is_known_of_one() -> None:
    result = odd_one((0.015, 0.021))
    assert (result.verdict, result.reason_codes) == ("retest", ("STATE_CONTRADICTED",))


def test_the_charge_that_two_cells_take_does_not_leak_away() -> None:
    result = odd_one((0.015, 0.015), code="SELF_DISCHARGE")
    assert (result.verdict, result.reason_codes) == ("retest", ("STATE_CONTRADICTED",))


def test_a_cell_that_resists_a_little_less_is_one_cell() -> None:
    assert odd_one((0.021, 0.021)).verdict == "pass"
    assert odd_one((0.015, 0.029)).verdict == "pass"
    assert odd_one((0.003, 0.003)).verdict == "pass"


def test_a_small_lot_or_a_small_current_accuses_nobody() -> None:
    assert odd_one((0.015, 0.015), cells=7).verdict == "pass"
    assert odd_one((0.015, 0.015), current_a=0.4).verdict == "pass"
