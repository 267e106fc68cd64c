"""What every model is put through, PyBaMM's and ours alike. Plain Python: both environments import it.

The cells start at rest. A formation cycle starts empty; each pulse pair starts at its own state of charge.
"""

from dataclasses import dataclass, replace
from pathlib import Path

REFERENCES = Path(__file__).parent / "references"
OUR_DATA = Path(__file__).parents[2] / "sims" / "cells" / "data"
COLUMNS = ("experiment", "step", "time_s", "current_a", "voltage_v", "temperature_degc")

FORMATION_C_RATES = {"C/10": 1 / 10, "C/5": 1 / 5, "C/3": 1 / 3}
PULSE_SOCS = tuple(tenth / 10 for tenth in range(1, 10))
PULSE_S = 10.0
TAPER_C_RATE = 1 / 20  # where a charge at constant voltage ends


@dataclass(frozen=True, slots=True)
class Step:
    """One step. It ends at `voltage_v` where that is given, at the taper current in `cv`, else by time."""

    name: str
    c_rate: float = 0.0  # positive charges
    duration_s: float = 0.0
    ends_at: str = "time"  # or "upper", "taper", "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A PyBaMM model with a parameter set, the air it stands in, and which of our tables describe the same cell."""

    parameter_set: str
    kind: str  # SPMe or DFN
    ambient_degc: float
    lower_v: float
    upper_v: float
    heat_capacity_j_per_k: float
    heat_loss_w_per_k: float
    source: str
    ocv: str
    circuit: str
    tables: Path = OUR_DATA  # where those two are; among the references if no cell of ours uses them
    mixes: bool = True  # has the heat of mixing, without which energy is not conserved


def formation(c_rate: float) -> tuple[Step, ...]:
    """An empty cell, charged with a taper, rested, discharged, rested."""
    return (
        Step("rest before", duration_s=60.0),
        Step("charge", c_rate, ends_at="upper"),
        Step("taper", c_rate, ends_at="taper"),
        Step("rest full", duration_s=1800.0),
        Step("discharge", -c_rate, ends_at="lower"),
        Step("rest empty", duration_s=1800.0),
    )


def pulse_pair() -> tuple[Step, ...]:
    """Out and in again by the same charge, with a rest after each."""
    return (
        Step("rest before", duration_s=10.0),
        Step("pulse out", -1.0, duration_s=PULSE_S),
        Step("rest after out", duration_s=600.0),
        Step("pulse in", 1.0, duration_s=PULSE_S),
        Step("rest after in", duration_s=600.0),
    )


CHEN = "Chen et al., J. Electrochem. Soc. 167 (2020) 080534, doi 10.1149/1945-7111/ab9050 (CC BY 4.0)"
OREGAN = "O'Regan et al., Electrochim. Acta 425 (2022) 140700, doi 10.1016/j.electacta.2022.140700 (CC BY 4.0)"
PRADA = (
    "Prada et al., J. Electrochem. Soc. 160 (2013) A616, doi 10.1149/2.053304jes; LFP potential Afshar et al. 2017;"
    " graphite potential Chen et al. 2020"
)
AI = "Ai et al., J. Electrochem. Soc. 167 (2020) 013512, doi 10.1149/2.0122001JES (CC BY 4.0)"


HELD = {"heat_loss_w_per_k": 1e5}  # so well cooled that it stays at the air's temperature

_CHEN = Model(
    parameter_set="Chen2020",
    kind="DFN",
    ambient_degc=25.0,
    lower_v=2.5,
    upper_v=4.2,
    heat_capacity_j_per_k=43.0,
    heat_loss_w_per_k=0.053,
    source=f"{CHEN}; entropy {OREGAN}",
    ocv="ocv_nmc811_graphite",
    circuit="ecm_nmc811_graphite",
)
_OREGAN = replace(
    _CHEN,
    parameter_set="ORegan2022",
    heat_capacity_j_per_k=61.0,
    source=OREGAN,
    ocv="ocv_nmc811_oregan",
    circuit="ecm_nmc811_oregan",
    tables=REFERENCES,
    mixes=False,  # with this set's potentials its value runs away
)
_PRADA = Model(
    parameter_set="Prada2013",
    kind="DFN",
    ambient_degc=25.0,
    lower_v=2.0,
    upper_v=3.6,
    # The set has no thermal values: a 26650 of 76 g with 1.1 J/gK, in still air as the 21700.
    heat_capacity_j_per_k=84.0,
    heat_loss_w_per_k=0.064,
    source=f"{PRADA}; entropy of graphite {OREGAN}",
    ocv="ocv_lfp_graphite",
    circuit="ecm_lfp_graphite",
)
_AI = Model(
    parameter_set="Ai2020",
    kind="DFN",
    ambient_degc=25.0,
    lower_v=3.0,
    upper_v=4.2,
    heat_capacity_j_per_k=41.0,
    heat_loss_w_per_k=0.21,
    source=AI,
    ocv="ocv_lco_graphite",
    circuit="ecm_lco_graphite",
    mixes=False,  # needs second derivatives of the potentials, which the solver cannot take of this set's splines
)
MODELS = {
    "chen2020_spme_held": replace(_CHEN, kind="SPMe", **HELD),
    "chen2020_dfn_held": replace(_CHEN, **HELD),
    "chen2020_dfn": _CHEN,
    "oregan2022_dfn_10degc": replace(_OREGAN, ambient_degc=10.0),
    "oregan2022_dfn_25degc": _OREGAN,
    "oregan2022_dfn_45degc": replace(_OREGAN, ambient_degc=45.0),
    "prada2013_dfn_held": replace(_PRADA, **HELD),
    "prada2013_dfn": _PRADA,
    "ai2020_dfn": _AI,
}
