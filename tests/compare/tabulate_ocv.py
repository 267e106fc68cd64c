"""Writes a PyBaMM parameter set's open-circuit table, on the grid of our NMC811 one."""

import csv
import sys

import numpy as np
import pybamm
from experiments import MODELS, OUR_DATA
from pybamm_cells import REFERENCE_K, ReferenceCell


def main() -> None:
    """For the models named on the command line."""
    lines = (OUR_DATA / "ocv_nmc811_graphite.csv").read_text(encoding="utf-8").splitlines()
    soc = np.array([float(row["soc"]) for row in csv.DictReader(line for line in lines if not line.startswith("#"))])
    for name in sys.argv[1:]:
        model = MODELS[name]
        cell = ReferenceCell(model)
        x_neg, y_pos = cell.stoichiometries(soc)
        ocv_v = cell.curve("Positive electrode OCP [V]", y_pos) - cell.curve("Negative electrode OCP [V]", x_neg)
        docv_dt = cell.curve("Positive electrode OCP entropic change [V.K-1]", y_pos) - cell.curve(
            "Negative electrode OCP entropic change [V.K-1]", x_neg
        )
        header = (
            f"# {model.ocv}: full-cell open-circuit voltage, computed with PyBaMM {pybamm.__version__} (BSD-3-Clause),"
            f" parameter set {model.parameter_set}; source: {model.source}; window {model.lower_v}-{model.upper_v} V at"
            f" {REFERENCE_K - 273.15:.0f} degC; capacity of this model cell {cell.capacity_ah:.4f} Ah; soc = charge"
            " above the lower voltage / capacity; docv_dt in V/K."
        )
        rows = [
            f"{s:.6f},{v:.6f},{d:.4e},{x:.6f},{y:.6f}"
            for s, v, d, x, y in zip(soc, ocv_v, docv_dt, x_neg, y_pos, strict=True)
        ]
        text = "\n".join([header, "soc,ocv_v,docv_dt,x_neg,y_pos", *rows]) + "\n"
        (model.tables / f"{model.ocv}.csv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
