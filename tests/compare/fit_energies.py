"""Fits the two activation energies of `sims/cells/circuit.py`, on the O'Regan set with its identified circuit.

At 15 and 40 °C held, neither of which the comparison uses; prints them.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from experiments import HELD, MODELS
from identify import Circuit, curve, programs, read_circuit, run, voltage_v
from pybamm_cells import REFERENCE_K, ZERO_DEGC_K, ReferenceCell
from scipy.optimize import least_squares

MODEL = replace(MODELS["oregan2022_dfn_25degc"], **HELD)
TEMPERATURES_DEGC = (15.0, 40.0)
SWEEP_C_RATES = (1 / 4,)
PULSE_SOCS = (0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
GUESS_KJ_PER_MOL = (24.0, 11.0)


def main() -> None:
    """Both energies at once."""
    circuit, ocv_at, entropy_at = read_circuit(MODEL), curve(MODEL, "ocv_v"), curve(MODEL, "docv_dt")
    capacity_ah = ReferenceCell(MODEL).capacity_ah
    trains = {
        degc + ZERO_DEGC_K: run(
            ReferenceCell(replace(MODEL, ambient_degc=degc)), programs(SWEEP_C_RATES, PULSE_SOCS), ocv_at
        )
        for degc in TEMPERATURES_DEGC
    }

    def errors(kj_per_mol: np.ndarray) -> Iterator[np.ndarray]:
        for temperature_k, there in trains.items():
            warmed = _at(circuit, temperature_k, *kj_per_mol)
            entropy_v = (temperature_k - REFERENCE_K) * entropy_at(there.soc)
            gap_v = voltage_v(there, warmed, capacity_ah, ocv_at, temperature_k) + entropy_v - there.voltage_v
            yield gap_v * there.weight

    found = least_squares(lambda energies: np.concatenate(list(errors(energies))), GUESS_KJ_PER_MOL, diff_step=1e-2)
    print("r_ohm, r1, 1/i0: {:.1f} kJ/mol; lag_s, lag_tau: {:.1f} kJ/mol".format(*found.x))


def _at(circuit: Circuit, temperature_k: float, fast_kj_per_mol: float, slow_kj_per_mol: float) -> Circuit:
    """At another temperature."""
    fast, slow = (
        np.exp(energy * 1e3 / 8.314462618 * (1 / temperature_k - 1 / REFERENCE_K))
        for energy in (fast_kj_per_mol, slow_kj_per_mol)
    )
    return replace(
        circuit,
        r_ohm=circuit.r_ohm * fast,
        i0_a=circuit.i0_a / fast,
        r1_ohm=circuit.r1_ohm * fast,
        lag_s=circuit.lag_s * slow,
        lag_tau_s=circuit.lag_tau_s * slow,
    )


if __name__ == "__main__":
    main()
