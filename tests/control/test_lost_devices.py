"""A device that falls silent takes its own cells with it and no others, and nothing comes on again by itself."""

from collections.abc import Callable

import pytest

from sims.devices.cycler_hardware import CyclerHardware
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, rest, voltage

TEN_MINUTES = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(10)))
LOST_S = 100.3
STALE_S = 3.0


def psb_rack() -> SimRack:
    """Each cell on a supply of its own, in a bay of its own."""
    return SimRack(driver="ea_psb").load("lost", bay="B01").load("other", bay="B02")


SILENCES: dict[str, Callable[[SimRack], SimRack]] = {
    "unplugged": lambda rack: rack.unplug("psb-01", after_s=LOST_S),
    "muffled": lambda rack: rack.muffle("psb-01", after_s=LOST_S),
    "cut, and then unplugged": lambda rack: rack.cut("psb-01", after_s=LOST_S).unplug("psb-01", after_s=LOST_S),
}


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES.keys())
def test_a_silent_supply_stops_its_cell_as_stale_and_no_other(silence: Callable[[SimRack], SimRack]) -> None:
    open_in_time: list[bool] = []
    rack = psb_rack()
    silence(rack).after(LOST_S + STALE_S + 2.0, lambda: open_in_time.append(rack.output_is_open("lost")))
    run = rack.run(TEN_MINUTES)
    assert run["lost"].stop_reason == "stale"
    assert run["lost"].outcome is not None
    assert (run["lost"].outcome.ended, run["lost"].outcome.code) == ("tripped", "TRIP_49")
    assert open_in_time == [True]
    assert run["other"].stop_reason == "time"
    assert rack.output_is_open("lost") and rack.output_is_open("other")


def test_a_connection_that_breaks_is_opened_anew_and_stops_nobody() -> None:
    rack = psb_rack()
    for broken_s in (100.0, 100.2, 200.5, 300.0):
        rack.cut("psb-01", after_s=broken_s)
    run = rack.run(TEN_MINUTES)
    assert run["lost"].stop_reason == "time"
    assert not run.happened("device.lost")


@pytest.mark.parametrize("from_s", [100.0, 100.25, 100.5, 100.75])
def test_a_silence_shorter_than_what_makes_a_reading_stale_stops_nobody(from_s: float) -> None:
    run = psb_rack().unplug("psb-01", after_s=from_s, for_s=1.0).run(TEN_MINUTES)
    assert run["lost"].stop_reason == "time"
    assert not run.happened("device.lost")


@pytest.mark.parametrize("lost_s", [0.02 * n for n in range(20)])
def test_a_short_silence_in_the_middle_of_an_order_stops_nobody(lost_s: float) -> None:
    """Steps of 30 s: the order of the rest is on its way some time after 30 s."""
    begins_s = 30.9
    half_a_minute = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(0.5)))
    rack = psb_rack().unplug("psb-01", after_s=begins_s + lost_s, for_s=0.7)
    run = rack.run(half_a_minute, half_a_minute, rest(minutes=0.1))
    assert [step.stop_reason for step in run["lost"].steps] == ["time", "time", "completed"]
    assert rack.output_is_open("lost")


def test_a_supply_that_comes_back_stays_off() -> None:
    energised: list[bool] = []
    rack = psb_rack().unplug("psb-01", after_s=LOST_S, for_s=5.0)
    for later_s in range(10, 400, 10):
        rack.after(LOST_S + later_s, lambda: energised.append(not rack.output_is_open("lost")))
    run = rack.run(TEN_MINUTES)
    assert run["lost"].stop_reason == "stale"
    assert not run.happened("device.latched")
    assert energised and not any(energised)


def test_a_device_that_is_lost_three_times_in_a_minute_is_latched() -> None:
    """While the run of another bay goes on: a device that no run needs any more is let go."""
    attempts: list[int] = []
    rack = SimRack(driver="ea_psb").load("other").load("lost", bay="B02")
    rack.unplug("psb-02", after_s=LOST_S, for_s=60.0)

    def look() -> None:
        network = rack.world.loop.network
        assert network is not None
        attempts.append(sum(network.connections.values()))

    for looked_s in (LOST_S + 65.0, 500.0):
        rack.after(looked_s, look)
    run = rack.run(TEN_MINUTES)
    assert len(run.happened("device.lost", device="psb-02")) == 3
    assert len(run.happened("device.latched", device="psb-02")) == 1
    assert attempts[0] == attempts[1]  # the cable is back, and nobody tries any more
    assert run["other"].stop_reason == "time"


