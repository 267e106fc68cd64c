"""What follows a trip on a rack: more than its own cell where that is due, in the same sweep, on record once."""

import itertools
from dataclasses import dataclass, field

import pytest

from sims.testing.rack_run import CellRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, minutes, rest, voltage

HOT_S = 100.0
CHARGE = charge(c_rate=0.3, until=(voltage(4.1), amp_hours(6), minutes(20)))
DISCHARGE = discharge(c_rate=0.3, until=(voltage(2.9), amp_hours(6), minutes(20)))


def heated(rack: SimRack, *, for_s: float = 30.0) -> SimRack:
    """The cell warms itself past its limit, and cools again."""
    return rack.spoil("hot", "extra-heat", power_w=40.0, from_s=HOT_S, for_s=for_s)


def ended(cell: CellRun) -> tuple[str, str | None]:
    assert cell.outcome is not None
    return cell.outcome.ended, cell.outcome.code


@dataclass
class Opened:
    """When each cell was first seen without a current."""

    rack: SimRack
    at_s: dict[str, float] = field(default_factory=dict)

    def look(self, *cells: str, from_s: float, to_s: float) -> None:
        at_s = from_s
        while at_s < to_s:
            self.rack.after(at_s, lambda at_s=at_s: self._note(cells, at_s))  # type: ignore[misc]
            at_s += 0.25

    def _note(self, cells: tuple[str, ...], at_s: float) -> None:
        for cell in cells:
            if self.rack.output_is_open(cell):
                self.at_s.setdefault(cell, at_s)


def test_a_hot_cell_ends_the_charging_of_its_bay_the_heating_and_the_neighbours_and_nothing_else() -> None:
    rack = SimRack().load("hot").load("beside").load("near", bay="B02", device="cyc-02")
    rack.load("far", bay="B03", device="cyc-03").neighbours("B01", "B02").enclose("B01")
    opened = Opened(rack)
    opened.look("hot", "beside", "near", from_s=HOT_S, to_s=HOT_S + 60.0)
    run = heated(rack).run(CHARGE)
    assert ended(run["hot"]) == ("tripped", "TRIP_11")
    assert ended(run["beside"]) == ended(run["near"]) == ("stopped", None)  # these cells have not failed
    assert ended(run["far"]) == ("completed", None)
    assert max(opened.at_s.values()) - opened.at_s["hot"] <= 0.5
    (told,) = run.happened("trip.followed")
    assert told.code == "11"
    for words in ("B01/A1: temperature rises fast", "held: B02/A3", "not charged: B01/A2", "heater off: ch-01"):
        assert words in told.text
    assert [event.device for event in run.happened("chamber.secured")] == ["ch-01"]


def test_beside_a_hot_cell_a_discharge_goes_on_and_no_charge_follows_it() -> None:
    rack = SimRack().load("hot").load("beside")
    run = heated(rack, for_s=70.0).run(DISCHARGE, rest(minutes=5), CHARGE)
    assert ended(run["hot"]) == ("tripped", "TRIP_9")
    assert [step.stop_reason for step in run["beside"].steps] == ["time", "completed"]
    assert run["beside"].outcome is not None
    assert run["beside"].outcome.detail == "B01/A1: cell over-temperature"


def test_after_a_thermal_trip_the_bay_is_read_and_recorded_for_an_hour() -> None:
    rack = SimRack().load("hot").load("beside")
    run = heated(rack).run(CHARGE)
    assert 3600.0 < rack.world.loop.time() - HOT_S < 3800.0
    assert run.happened("watch.over")
    for cell in ("hot", "beside"):
        times_s = [sample.elapsed_s for sample in run[cell].samples]
        assert max(later - earlier for earlier, later in itertools.pairwise(times_s)) <= 11.0
        last = run[cell].last_sample
        assert last.elapsed_s > 3600.0
        assert last.step_count == run[cell].steps[-1].step_count + 1  # no step of the recipe
        assert last.temperature_degc < 45.0
        assert last.voltage_v == pytest.approx(rack.truth(cell).voltage_v, abs=0.01)


