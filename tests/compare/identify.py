"""Identifies our equivalent circuit on a PyBaMM model and writes its table, `ecm_*.csv`.

At 25 °C held, on steps and pulses of other rates and lengths than those that the comparison uses. One least-squares
problem holds all states of charge and the time constants.
"""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pybamm
from experiments import HELD, MODELS, Model, Step
from pybamm_cells import REFERENCE_K, ReferenceCell
from scipy.optimize import least_squares

THERMAL_V_PER_K = 2 * 8.314462618 / 96485.33212

SWEEP_C_RATES = (1 / 8, 1 / 4, 2 / 5)  # from empty to full, and from full to empty
PULSE_C_RATES = (1 / 6, 4 / 5)
PULSE_SOCS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
KNOTS = np.concatenate(([0.0, 0.005, 0.01, 0.02, 0.03, 0.05], np.linspace(0.075, 1.0, 38)))
TAU_KNOTS = (0.0, 0.05, 0.2, 0.5, 1.0)  # of the lag's time constant, geometric in between

# What counts how much. The points of a sweep lie dense at its ends, which so count as its capacity wants.
PULSE_WEIGHT = 0.6  # of one train of pulses, against one sweep
STEEP_V = 10.0  # per unit of soc: where the open-circuit voltage is as steep, a voltage says half as much
BEND_WEIGHTS = (3e-3, 3e-3, 1e-3, 1e-2)  # smoothness of r_ohm, i0, r1 and lag over soc, in typical values of each
GUESSES = (0.5, 1.0, 0.5, 3.0)  # of these four, in typical values
LEAST = (0.0, 0.05, 0.0, 0.0)
TAU_GUESSES_S = (25.0, *(400.0 for _ in TAU_KNOTS))  # of the RC pair, and of the lag
TAU_BOUNDS_S = (2.0, *(20.0 for _ in TAU_KNOTS)), (300.0, *(3000.0 for _ in TAU_KNOTS))

COLUMNS = ("r_ohm_ohm", "i0_a", "r1_ohm", "tau1_s", "lag_s", "lag_tau_s")  # of the file, in the order of `Circuit`

Curve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Trains:
    """All points of all trains of steps, end to end."""

    length_s: np.ndarray  # of the stretch that ends here, 0 where a step begins
    begins: np.ndarray  # whether a train of its own begins here, from rest
    current_a: np.ndarray
    soc: np.ndarray
    voltage_v: np.ndarray
    weight: np.ndarray
    hats: np.ndarray  # share of each knot at each point …
    hats_before: np.ndarray  # … and in the middle of the stretch before it


@dataclass(frozen=True, slots=True)
class Circuit:
    """A value per knot."""

    r_ohm: np.ndarray
    i0_a: np.ndarray
    r1_ohm: np.ndarray
    tau1_s: np.ndarray
    lag_s: np.ndarray
    lag_tau_s: np.ndarray


def main() -> None:
    """Of the models named on the command line."""
    for name in sys.argv[1:]:
        model = replace(MODELS[name], ambient_degc=25.0, **HELD)
        cell = ReferenceCell(model)
        ocv_at = curve(model, "ocv_v")
        trains = run(cell, programs(SWEEP_C_RATES, PULSE_SOCS), ocv_at)
        circuit = Problem(trains, cell.capacity_ah, ocv_at).solve()
        _write(model, cell.capacity_ah, circuit)
        taus = ", ".join(f"{np.interp(soc, KNOTS, circuit.lag_tau_s):.0f} s" for soc in TAU_KNOTS)
        print(f"{model.circuit}: {cell.capacity_ah:.4f} Ah, tau1 {circuit.tau1_s[0]:.1f} s, of the lag {taus}")


def programs(sweep_c_rates: Sequence[float], pulse_socs: Sequence[float]) -> Iterator[tuple[float, tuple[Step, ...]]]:
    """States of charge to begin at, and what to do there."""
    rest = Step("rest", duration_s=60.0)
    for c_rate in sweep_c_rates:
        yield 0.0, (rest, Step("sweep", c_rate, ends_at="upper"), replace(rest, duration_s=1800.0))
        yield 1.0, (rest, Step("sweep", -c_rate, ends_at="lower"), replace(rest, duration_s=1800.0))
    for soc in pulse_socs:
        for c_rate in PULSE_C_RATES:
            recover = replace(rest, duration_s=900.0)
            out, back = (Step("pulse", sign * c_rate, duration_s=30.0) for sign in (-1, 1))
            yield soc, (rest, out, recover, back, recover)


