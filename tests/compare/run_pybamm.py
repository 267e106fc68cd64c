"""Writes the reference curves: each model through each experiment, thinned, one file for each model.

Runs in an environment of its own (`make compare`): what PyBaMM draws with brings a `cycler` that is not ours.
"""

import sys
import time
from collections.abc import Iterable

import pybamm
from experiments import COLUMNS, FORMATION_C_RATES, MODELS, PULSE_SOCS, REFERENCES, Step, formation, pulse_pair
from pybamm_cells import ReferenceCell, Trace

POINTS = {"charge": 90, "discharge": 90, "taper": 15, "rest before": 2}  # kept of a step;
POINTS_OTHERWISE = 14  # of those not named


def main() -> None:
    """Of the models named on the command line, else of all."""
    for name in sys.argv[1:] or MODELS:
        began_s = time.perf_counter()
        model = MODELS[name]
        cell = ReferenceCell(model)
        lines = [
            f"# {name}: PyBaMM {pybamm.__version__} (BSD-3-Clause), model {model.kind}, parameter set"
            f" {model.parameter_set}; source: {model.source}."
            f" Lumped thermal, heat of mixing {'on' if model.mixes else 'off'}, {model.heat_capacity_j_per_k} J/K,"
            f" {model.heat_loss_w_per_k} W/K, air {model.ambient_degc} degC. Thinned. Positive current charges.",
            f"# capacity_ah={cell.capacity_ah:.4f}",
            ",".join(COLUMNS),
        ]
        for label, c_rate in FORMATION_C_RATES.items():
            lines += _rows(label, cell.run(formation(c_rate), soc=0.0, points=_points))
        for soc in PULSE_SOCS:
            lines += _rows(f"pulses at {soc:.1f}", cell.run(pulse_pair(), soc=soc, points=_points))
        (REFERENCES / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}: {cell.capacity_ah:.4f} Ah, {time.perf_counter() - began_s:.0f} s")


def _points(step: Step) -> int:
    return POINTS.get(step.name, POINTS_OTHERWISE)


def _rows(experiment: str, steps: Iterable[tuple[Step, Trace]]) -> list[str]:
    rows, began_s = [], 0.0
    for step, trace in steps:
        columns = (trace[name] for name in COLUMNS[2:])
        rows += [
            f"{experiment},{step.name},{began_s + time_s:.2f},{current_a:.4f},{voltage_v:.5f},{degc:.3f}"
            for time_s, current_a, voltage_v, degc in zip(*columns, strict=True)
        ]
        began_s += trace["time_s"][-1]
    return rows


if __name__ == "__main__":
    main()