def test_a_cell_that_warms_on_is_told_and_never_called_cold() -> None:
    rack = SimRack().load("hot")
    rack.spoil("hot", "extra-heat", power_w=40.0, from_s=HOT_S, for_s=30.0)
    rack.spoil("hot", "extra-heat", power_w=1.0, from_s=HOT_S + 2500.0)
    run = rack.run(CHARGE)
    (told,) = run.happened("watch.warming")
    assert told.code == "11"
    assert HOT_S + 2500.0 < told.elapsed_s < HOT_S + 3100.0
    (doubt,) = run.happened("watch.not_cold")
    assert "B01/A1" in doubt.text
    assert not run.happened("watch.over")


def test_a_watch_without_a_thermometer_does_not_call_its_cells_cold() -> None:
    rack = heated(SimRack().load("hot")).break_sensor("hot", after_s=HOT_S + 600.0)
    run = rack.run(CHARGE)
    (doubt,) = run.happened("watch.not_cold")
    assert "its temperature is not measured" in doubt.text


def test_a_false_smoke_alarm_at_night_leaves_data_of_its_watch_and_nothing_goes_on() -> None:
    rack = SimRack().load("a").load("b", bay="B02", device="cyc-02").neighbours("B01", "B02")
    rack.guard("smoke-B01", "DI0", scope="bay", at="B01", action="off-latched")
    run = rack.disturb("io-01", "input-active", channel="DI0", after_s=HOT_S, for_s=20.0).run(CHARGE)
    (told,) = run.happened("interlock.tripped")
    assert told.code == "62"
    for cell in ("a", "b"):  # a fire in the bay is a matter of its neighbours
        assert ended(run[cell]) == ("stopped", None)
        assert run[cell].last_sample.elapsed_s > 3600.0
        assert rack.output_is_open(cell)
    assert len(run.happened("watch.over")) == 2


@pytest.mark.parametrize("action", ["no-start", "warn"])
def test_smoke_that_only_warns_watches_nobody(action: str) -> None:
    rack = SimRack().load("a").guard("smoke-B01", "DI0", scope="bay", at="B01", action=action)  # type: ignore[arg-type]
    rack.disturb("io-01", "input-active", channel="DI0", after_s=HOT_S).run(CHARGE)
    assert rack.world.loop.time() < 1300.0


def test_cells_that_trip_alike_at_one_time_hold_the_rest_of_their_bay() -> None:
    rack = SimRack()
    for cell in ("a", "b", "c", "d"):
        rack.load(cell)
    rack.load("other", bay="B02", device="cyc-02")
    for at_s, cell in enumerate(("a", "b", "c")):
        rack.break_sensor(cell, after_s=HOT_S + 5 * at_s)
    run = rack.run(CHARGE)
    assert [ended(run[cell]) for cell in ("a", "b", "c")] == [("tripped", "TRIP_78")] * 3
    assert ended(run["d"]) == ("stopped", None)
    assert ended(run["other"]) == ("completed", None)
    (told,) = run.happened("trips.alike")
    assert told.code == "83"
    assert "3 trips for sensor broken within 60 s; held: B01/A4" in told.text


def test_a_chamber_that_reports_a_fault_holds_its_bays_and_fails_no_cell() -> None:
    rack = SimRack().load("a").load("b", bay="B02", device="cyc-02").load("room", bay="B03", device="cyc-03")
    run = rack.enclose("B01", "B02").disturb("ch-01", "exception", after_s=HOT_S).run(CHARGE)
    assert ended(run["a"]) == ended(run["b"]) == ("stopped", None)
    assert ended(run["room"]) == ("completed", None)
    assert [event.code for event in run.happened("trip.followed")] == ["61"]