def run(cell: ReferenceCell, plan: Iterator[tuple[float, tuple[Step, ...]]], ocv_at: Curve) -> Trains:
    """What the model does under all of it."""
    columns: list[list[np.ndarray]] = []
    for soc, steps in plan:
        time_s, current_a, voltage_v = (np.zeros(0) for _ in range(3))
        for _, trace in cell.run(steps, soc=soc, points=lambda step: 400 if step.ends_at != "time" else 25):
            began_s = time_s[-1] if len(time_s) else 0.0
            time_s = np.concatenate((time_s, began_s + trace["time_s"]))
            current_a = np.concatenate((current_a, trace["current_a"]))
            voltage_v = np.concatenate((voltage_v, trace["voltage_v"]))
        length_s = np.diff(time_s, prepend=0.0)
        moved = length_s * current_a / 3600 / cell.capacity_ah
        socs = soc + np.cumsum(moved)
        is_sweep = steps[1].ends_at != "time"
        share = (1.0 if is_sweep else PULSE_WEIGHT) / len(time_s)
        weight = np.sqrt(share) / (1 + np.abs(_slope(ocv_at, socs)) / STEEP_V)
        begins = np.arange(len(time_s)) == 0
        columns.append([length_s, begins, current_a, socs, voltage_v, weight, _hats(socs), _hats(socs - moved / 2)])
    return Trains(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))


def curve(model: Model, column: str) -> Curve:
    """A column of the model's open-circuit table over soc; pulses may pass both ends, which go on as they end."""
    columns = _columns(model, model.ocv)
    soc, values = columns["soc"], columns[column]
    slopes = np.diff(values) / np.diff(soc)
    far_soc = np.concatenate(([soc[0] - 1], soc, [soc[-1] + 1]))
    far = np.concatenate(([values[0] - slopes[0]], values, [values[-1] + slopes[-1]]))
    return lambda at: np.interp(at, far_soc, far)


def read_circuit(model: Model) -> Circuit:
    """As `main` wrote it."""
    columns = _columns(model, model.circuit)
    return Circuit(*(columns[name] for name in COLUMNS))


def lag(trains: Trains, circuit: Circuit, capacity_ah: float) -> np.ndarray:
    """At each point, in units of soc."""
    inflow_s = trains.current_a * (trains.hats_before @ circuit.lag_s)
    return _following(trains, circuit.lag_tau_s, inflow_s) / (3600 * capacity_ah)


def voltage_v(
    trains: Trains, circuit: Circuit, capacity_ah: float, ocv_at: Curve, temperature_k: float = REFERENCE_K
) -> np.ndarray:
    """Of the circuit at each point; `ocv_at` is of this temperature too."""
    ratio = trains.current_a / (2 * (trains.hats @ circuit.i0_a))
    return (
        ocv_at(trains.soc + lag(trains, circuit, capacity_ah))
        + trains.current_a * (trains.hats @ circuit.r_ohm)
        + THERMAL_V_PER_K * temperature_k * np.arcsinh(ratio)
        + _following(trains, circuit.tau1_s, trains.current_a * (trains.hats_before @ circuit.r1_ohm))
    )


class Problem:
    """Least squares. Unknown are four values per knot, in typical ones, and the logarithms of the time constants."""

    def __init__(self, trains: Trains, capacity_ah: float, ocv_at: Curve) -> None:
        self._trains, self._capacity_ah, self._ocv_at = trains, capacity_ah, ocv_at
        self._typical = np.array([0.05 / capacity_ah, 0.2 * capacity_ah, 0.05 / capacity_ah, 100.0])
        bends = np.kron(np.diag(BEND_WEIGHTS), _second_differences())
        self._bends = np.hstack([bends, np.zeros((len(bends), len(TAU_GUESSES_S)))])

    def solve(self) -> Circuit:
        """The best circuit."""
        low, high = (
            np.concatenate((np.repeat(values, len(KNOTS)), np.log(taus_s)))
            for values, taus_s in ((LEAST, TAU_BOUNDS_S[0]), ((np.inf,) * 4, TAU_BOUNDS_S[1]))
        )
        guess = np.concatenate((np.repeat(GUESSES, len(KNOTS)), np.log(TAU_GUESSES_S)))
        found = least_squares(
            self._errors, guess, jac=self._gradients, bounds=(low, high), ftol=1e-5, xtol=1e-6, max_nfev=200
        )
        return self._circuit(found.x)

    def _errors(self, unknowns: np.ndarray) -> np.ndarray:
        gap_v = self._voltage_v(unknowns) - self._trains.voltage_v
        return np.concatenate((gap_v * self._trains.weight, self._bends @ unknowns))

    def _gradients(self, unknowns: np.ndarray) -> np.ndarray:
        trains, circuit = self._trains, self._circuit(unknowns)
        current_a = trains.current_a[:, None]
        i0_a = trains.hats @ circuit.i0_a
        ratio = trains.current_a / (2 * i0_a)
        by_i0 = -THERMAL_V_PER_K * REFERENCE_K * ratio / i0_a / np.sqrt(1 + ratio * ratio)
        slope_v = _slope(self._ocv_at, trains.soc + lag(trains, circuit, self._capacity_ah))
        driven_a = current_a * trains.hats_before
        blocks = (
            current_a * trains.hats,
            by_i0[:, None] * trains.hats,
            _following(trains, circuit.tau1_s, driven_a),
            (slope_v / (3600 * self._capacity_ah))[:, None] * _following(trains, circuit.lag_tau_s, driven_a),
        )
        voltage_v = self._voltage_v(unknowns)
        by_taus = [
            (self._voltage_v(unknowns + nudge) - voltage_v) / nudge.max()
            for nudge in 0.01 * np.eye(len(unknowns))[-len(TAU_GUESSES_S) :]
        ]
        columns = [
            *(block * typical for block, typical in zip(blocks, self._typical, strict=True)),
            np.transpose(by_taus),
        ]
        return np.vstack((np.hstack(columns) * trains.weight[:, None], self._bends))

    def _voltage_v(self, unknowns: np.ndarray) -> np.ndarray:
        return voltage_v(self._trains, self._circuit(unknowns), self._capacity_ah, self._ocv_at)

    def _circuit(self, unknowns: np.ndarray) -> Circuit:
        r_ohm, i0_a, r1_ohm, lag_s = unknowns[: -len(TAU_GUESSES_S)].reshape(4, -1) * self._typical[:, None]
        log_tau1, *log_lag_taus = unknowns[-len(TAU_GUESSES_S) :]
        tau1_s = np.full(len(KNOTS), np.exp(log_tau1))
        lag_tau_s = np.exp(np.interp(KNOTS, TAU_KNOTS, log_lag_taus))
        return Circuit(r_ohm, i0_a, r1_ohm, tau1_s, lag_s, lag_tau_s)


