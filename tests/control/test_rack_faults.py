"""What goes wrong beside the cyclers: thermometers, contactors, the disk. Nothing of it leaves an output on."""

from pathlib import Path

import apsw
import pytest

from cycler.record.journal import JournalFailed
from cycler.record.schema import journal_path
from cycler.results.reasons import reason
from sims.devices.cycler_hardware import CyclerHardware
from sims.devices.digital_io import IoHardware
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, rest, voltage

TEN_MINUTES = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(10)))
HAPPENS_S = 100.4


def two_bays() -> SimRack:
    return SimRack().load("c1", bay="B01", device="cyc-01").load("c2", bay="B02", device="cyc-02")


# Temperature.


def test_a_thermometer_that_falls_silent_trips_temperature() -> None:
    rack = two_bays().unplug("tc-01", after_s=HAPPENS_S)
    run = rack.run(TEN_MINUTES)
    for cell in ("c1", "c2"):
        assert run[cell].outcome is not None
        assert run[cell].outcome.code == "TRIP_78"
        assert rack.output_is_open(cell)
    assert rack.world.loop.time() < HAPPENS_S + 10.0


def test_a_broken_sensor_trips_its_own_cell_and_no_other() -> None:
    run = two_bays().break_sensor("c1", after_s=HAPPENS_S).run(TEN_MINUTES)
    assert run["c1"].stop_reason == "trip"
    assert run["c2"].stop_reason == "time"


@pytest.mark.parametrize("fault", ["nan", "out-of-range", "scale-10"])
@pytest.mark.parametrize("device", ["tc-01", "cyc-01"])
def test_an_instrument_that_fails_is_blamed_and_not_its_cell(device: str, fault: str) -> None:
    rack = SimRack().load("c1").load("c2").disturb(device, fault, channel="1", after_s=HAPPENS_S)
    run = rack.run(TEN_MINUTES)
    outcome = run["c1"].outcome
    assert outcome is not None
    assert (run["c1"].stop_reason, outcome.code) == ("trip", "TRIP_78")
    assert reason("TRIP_78").verdict == "retest"
    assert len(outcome.detail) < 150
    (tripped,) = run.happened("protection.tripped")
    assert tripped.code == "78"
    assert run["c2"].stop_reason == "time"


def test_a_soak_that_times_out_over_a_broken_sensor_says_so_in_few_words() -> None:
    rack = SimRack().load("c1").load("c2").enclose("B01").disturb("tc-01", "out-of-range", channel="1", after_s=0.0)
    run = rack.run("soak: {chamber: 25 degC, hold: 1 min, timeout: 5 min}", TEN_MINUTES)
    outcome = run["c1"].outcome
    assert outcome is not None
    assert outcome.ended != "completed"
    assert len(outcome.detail) < 150


def test_a_thermometer_that_misses_one_reading_trips_nobody() -> None:
    run = two_bays().unplug("tc-01", after_s=HAPPENS_S, for_s=2.0).run(TEN_MINUTES)
    assert [run[cell].stop_reason for cell in ("c1", "c2")] == ["time", "time"]


# Contactors.


def test_a_contactor_that_opens_by_itself_stops_its_bay_and_no_other() -> None:
    run = two_bays().open_contactor("B01", after_s=HAPPENS_S).run(TEN_MINUTES)
    assert run["c1"].stop_reason == "interlock"
    assert run["c2"].stop_reason == "time"
    assert len(run.happened("contactor.moved")) == 1


def test_a_contactor_that_somebody_else_closes_is_on_record_and_stops_nobody() -> None:
    rack = two_bays()
    rack.after(HAPPENS_S + 5.0, lambda: rack.instrument("io-01", IoHardware).set_outputs({"DO0": True}))
    run = rack.open_contactor("B01", after_s=HAPPENS_S).run(TEN_MINUTES)
    opened, closed = run.happened("contactor.moved")
    assert "opened by itself" in opened.text
    assert "closed by itself" in closed.text
    assert run["c2"].stop_reason == "time"


def test_contactors_that_do_not_answer_stop_their_bays() -> None:
    rack = two_bays().unplug("io-01", after_s=HAPPENS_S)
    run = rack.run(TEN_MINUTES)
    for cell in ("c1", "c2"):
        assert run[cell].stop_reason == "interlock"
        assert rack.output_is_open(cell)


@pytest.mark.parametrize("from_s", [100.0, 100.2, 100.4, 100.6, 100.8])
def test_contactors_that_miss_one_reading_stop_nobody(from_s: float) -> None:
    run = two_bays().unplug("io-01", after_s=from_s, for_s=0.7).run(TEN_MINUTES)
    assert [run[cell].stop_reason for cell in ("c1", "c2")] == ["time", "time"]