def test_a_latched_device_that_no_contactor_cuts_off_is_told_to_open_until_it_does() -> None:
    rack = SimRack(contactors=False).load("lost", device="cyc-01").load("other", device="cyc-02")
    run = rack.unplug("cyc-01", after_s=LOST_S, for_s=120.0).run(TEN_MINUTES)
    (latched,) = run.happened("device.latched", device="cyc-01")
    (opened,) = run.happened("output.opened", device="cyc-01")
    assert latched.elapsed_s < LOST_S + 100.0
    assert LOST_S + 110.0 < opened.elapsed_s < LOST_S + 180.0
    assert run["other"].stop_reason == "time"


def test_a_device_that_is_missing_from_the_start_is_told_of_once_and_taken_up_when_it_comes() -> None:
    connected: list[int] = []
    rack = SimRack(driver="ea_psb").load("other").load("late", bay="B02").unplug("psb-02", after_s=0.0, for_s=300.0)

    def look() -> None:
        network = rack.world.loop.network
        assert network is not None
        connected.append(sum(network.connections.values()))

    rack.after(290.0, look).after(400.0, look)
    run = rack.run(TEN_MINUTES)
    assert run["late"].outcome is not None
    assert (run["other"].stop_reason, run["late"].outcome.ended) == ("time", "not-started")
    assert not run.happened("device.lost")  # again, while it is still away
    assert not run.happened("device.latched")
    assert connected[1] > connected[0]


def test_losses_far_apart_do_not_latch() -> None:
    rack = SimRack(driver="ea_psb").load("other").load("lost", bay="B02")
    for lost_s in (50.0, 150.0, 250.0, 350.0):
        rack.unplug("psb-02", after_s=lost_s, for_s=5.0)
    run = rack.run(TEN_MINUTES)
    assert len(run.happened("device.lost", device="psb-02")) >= 4
    assert not run.happened("device.latched")


def test_a_lost_cycler_in_process_opens_by_its_own_watchdog() -> None:
    """Without a contactor the device's watchdog is all there is."""
    opened: list[bool] = []
    rack = SimRack(contactors=False).load("lost", device="cyc-01").load("other", device="cyc-02")
    rack.unplug("cyc-01", after_s=LOST_S)
    for later_s in (0.0, 3.1):
        rack.after(LOST_S + later_s, lambda: opened.append(rack.output_is_open("lost")))
    run = rack.run(TEN_MINUTES)
    assert opened == [False, True]
    assert run["lost"].stop_reason == "stale"
    assert run["other"].stop_reason == "time"


def test_the_other_cells_of_a_bay_stop_where_its_contactor_has_to_open() -> None:
    rack = SimRack(driver="ea_psb").load("lost").load("neighbour").load("other", bay="B02")
    run = rack.unplug("psb-01", after_s=LOST_S).run(TEN_MINUTES)
    assert run["lost"].stop_reason == "stale"
    assert run["neighbour"].stop_reason == "interlock"
    assert run["other"].stop_reason == "time"
    assert run.happened("contactor.opened")


@pytest.mark.parametrize("device", ["psb-01", "io-01", "tc-01"])
def test_a_device_that_never_answers_keeps_its_cells_from_starting_and_nothing_else(device: str) -> None:
    rack = psb_rack().unplug(device, after_s=0.0)
    run = rack.run(TEN_MINUTES)
    outcome = run["lost"].outcome
    assert outcome is not None
    assert outcome.ended == "not-started"
    assert device in outcome.detail
    assert run["other"].outcome is not None
    assert run["other"].outcome.ended == ("completed" if device == "psb-01" else "not-started")


@pytest.mark.parametrize("answered_s", [0.05, 0.3, 1.0, 2.0])
def test_a_device_that_is_lost_while_another_is_waited_for_starts_nothing(answered_s: float) -> None:
    rack = psb_rack().unplug("psb-01", after_s=answered_s).unplug("psb-02", after_s=0.0)
    run = rack.run(TEN_MINUTES)
    for cell in ("lost", "other"):
        assert run[cell].outcome is not None
        assert run[cell].outcome.ended in {"not-started", "tripped"}
        assert rack.output_is_open(cell)


def test_a_cycler_that_restarts_is_found_open_and_its_cells_end() -> None:
    rack = SimRack().load("c1").load("c2")
    rack.after(LOST_S, lambda: rack.instrument("cyc-01", CyclerHardware).restart())
    run = rack.run(TEN_MINUTES)
    for cell in ("c1", "c2"):
        assert run[cell].stop_reason == "device-fault"
        assert rack.output_is_open(cell)