def _following(trains: Trains, tau_s: np.ndarray, inflow: np.ndarray) -> np.ndarray:
    """At each point, what follows the inflow of each stretch with these time constants; from 0 in each train."""
    decay = np.exp(-trains.length_s / (trains.hats_before @ tau_s))
    decay[trains.begins] = 0.0
    gained = ((1 - decay) * inflow.T).T
    gained[trains.begins] = 0.0
    for point in range(1, len(gained)):
        gained[point] += gained[point - 1] * decay[point]
    return gained


def _columns(model: Model, table: str) -> dict[str, np.ndarray]:
    lines = (model.tables / f"{table}.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def _slope(ocv_at: Curve, soc: np.ndarray) -> np.ndarray:
    return (ocv_at(soc + 1e-3) - ocv_at(soc - 1e-3)) / 2e-3


def _hats(soc: np.ndarray) -> np.ndarray:
    """Linear interpolation between the knots, as a matrix."""
    return np.column_stack([np.interp(soc, KNOTS, unit) for unit in np.eye(len(KNOTS))])


def _second_differences() -> np.ndarray:
    before, after = np.diff(KNOTS)[:-1], np.diff(KNOTS)[1:]
    rows = np.zeros((len(KNOTS) - 2, len(KNOTS)))
    index = np.arange(len(rows))
    rows[index, index], rows[index, index + 1], rows[index, index + 2] = 1 / before, -1 / before - 1 / after, 1 / after
    return rows * np.minimum(before, after)[:, None]


def _write(model: Model, capacity_ah: float, circuit: Circuit) -> None:
    sweeps, pulses = ("/".join(f"{rate:.3g}C" for rate in rates) for rates in (SWEEP_C_RATES, PULSE_C_RATES))
    lines = [
        f"# {model.circuit}: equivalent circuit of a cell of {capacity_ah:.4f} Ah at 25 degC, charge and discharge"
        f" alike; identified on PyBaMM {pybamm.__version__} (BSD-3-Clause), model {model.kind}, parameter set"
        f" {model.parameter_set}, by sweeps at {sweeps} and 30 s pulses at {pulses}; source of the set:"
        f" {model.source}. v = ocv(soc + lag) + i*r_ohm + (2RT/F)*asinh(i/(2*i0)) + u1, i > 0 charging;"
        " du1/dt = (r1*i - u1)/tau1; dlag/dt = (lag_s*i/capacity - lag)/lag_tau with the capacity in As. Other"
        " temperatures: activation energies fitted on the O'Regan 2022 set. Clamp soc to the table.",
        ",".join(("soc", *COLUMNS)),
    ]
    columns = (circuit.r_ohm, circuit.i0_a, circuit.r1_ohm, circuit.tau1_s, circuit.lag_s, circuit.lag_tau_s)
    lines += [
        f"{soc:.3f},{r_ohm:.6f},{i0_a:.5f},{r1_ohm:.6f},{tau1_s:.2f},{lag_s:.2f},{lag_tau_s:.2f}"
        for soc, r_ohm, i0_a, r1_ohm, tau1_s, lag_s, lag_tau_s in zip(KNOTS, *columns, strict=True)
    ]
    (model.tables / f"{model.circuit}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
