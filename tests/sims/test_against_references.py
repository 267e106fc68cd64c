"""Our cells against curves of an electrochemical model, kept in tests/compare/references; see docs/simulation.md.

A slice of `make compare`, bounded by what it reached.
"""

from functools import cache

import numpy as np
import pytest
from own_cells import CycleError, compare_cycle, compare_pulses, read_reference

MODELS = ["chen2020_dfn_held", "prada2013_dfn_held", "ai2020_dfn"]


@cache
def formation(name: str) -> CycleError:
    """At C/3."""
    return compare_cycle(read_reference(name), "C/3")


@pytest.mark.parametrize(("name", "rms_v"), [(MODELS[0], 0.004), (MODELS[1], 0.005), (MODELS[2], 0.004)])
def test_a_formation_cycle_follows_the_electrochemical_model(name: str, rms_v: float) -> None:
    assert formation(name).rms_above_v < rms_v


@pytest.mark.parametrize("name", MODELS)
def test_a_charge_takes_what_it_takes_there(name: str) -> None:
    assert formation(name).charge_ratio == pytest.approx(0, abs=0.008)
    assert formation(name).taper_ratio == pytest.approx(0, abs=0.004)


@pytest.mark.parametrize(("name", "rms_v"), [(MODELS[0], 0.007), (MODELS[1], 0.015), (MODELS[2], 0.004)])
def test_a_discharge_gives_what_it_gives_there_along_the_same_voltages(name: str, rms_v: float) -> None:
    assert formation(name).discharge_ratio == pytest.approx(0, abs=0.005)
    assert formation(name).rms_v < rms_v


@pytest.mark.parametrize("name", MODELS)
def test_pulses_show_the_same_resistance(name: str) -> None:
    pulses = compare_pulses(read_reference(name))
    assert np.abs(pulses.dcir_ratio).max() < 0.05


@pytest.mark.parametrize(("name", "error"), [("chen2020_dfn", 0.03), ("prada2013_dfn", 0.08)])
def test_a_cell_warms_as_the_electrochemical_model_does(name: str, error: float) -> None:
    cycle = formation(name)
    assert cycle.rise_k == pytest.approx(cycle.their_rise_k, rel=error)
