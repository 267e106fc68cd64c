"""CPU per 1 s step of a bank of cells, beside bare numpy that only moves charge, two decays and a voltage."""

import time
from collections.abc import Callable

import numpy as np

from sims.cells.bank import CellBank
from sims.cells.circuit import CellPhysics
from sims.cells.tables import circuit_table, ocv_table
from sims.terminal import Supply

STEPS = 3000
OCV = ocv_table("ocv_nmc811_graphite")
CIRCUIT = circuit_table("ecm_nmc811_graphite")
SUPPLIES = {
    "rest": Supply(),
    "CC": Supply(on=True, voltage_v=4.2, source_current_a=1.0),
    "CV": Supply(on=True, voltage_v=3.80, source_current_a=5.0),
}


def cpu_us(work: Callable[[float], None], began_s: float) -> float:
    """Of one step."""
    began_cpu_s = time.process_time()
    for number in range(1, STEPS + 1):
        work(began_s + number)
    return (time.process_time() - began_cpu_s) / STEPS * 1e6


def bank_us(cells: int, supply: Supply) -> tuple[float, float]:
    """One step, and one look at all cells."""
    bank = CellBank(
        [CellPhysics(ocv=OCV, circuit=CIRCUIT, capacity_ah=5.0, soc=0.3 + 0.1 * n / cells) for n in range(cells)],
        ambient_degc=25.0,
    )
    for row in range(cells):
        bank.drive(row, supply)
    bank.advance(60.0)
    step_us = cpu_us(bank.advance, 60.0)
    return step_us, cpu_us(lambda _: bool(bank.measure()), 0.0)


def bare_us(cells: int) -> float:
    """Numpy on arrays of this size, the least that moves a cell."""
    soc, charge_as = np.full(cells, 0.3), np.zeros(cells)
    pairs_v, target_v, rate_per_s = np.zeros((2, cells)), np.full((2, cells), 0.01), np.full((2, cells), -0.01)
    voltage_v = np.zeros(cells)

    def step(_: float) -> None:
        nonlocal voltage_v
        decay = np.exp(rate_per_s * 1.0)
        pairs_v[:] = target_v + (pairs_v - target_v) * decay
        soc[:] += 1e-5
        charge_as[:] += 1.0
        voltage_v = np.interp(soc, OCV.soc, OCV.ocv_v) + pairs_v[0] + pairs_v[1]

    return cpu_us(step, 0.0)


def main() -> None:
    """Print a line per size."""
    for cells in (1, 16, 256):
        figures = {name: bank_us(cells, supply) for name, supply in SUPPLIES.items()}
        steps = "  ".join(f"{name} {step_us:5.1f}" for name, (step_us, _) in figures.items())
        look_us = figures["CC"][1]
        target = {1: 40, 16: 40, 256: 60}[cells]
        print(
            f"{cells:4} cells: a step {steps} µs  (CC at most {target} µs), a look {look_us:4.1f} µs,"
            f" bare numpy {bare_us(cells):4.1f} µs"
        )


if __name__ == "__main__":
    main()
