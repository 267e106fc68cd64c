"""Equal seeds give equal runs, to the last event, on every wire."""

import pytest

from cycler.service.wiring import Wire
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, minutes, rest, voltage

RUNS = 20


def event_hashes(wire: Wire, *, seed: int) -> tuple[str, ...]:
    rack = SimRack(driver="ea_psb", wire=wire, seed=seed).load("c1").load("c2", bay="B02")
    return rack.run(
        charge(c_rate=1.0, until=(voltage(4.1), amp_hours(6), minutes(0.5))),
        rest(minutes=0.2),
        discharge(c_rate=1.0, until=(voltage(2.8), amp_hours(6), minutes(0.5))),
    ).event_hashes


@pytest.mark.parametrize("wire", ["memory", "loopback"])
def test_twenty_runs_with_one_seed_take_the_same_course(wire: Wire) -> None:
    assert len({event_hashes(wire, seed=7) for _ in range(RUNS)}) == 1


def test_another_seed_takes_another_course() -> None:
    assert event_hashes("memory", seed=7) != event_hashes("memory", seed=8)
