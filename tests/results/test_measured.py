"""Curves that real cyclers took of real cells, counted by the step machine and judged, beside numpy's own sums.

The data name their source and licence in data/README.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from formed_tray import A2, TRAY, ended
from numpy.typing import NDArray

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.machine_events import OrderDue, StepEnded
from cycler.control.step_machine import StepMachine
from cycler.model.cell_type import CellType, Envelope
from cycler.model.results import NAS_PER_AH, StepResult
from cycler.recipe.plan import (
    Comparison,
    Condition,
    Outcome,
    Plan,
    PlanPhase,
    PlanStep,
    PulseRule,
    RecordRule,
    StepVariant,
)
from cycler.results import metrics
from cycler.results.cell_record import CellRecord
from cycler.results.verdict import judged_cell

Column = NDArray[np.float64]

ENVELOPE = Envelope(
    voltage_v_min=-1.0, voltage_v_max=4.0, charge_current_a=0.01, discharge_current_a=0.01,
    charge_temperature_degc=(0.0, 45.0), discharge_temperature_degc=(0.0, 45.0), capacity_ah=1.0,
)  # fmt: skip
COIN = CellType(
    name="coin", chemistry="graphite against lithium", rated_capacity_ah=0.006, rated_energy_wh=0.001, mass_kg=0.003,
    envelopes={"formed": ENVELOPE}, required_protections=frozenset(),
)  # fmt: skip
CHANNEL = ChannelRange(
    voltage_v_min=-1.0, voltage_v_max=5.0, charge_current_a_max=0.05, discharge_current_a_max=0.05, power_w_max=1.0,
    voltage_accuracy_v=1e-4, current_accuracy_a=5e-6, voltage_resolution_v=1e-6, current_resolution_a=1e-9,
)  # fmt: skip
ROUNDED = 1e-5
"""Relative: the machine counts in whole nanoampere-seconds, of currents of a tenth of a milliampere."""


@dataclass(frozen=True)
class Stretch:
    """One step as it was measured, up to the first reading of the next."""

    kind: str
    time_s: Column
    voltage_v: Column
    current_a: Column

    def moved_ah(self, sign: int) -> float:
        return self._integral(sign * self.current_a) / 3600

    def moved_wh(self, sign: int) -> float:
        return self._integral(sign * self.current_a * self.voltage_v) / 3600

    def _integral(self, rate: Column) -> float:
        areas = (rate[1:] + rate[:-1]) / 2 * np.diff(self.time_s)
        return float(areas[areas > 0].sum())


def measured(name: str) -> list[Stretch]:
    table = np.loadtxt(Path(__file__).parent / "data" / name, delimiter=",", skiprows=2)
    edges = [0, *(np.flatnonzero(np.diff(table[:, 3])) + 1).tolist(), len(table)]
    stretches = []
    for first, after in pairwise(edges):
        amps = float(np.median(table[first:after, 2]))
        kind = "rest" if abs(amps) < 1e-5 else "charge" if amps > 0 else "discharge"
        rows = table[first : after + 1]
        stretches.append(Stretch(kind, rows[:, 0], rows[:, 1], rows[:, 2]))
    return stretches


def end(quantity: str, relation: str, value: float) -> Condition:
    test = Comparison(quantity=quantity, relation=relation, value=value)  # type: ignore[arg-type]
    return Condition(tests=(test,), outcome=Outcome(kind="next"), samples=1, text=f"{quantity} {relation} {value:g}")


def plan_of(stretches: Sequence[Stretch], pulse_s: tuple[float, ...]) -> Plan:
    """The recipe that the cycler must have run: by voltage where a current flowed, by time where none did."""
    steps = []
    for number, stretch in enumerate(stretches, 1):
        own = slice(None, -1) if number < len(stretches) else slice(None)
        duration_s = float(stretch.time_s[own][-1] - stretch.time_s[0])
        last_v = float(stretch.voltage_v[own][-1])
        if stretch.kind == "rest":
            phase, until = PlanPhase(direction="rest"), end("time", ">=", duration_s - 1e-3)
        else:
            amps = float(np.abs(stretch.current_a).max())
            beyond_v = 0.05 if stretch.kind == "charge" else -0.05
            phase = PlanPhase(direction=stretch.kind, current_a=amps, voltage_v=last_v + beyond_v)  # type: ignore[arg-type]
            until = end("voltage", ">=" if stretch.kind == "charge" else "<=", last_v)
        steps.append(
            PlanStep(
                step_id=str(number),
                path=str(number),
                line=number,
                step_type=stretch.kind,
                tag="cap" if stretch.kind == "discharge" else None,
                variants=(StepVariant(phases=(phase,), until=(until,), fail=()),),
                record=RecordRule(every_s=1e6),
                envelope=ENVELOPE,
                pulse=PulseRule(values_s=pulse_s) if pulse_s and stretch.kind == "discharge" else None,
                time_s_max=1e9,
            )
        )
    return Plan(
        recipe="measured", version="1.0.0", recipe_hash="0", cell_type=COIN, from_states=("filled",), to_state=None,
        program=tuple(steps),
    )  # fmt: skip


def sweep(time_s: float, voltage_v: float, current_a: float, step: int, since_s: float) -> Sweep:
    return Sweep(
        taken_s=time_s,
        taken_utc=datetime(2026, 1, 1, tzinfo=UTC),
        channels=(ChannelId("1"),),
        voltage_v=[voltage_v],
        current_a=[current_a],
        regulation=["cc" if current_a else "off"],
        order_id=[step],
        phase=[0],
        step_time_s=[time_s - since_s],
    )


def counted(stretches: Sequence[Stretch], pulse_s: tuple[float, ...] = ()) -> list[StepResult]:
    """What the step machine makes of these readings; its next step begins where the instrument began it."""
    machine = StepMachine(plan_of(stretches, pulse_s), CHANNEL, temperature_measured=False, gap_s_max=1e9)
    began_s = float(stretches[0].time_s[0])
    events = list(machine.start(began_s))
    machine.ordered(1)
    results = []
    for number, stretch in enumerate(stretches, 1):
        rows = np.column_stack((stretch.time_s, stretch.voltage_v, stretch.current_a)).tolist()
        for time_s, volts, amps in rows if number == len(stretches) else rows[:-1]:
            events = list(machine.advance(sweep(time_s, volts, amps, number, rows[0][0]), 0, float("nan")))
            results += [event.result for event in events if isinstance(event, StepEnded)]
            if any(isinstance(event, OrderDue) for event in events):
                machine.ordered(number + 1)
    results += [event.result for event in machine.close() if isinstance(event, StepEnded)]
    return results


FILES = ("sintef_ligr_r2032_25degc_landt.csv", "dlr_ligr_hydra0b_pocv_25degc_basytec.csv")


@pytest.mark.parametrize("name", FILES)
def test_each_step_moved_what_the_trapezoids_say(name: str) -> None:
    stretches = measured(name)
    results = counted(stretches)
    assert [result.step_type for result in results] == [stretch.kind for stretch in stretches]
    for result, stretch in zip(results, stretches, strict=True):
        moved = result.moved
        assert moved.charged_nas / NAS_PER_AH == pytest.approx(stretch.moved_ah(+1), rel=ROUNDED, abs=1e-9)
        assert moved.discharged_nas / NAS_PER_AH == pytest.approx(stretch.moved_ah(-1), rel=ROUNDED, abs=1e-9)
        assert moved.charged_nws / NAS_PER_AH == pytest.approx(stretch.moved_wh(+1), rel=ROUNDED, abs=1e-9)
        assert moved.discharged_nws / NAS_PER_AH == pytest.approx(stretch.moved_wh(-1), rel=ROUNDED, abs=1e-9)


@pytest.mark.parametrize("name", FILES)
def test_a_cells_capacity_energy_and_last_rest_are_those_of_its_curve(name: str) -> None:
    stretches = measured(name)
    steps = counted(stretches)
    result = judged_cell(CellRecord(run=TRAY, position=A2, cell_type=COIN, outcome=ended(A2), steps=steps)).result
    discharges = [stretch for stretch in stretches if stretch.kind == "discharge"]
    rest = [stretch for stretch in stretches if stretch.kind == "rest"][-1]
    assert result.capacity_ah == pytest.approx(discharges[-1].moved_ah(-1), rel=ROUNDED)
    assert result.energy_in_wh == pytest.approx(sum(s.moved_wh(+1) for s in stretches), rel=ROUNDED)
    assert result.energy_out_wh == pytest.approx(sum(s.moved_wh(-1) for s in stretches), rel=ROUNDED)
    assert result.ocv_v == rest.voltage_v[-2 if rest is not stretches[-1] else -1]


def test_the_first_cycle_of_a_measured_curve_has_the_efficiency_of_its_integrals() -> None:
    stretches = measured("dlr_ligr_hydra0b_pocv_25degc_basytec.csv")
    charged, discharged = stretches[1].moved_ah(+1), stretches[3].moved_ah(-1)
    assert [stretches[1].kind, stretches[3].kind] == ["charge", "discharge"]
    ratio = metrics.first_cycle_efficiency(counted(stretches), "filled")
    assert ratio == pytest.approx(discharged / charged, rel=1e-4)


def test_a_later_cycle_of_a_measured_curve_has_the_efficiency_of_its_integrals() -> None:
    stretches = measured("sintef_ligr_r2032_25degc_landt.csv")
    charged, discharged = stretches[2].moved_ah(+1), stretches[3].moved_ah(-1)
    ratio = metrics.cycle_efficiency_ratio(counted(stretches), "formed")
    assert ratio == pytest.approx(discharged / charged, rel=1e-4)


def test_the_resistance_of_a_measured_current_step_is_read_off_its_curve() -> None:
    stretches = measured("sintef_ligr_r2032_25degc_landt.csv")[:2]
    rest, pulse = stretches
    values_s = (15.0, 60.0, 300.0)
    points = counted(stretches, values_s)[1].pulse
    since_s = pulse.time_s - pulse.time_s[0]
    for point, at_s in zip(points, values_s, strict=True):
        fall_v = rest.voltage_v[-2] - np.interp(at_s, since_s, pulse.voltage_v)
        assert point.resistance_ohm == pytest.approx(fall_v / -pulse.current_a[1], rel=1e-6)