@pytest.mark.parametrize("from_s", [100.0, 100.2, 100.4, 100.6, 100.8])
def test_a_cycler_that_misses_one_reading_stops_nobody(from_s: float) -> None:
    run = two_bays().unplug("cyc-01", after_s=from_s, for_s=0.7).run(TEN_MINUTES)
    assert [run[cell].stop_reason for cell in ("c1", "c2")] == ["time", "time"]


def test_an_output_that_does_not_confirm_off_has_its_contactor_opened() -> None:
    opened: list[bool] = []
    rack = two_bays().ignore_offs("cyc-01", after_s=0.0).break_sensor("c1", after_s=HAPPENS_S)
    rack.after(HAPPENS_S + 6.0, lambda: opened.append(rack.output_is_open("c1")))
    run = rack.run(TEN_MINUTES)
    assert opened == [True]
    assert run["c1"].stop_reason == "trip"
    assert run["c2"].stop_reason == "time"
    assert [event.code for event in run.happened("off.not_confirmed")] == ["82"]
    assert len(run.happened("contactor.opened")) == 1


def test_an_output_that_opens_late_is_told_again_where_there_is_no_contactor() -> None:
    rack = SimRack(contactors=False).load("c1")
    rack.ignore_offs("cyc-01", after_s=0.0, for_s=HAPPENS_S + 20.0).break_sensor("c1", after_s=HAPPENS_S)
    run = rack.run(TEN_MINUTES)
    assert run["c1"].stop_reason == "trip"
    assert rack.output_is_open("c1")


def test_a_contactor_that_stays_closed_is_told_of_and_the_output_is_told_again() -> None:
    rack = SimRack().load("c1").break_sensor("c1", after_s=HAPPENS_S)
    rack.ignore_offs("cyc-01", after_s=0.0, for_s=HAPPENS_S + 20.0).ignore_offs("io-01", after_s=HAPPENS_S)
    run = rack.run(TEN_MINUTES)
    assert run.happened("contactor.failed")
    assert not run.happened("contactor.opened")
    assert rack.output_is_open("c1")


def test_contactors_close_before_the_first_current_and_open_after_the_last() -> None:
    """Also where the run is broken off: they are not there to break a current."""
    for broken_off in (False, True):
        moved: list[tuple[bool, float]] = []
        rack = SimRack(driver="ea_psb").load("c1").load("c2")

        def watch(rack: SimRack = rack, moved: list[tuple[bool, float]] = moved) -> None:
            hardware = rack.instrument("io-01", IoHardware)
            move = hardware._moved

            def moving(line: str, closed: bool) -> None:
                moved.append((closed, max(abs(rack.truth(cell).current_a) for cell in ("c1", "c2"))))
                move(line, closed)

            hardware._moved = moving

        rack.after(0.0, watch)
        if broken_off:
            rack.interrupt(after_s=HAPPENS_S)
        rack.run(charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(3))))
        assert moved == [(True, 0.0), (False, 0.0)]


# The device itself.


def test_an_output_that_opened_by_itself_ends_its_run_and_no_other() -> None:
    rack = SimRack().load("c1").load("c2")
    rack.after(HAPPENS_S, lambda: rack.instrument("cyc-01", CyclerHardware).trip(0, "over_voltage"))
    run = rack.run(TEN_MINUTES)
    assert run["c1"].stop_reason == "device-fault"
    assert run["c2"].stop_reason == "time"


# The disk.


def test_a_journal_that_fails_stops_the_rack_and_opens_every_output(tmp_path: Path) -> None:
    opened: list[bool] = []
    rack = SimRack(store=tmp_path, driver="ea_psb").load("c1").load("c2", bay="B02")
    locked: list[apsw.Connection] = []

    def lock() -> None:
        """Another program takes the journal, and does not give it back."""
        connection = apsw.Connection(str(journal_path(tmp_path)))
        connection.execute("BEGIN IMMEDIATE")
        locked.append(connection)

    rack.after(HAPPENS_S, lock)
    rack.after(HAPPENS_S + 62.0, lambda: opened.append(rack.output_is_open("c1") and rack.output_is_open("c2")))
    with pytest.raises(JournalFailed, match="lock"):
        rack.run(TEN_MINUTES, rest(minutes=1))
    assert opened in ([True], [])
    assert rack.output_is_open("c1") and rack.output_is_open("c2")
    for connection in locked:
        connection.close()
