"""Prints how far our cells lie from the reference curves, and keeps the tables of docs/simulation.md up to date."""

from pathlib import Path

import numpy as np
from experiments import FORMATION_C_RATES, HELD, MODELS
from own_cells import CycleError, compare_cycle, compare_pulses, read_reference

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
BEGIN, END = "<!-- written by make compare: begin -->", "<!-- written by make compare: end -->"

RMS_V_AIM, RMS_ABOVE_V_AIM = 0.010, 0.007
CHARGE_AIM, DCIR_AIM, RISE_AIM = 0.01, 0.10, 0.15

CYCLES = """\
| model | formation at | RMS above 3 V, mV | RMS, mV | charge to the voltage | charge with taper | discharge | warming |
|---|---|---|---|---|---|---|---|"""
PULSES = """\
| model | RMS, mV | 10 s DCIR of the reference, mΩ | error, RMS | error, worst |
|---|---|---|---|---|"""


def main() -> None:
    """Every reference there is."""
    cycles, pulses = [CYCLES], [PULSES]
    for name, model in MODELS.items():
        reference = read_reference(name)
        for rate in FORMATION_C_RATES:
            cycle = compare_cycle(reference, rate)
            cells = (
                name,
                rate,
                _marked(f"{cycle.rms_above_v * 1e3:.1f}", cycle.rms_above_v, RMS_ABOVE_V_AIM),
                _marked(f"{cycle.rms_v * 1e3:.1f}", cycle.rms_v, RMS_V_AIM),
                *(
                    _marked(f"{ratio:+.2%}", ratio, CHARGE_AIM)
                    for ratio in (cycle.charge_ratio, cycle.taper_ratio, cycle.discharge_ratio)
                ),
                "held" if model.heat_loss_w_per_k == HELD["heat_loss_w_per_k"] else _warming(cycle),
            )
            cycles.append(f"| {' | '.join(cells)} |")
        pulse = compare_pulses(reference)
        low_ohm, high_ohm = pulse.dcir_ohm.min(), pulse.dcir_ohm.max()
        worst = pulse.dcir_ratio[np.abs(pulse.dcir_ratio).argmax()]
        pulses.append(
            f"| {name} | {pulse.rms_v * 1e3:.1f} | {low_ohm * 1e3:.1f} to {high_ohm * 1e3:.1f} |"
            f" {np.sqrt(np.mean(pulse.dcir_ratio**2)):.1%} | {_marked(f'{worst:+.1%}', worst, DCIR_AIM)} |"
        )
    tables = "\n".join((*cycles, "", *pulses))
    print(tables)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", encoding="utf-8")


def _warming(cycle: CycleError) -> str:
    error = cycle.rise_k / cycle.their_rise_k - 1
    return f"{cycle.their_rise_k:.2f} K " + _marked(f"{error:+.0%}", error, RISE_AIM)


def _marked(text: str, error: float, aim: float) -> str:
    """In bold where it misses the aim."""
    return text if abs(error) <= aim else f"**{text}**"


if __name__ == "__main__":
    main()
