"""Our cell in the reference's place: the same experiments on a `CellBank`, and how far the two lie apart."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
from experiments import (
    FORMATION_C_RATES,
    MODELS,
    OUR_DATA,
    REFERENCES,
    TAPER_C_RATE,
    Model,
    Step,
    formation,
    pulse_pair,
)
from numpy.typing import NDArray

from sims.cells.bank import CellBank
from sims.cells.circuit import CellPhysics
from sims.cells.tables import CircuitTable, OcvTable, circuit_table, ocv_table
from sims.terminal import Supply

Column = NDArray[np.float64]

POLL_S, PULSE_POLL_S = 2.0, 1.0
ABOVE_V = 3.0
FAR_V = 10.0  # beyond what any cell shows: a supply set to it stays at its current


@dataclass(frozen=True, slots=True)
class Trace:
    """One step: time from its beginning, and what was seen."""

    time_s: Column
    current_a: Column
    voltage_v: Column
    temperature_degc: Column

    @property
    def charge_ah(self) -> float:
        """Out of the cell counts negative."""
        return float(np.trapezoid(self.current_a, self.time_s)) / 3600


@dataclass(frozen=True, slots=True)
class Reference:
    """A file of `references`: what a PyBaMM model did, step by step."""

    model: Model
    capacity_ah: float
    experiments: dict[str, dict[str, Trace]]  # by name, then by step


@dataclass(frozen=True, slots=True)
class CycleError:
    """How far our cell lies from the reference over a formation cycle."""

    rms_above_v: float  # where the reference shows more than `ABOVE_V`
    rms_v: float
    charge_ratio: float  # of charge moved, ours less theirs: until the voltage, to the taper's end, and out again
    taper_ratio: float
    discharge_ratio: float
    rise_k: float  # our highest temperature above the air …
    their_rise_k: float  # … and the reference's


@dataclass(frozen=True, slots=True)
class PulseError:
    """The same for 10 s pulses at 1C, both ways, at several states of charge."""

    rms_v: float
    dcir_ohm: Column  # the reference's
    dcir_ratio: Column  # ours less theirs, over theirs


def read_reference(name: str) -> Reference:
    """By the name of its model."""
    path = REFERENCES / f"{name}.csv"
    experiments: dict[str, dict[str, Trace]] = {}
    for (experiment, step), points in groupby(_rows(path), lambda row: (row["experiment"], row["step"])):
        columns = ("time_s", "current_a", "voltage_v", "temperature_degc")
        values = np.array([[float(point[column]) for column in columns] for point in points]).T
        values[0] -= values[0, 0]
        experiments.setdefault(experiment, {})[step] = Trace(*values)
    return Reference(MODELS[name], _capacity_ah(path), experiments)


def compare_cycle(reference: Reference, label: str) -> CycleError:
    """`label` is one of `FORMATION_C_RATES`."""
    theirs = reference.experiments[label]
    ours = dict(_run(reference, formation(FORMATION_C_RATES[label]), soc=0.0, poll_s=POLL_S))
    gaps_v, weights, voltages_v = _gaps(ours, theirs, ("charge", "rest full", "discharge", "rest empty"))
    above = voltages_v > ABOVE_V

    def ratio(*steps: str) -> float:
        return sum(ours[step].charge_ah for step in steps) / sum(theirs[step].charge_ah for step in steps) - 1

    return CycleError(
        rms_above_v=_rms(gaps_v[above], weights[above]),
        rms_v=_rms(gaps_v, weights),
        charge_ratio=ratio("charge"),
        taper_ratio=ratio("charge", "taper"),
        discharge_ratio=ratio("discharge"),
        rise_k=_rise_k(reference, ours),
        their_rise_k=_rise_k(reference, theirs),
    )


def compare_pulses(reference: Reference) -> PulseError:
    """All pulses of a reference."""
    errors_v, weights, dcir_ohm, dcir_ratio = [], [], [], []
    for label, theirs in reference.experiments.items():
        if label in FORMATION_C_RATES:
            continue
        ours = dict(_run(reference, pulse_pair(), soc=float(label.split()[-1]), poll_s=PULSE_POLL_S))
        gap_v, weight, _ = _gaps(ours, theirs, ("pulse out", "rest after out", "pulse in", "rest after in"))
        errors_v.append(gap_v)
        weights.append(weight)
        for before, pulse in (("rest before", "pulse out"), ("rest after out", "pulse in")):
            their_ohm, our_ohm = (
                (trace[pulse].voltage_v[-1] - trace[before].voltage_v[-1]) / trace[pulse].current_a[-1]
                for trace in (theirs, ours)
            )
            dcir_ohm.append(their_ohm)
            dcir_ratio.append(our_ohm / their_ohm - 1)
    return PulseError(_rms(np.concatenate(errors_v), np.concatenate(weights)), np.array(dcir_ohm), np.array(dcir_ratio))


def _run(reference: Reference, steps: Sequence[Step], *, soc: float, poll_s: float) -> Iterator[tuple[str, Trace]]:
    model = reference.model
    ocv, circuit = _tables(model, reference.capacity_ah)
    cell = CellPhysics(
        ocv=ocv,
        circuit=circuit,
        capacity_ah=reference.capacity_ah,
        soc=soc,
        heat_capacity_j_per_k=model.heat_capacity_j_per_k,
        heat_loss_w_per_k=model.heat_loss_w_per_k,
    )
    bank = CellBank([cell], ambient_degc=model.ambient_degc)
    for step in steps:
        bank.drive(0, _supply(step, reference))
        began_s = bank.now_s
        seen = [_look(bank, began_s)]
        polls = 0
        while not _has_ended(step, bank, bank.now_s - began_s, reference):
            polls += 1
            bank.advance(began_s + polls * poll_s)
            seen.append(_look(bank, began_s))
        yield step.name, Trace(*np.array(seen).T)


def _rows(path: Path) -> list[dict[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def _columns(path: Path) -> dict[str, Column]:
    rows = _rows(path)
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def _capacity_ah(path: Path) -> float:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(float(line.partition("=")[2]) for line in lines if line.startswith("# capacity_ah="))


@cache
def _tables(model: Model, capacity_ah: float) -> tuple[OcvTable, CircuitTable]:
    if model.tables == OUR_DATA:
        return ocv_table(model.ocv), circuit_table(model.circuit)
    soc, ocv_v, docv_dt = (_columns(REFERENCES / f"{model.ocv}.csv")[key] for key in ("soc", "ocv_v", "docv_dt"))
    slope_v = np.diff(ocv_v) / np.diff(soc)
    ocv = OcvTable(
        soc=np.concatenate(([soc[0] - 1], soc, [soc[-1] + 1])),
        ocv_v=np.concatenate(([ocv_v[0] - slope_v[0]], ocv_v, [ocv_v[-1] + slope_v[-1]])),
        docv_dt=np.pad(docv_dt, 1, mode="edge"),
        slope_v=np.pad(slope_v, 1, mode="edge"),
    )
    columns = list(_columns(REFERENCES / f"{model.circuit}.csv").values())
    values = np.array(columns[1:])
    circuit = CircuitTable(
        capacity_ah=capacity_ah, soc=columns[0], values=values, slopes=np.diff(values) / np.diff(columns[0])
    )
    return ocv, circuit


def _supply(step: Step, reference: Reference) -> Supply:
    current_a = abs(step.c_rate) * reference.capacity_ah
    if step.c_rate > 0:
        limit_v = FAR_V if step.ends_at == "time" else reference.model.upper_v
        return Supply(on=True, voltage_v=limit_v, source_current_a=current_a)
    if step.c_rate < 0:
        limit_v = -FAR_V if step.ends_at == "time" else reference.model.lower_v
        return Supply(on=True, voltage_v=limit_v, sink_current_a=current_a)
    return Supply()


def _has_ended(step: Step, bank: CellBank, passed_s: float, reference: Reference) -> bool:
    if step.ends_at == "time":
        return passed_s > step.duration_s - 1e-6
    reading = bank.measure_row(0)
    taper_a = TAPER_C_RATE * reference.capacity_ah
    return reading.regulation == "cv" and (step.ends_at != "taper" or reading.current_a <= taper_a)


def _look(bank: CellBank, began_s: float) -> tuple[float, float, float, float]:
    reading = bank.measure_row(0)
    return bank.now_s - began_s, reading.current_a, reading.voltage_v, float(bank.temperatures_degc()[0])


def _gaps(ours: dict[str, Trace], theirs: dict[str, Trace], steps: Sequence[str]) -> tuple[Column, Column, Column]:
    """At the reference's points, while both go on: our voltage less theirs, how long it stands for, their voltage."""
    gaps_v, weights, voltages_v = [], [], []
    for step in steps:
        our, their = ours[step], theirs[step]
        both = their.time_s <= our.time_s[-1]
        gaps_v.append((np.interp(their.time_s, our.time_s, our.voltage_v) - their.voltage_v)[both])
        weights.append(np.gradient(their.time_s)[both])
        voltages_v.append(their.voltage_v[both])
    return np.concatenate(gaps_v), np.concatenate(weights), np.concatenate(voltages_v)


def _rms(gap_v: Column, weight: Column) -> float:
    return float(np.sqrt(np.average(gap_v**2, weights=weight)))


def _rise_k(reference: Reference, steps: dict[str, Trace]) -> float:
    return max(float(step.temperature_degc.max()) for step in steps.values()) - reference.model.ambient_degc
