"""An interlock input acts on the positions in its scope and on no others, in time, and says so once."""

from dataclasses import dataclass, field

import pytest

from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, voltage

TEN_MINUTES = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(10)))
ACTIVE_S = 100.3
OPEN_WITHIN_S = 1.5  # a sweep of the I/O module, the confirmation, and the write


@dataclass
class Watched:
    """Two bays with a cycler each; whether their outputs were open, at some times."""

    rack: SimRack = field(
        default_factory=lambda: SimRack().load("a", device="cyc-01").load("b", bay="B02", device="cyc-02")
    )
    seen: dict[float, tuple[bool, bool]] = field(default_factory=dict)

    def look(self, *times_s: float) -> "Watched":
        for at_s in times_s:
            self.rack.after(at_s, lambda at_s=at_s: self._note(at_s))  # type: ignore[misc]
        return self

    def _note(self, at_s: float) -> None:
        self.seen[at_s] = self.rack.output_is_open("a"), self.rack.output_is_open("b")


@pytest.mark.parametrize("active_s", [100.0, 100.3, 100.6, 100.95])
def test_an_emergency_stop_opens_every_output_in_time(active_s: float) -> None:
    watched = Watched().look(active_s, active_s + OPEN_WITHIN_S)
    watched.rack.guard("estop", "DI0", scope="rack", action="off-latched")
    run = watched.rack.disturb("io-01", "input-active", channel="DI0", after_s=active_s).run(TEN_MINUTES)
    assert watched.seen.pop(active_s) == (False, False)
    assert all(opened == (True, True) for opened in watched.seen.values())  # none where all was over before
    for cell in ("a", "b"):
        assert watched.rack.output_is_open(cell)
        assert run[cell].stop_reason == "interlock"
        assert run[cell].outcome is not None
        assert run[cell].outcome.ended == "stopped"
    (told,) = run.happened("interlock.tripped")
    assert told.code == "68"
    assert told.text == "the interlock estop is active (io-01/DI0 is low): off-latched, B01/A1, B02/A2"


def test_the_smoke_of_one_bay_leaves_the_other_alone() -> None:
    watched = Watched().look(ACTIVE_S + OPEN_WITHIN_S)
    watched.rack.guard("smoke-B01", "DI1", scope="bay", at="B01", action="off-latched")
    run = watched.rack.disturb("io-01", "input-active", channel="DI1", after_s=ACTIVE_S).run(TEN_MINUTES)
    assert list(watched.seen.values()) == [(True, False)]
    assert run["a"].stop_reason == "interlock"
    assert run["b"].stop_reason == "time"
    assert [event.code for event in run.happened("interlock.tripped")] == ["62"]


def test_an_input_that_is_active_while_high_is_low_at_rest() -> None:
    watched = Watched().look(ACTIVE_S, ACTIVE_S + OPEN_WITHIN_S)
    watched.rack.guard("door-B02", "DI2", scope="bay", at="B02", action="off", active="high")
    run = watched.rack.disturb("io-01", "input-active", channel="DI2", after_s=ACTIVE_S).run(TEN_MINUTES)
    assert list(watched.seen.values()) == [(False, False), (False, True)]
    assert [event.code for event in run.happened("interlock.tripped")] == ["57"]


def test_a_hold_opens_the_relay_and_fails_no_cell() -> None:
    watched = Watched().look(ACTIVE_S + OPEN_WITHIN_S)
    watched.rack.guard("limiter", "DI0", scope="channel", at="B01/A1", action="hold")
    run = watched.rack.disturb("io-01", "input-active", channel="DI0", after_s=ACTIVE_S).run(TEN_MINUTES)
    assert list(watched.seen.values()) == [(True, False)]
    assert run["a"].outcome is not None
    assert (run["a"].outcome.ended, run["a"].outcome.code) == ("stopped", None)
    assert run["b"].stop_reason == "time"


@pytest.mark.parametrize("action", ["no-start", "warn"])
def test_what_runs_goes_on_where_an_interlock_only_refuses_or_warns(action: str) -> None:
    rack = Watched().rack.guard("cooling-water", "DI0", scope="rack", action=action)  # type: ignore[arg-type]
    run = rack.disturb("io-01", "input-active", channel="DI0", after_s=ACTIVE_S, for_s=20.0).run(TEN_MINUTES)
    assert [run[cell].stop_reason for cell in ("a", "b")] == ["time", "time"]
    (told,) = run.happened("interlock.tripped")
    assert told.text.endswith(f"{action}, no cell")
    assert len(run.happened("interlock.cleared")) == 1


def test_nothing_starts_under_an_active_interlock() -> None:
    watched = Watched()
    watched.rack.guard("door-B01", "DI0", scope="bay", at="B01", action="no-start")
    run = watched.rack.disturb("io-01", "input-active", channel="DI0", after_s=0.0).run(TEN_MINUTES)
    assert run["a"].outcome is not None
    assert run["a"].outcome.ended == "not-started"
    assert "the interlock door-B01 is active (io-01/DI0 is low)" in run["a"].outcome.detail
    assert run["b"].stop_reason == "time"


def test_a_bounce_stops_nobody() -> None:
    rack = Watched().rack.guard("estop", "DI0", scope="rack", action="off-latched")
    run = rack.disturb("io-01", "input-active", channel="DI0", after_s=99.98, for_s=0.07).run(TEN_MINUTES)
    assert [run[cell].stop_reason for cell in ("a", "b")] == ["time", "time"]
    assert not run.happened("interlock.tripped")


@pytest.mark.parametrize(("action", "stopped"), [("off", True), ("hold", True), ("no-start", False), ("warn", False)])
def test_inputs_that_cannot_be_read_count_as_active(action: str, stopped: bool) -> None:
    """Without contactors on the module: nothing else stops these cells."""
    rack = SimRack(contactors=False).load("a")
    rack.guard("door-B01", "DI0", scope="bay", at="B01", action=action)  # type: ignore[arg-type]
    run = rack.unplug("io-01", after_s=ACTIVE_S).run(TEN_MINUTES)
    assert run["a"].stop_reason == ("interlock" if stopped else "time")
    assert run.happened("device.lost")
    assert not run.happened("interlock.tripped")
