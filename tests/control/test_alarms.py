"""One cause raises one alarm, which lists whom it concerns, goes when its cause goes, and lasts through restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from formed_tray import BEGAN_UTC, recording

from cycler.control.alarms import JUDGED_ANEW_S, Alarms
from cycler.control.rack_log import RackLog
from cycler.model.alarm import AlarmCode
from cycler.model.alarm_record import Alarm, AlarmRecord, TripSamples
from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId, Rack
from cycler.record.reader import Reader
from cycler.safety.alarm_states import AlarmRefused
from sims.loop import run_virtual
from sims.testing.rack_run import RackRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, rest, soak, voltage
from sims.testing.wired import utcnow

TEN_MINUTES = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(10)))
WRONG_S = 100.3
A1, A2, A3 = (PositionId(f"B01/A{number}") for number in (1, 2, 3))
RACK = Rack(
    rack="R1",
    purpose="production",
    bays={
        BayId("B01"): Bay(
            bay=BayId("B01"),
            positions={
                name: Position(position=name, channels=(ChannelRef(device="cyc-01", channel=name[-1]),))
                for name in (A1, A2, A3)
            },
        )
    },
)


def the_alarm(run: RackRun) -> AlarmRecord:
    (found,) = run.alarms
    return found


def trail(record: AlarmRecord) -> list[str]:
    return [change.act for change in record.changes]


def test_a_lost_device_with_256_cells_raises_one_alarm_that_lists_them_all() -> None:
    rack = SimRack(options={"channels": "256"})
    for number in range(256):
        rack.load(f"c{number}")
    run = rack.unplug("cyc-01", after_s=20.3).run(charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(1))))
    assert {cell.stop_reason for cell in run.cells.values()} == {"stale"}
    alarm = the_alarm(run).alarm
    assert (alarm.code, alarm.source, alarm.severity) == (49, "cyc-01", "high")
    assert len(alarm.positions) == 256
    assert alarm.state == "unacknowledged" and alarm.is_trip
    assert "wire" in alarm.remedy


def test_the_alarm_of_a_device_goes_when_it_answers_again_and_waits_to_be_seen() -> None:
    rack = SimRack(driver="ea_psb").load("other").load("lost", bay="B02")
    record = the_alarm(rack.unplug("psb-02", after_s=WRONG_S, for_s=5.0).run(TEN_MINUTES))
    assert (record.alarm.source, record.alarm.positions) == ("psb-02", (PositionId("B02/A2"),))
    assert (record.alarm.state, record.alarm.raises, trail(record)[-1]) == ("returned", 1, "clear")
    assert record.alarm.returned_utc is not None
    assert record.alarm.returned_utc > record.alarm.raised_utc


def test_a_device_that_is_left_alone_stays_an_alarm() -> None:
    rack = SimRack(driver="ea_psb").load("other").load("lost", bay="B02")
    alarm = the_alarm(rack.unplug("psb-02", after_s=WRONG_S).run(TEN_MINUTES)).alarm
    assert alarm.is_active
    assert "left alone until maintenance has checked and reset it" in alarm.text


def test_an_interlock_is_an_alarm_for_as_long_as_it_is_active() -> None:
    rack = (
        SimRack()
        .load("a")
        .load("b", bay="B02", device="cyc-02")
        .guard("door-B01", "DI0", scope="bay", at="B01", action="warn")
    )
    run = rack.disturb("io-01", "input-active", channel="DI0", after_s=WRONG_S, for_s=60.0).run(TEN_MINUTES)
    record = the_alarm(run)
    assert (record.alarm.code, record.alarm.source, record.alarm.positions) == (57, "door-B01", (A1,))
    assert (record.alarm.state, trail(record)) == ("returned", ["raise", "clear"])
    assert record.alarm.returned_utc is not None
    assert record.alarm.returned_utc - record.alarm.raised_utc == pytest.approx(
        timedelta(seconds=60), abs=timedelta(seconds=2)
    )


def test_a_lost_thermometer_module_is_one_alarm_beside_those_of_the_cells_that_it_made_trip() -> None:
    run = SimRack().load("a").load("b").unplug("tc-01", after_s=WRONG_S).run(TEN_MINUTES)
    by_source = {record.alarm.source: record.alarm for record in run.alarms}
    assert by_source["tc-01"].positions == (A1, A2)
    assert by_source.keys() == {"tc-01", "B01/A1"}
    assert by_source["B01/A1"].positions == (A1, A2)  # both were blind in the same sweep: one cause


def test_a_trip_has_every_reading_of_the_seconds_before_it() -> None:
    run = SimRack().load("hot").load("good").spoil("hot", "extra-heat", from_s=60.0, power_w=20.0).run(TEN_MINUTES)
    (tripped,) = [record for record in run.alarms if record.alarm.source == A1]
    assert tripped.alarm.code == AlarmCode.TEMPERATURE_RISE_RATE
    (samples,) = tripped.samples
    kept = [sample for sample in run["hot"].samples if sample.elapsed_s > run["hot"].last_sample.elapsed_s - 29]
    assert samples.position == A1
    assert samples.time_s[-1] == 0.0 and samples.time_s[0] < -25
    assert len(samples.time_s) > len(kept)  # more than the recipe keeps
    assert samples.temperature_degc[-1] > samples.temperature_degc[0] + 1
    assert all(amps == pytest.approx(2.5, abs=0.05) for amps in samples.current_a)


def test_a_chamber_that_is_off_is_an_alarm_no_longer_than_somebody_needs_its_temperature() -> None:
    rack = SimRack(ambient_degc=15.0).enclose("B01").load("a")
    run = rack.disturb("ch-01", "door-open", after_s=4500.0).run(soak(degc=30.0), rest(minutes=45))
    assert run["a"].stop_reason == "completed"
    (off,) = [record for record in run.alarms if record.alarm.code == AlarmCode.CHAMBER_DEVIATION]
    assert (off.alarm.source, off.alarm.positions) == ("ch-01", (A1,))
    assert (off.alarm.state, trail(off)) == ("returned", ["raise", "clear"])


# The list itself.


@dataclass
class Bench:
    """The alarms of a rack without devices."""

    alarms: Alarms
    tried: asyncio.Event

    def numbers(self) -> list[int]:
        return [alarm.number for alarm in self.alarms.standing]

    def only(self) -> Alarm:
        (alarm,) = self.alarms.standing
        return alarm

    def trip(self, *positions: PositionId, code: AlarmCode = AlarmCode.OVER_VOLTAGE) -> None:
        for position in positions:
            samples = TripSamples(
                position=position, time_s=(0.0,), voltage_v=(4.3,), current_a=(1.0,), temperature_degc=(25.0,)
            )
            self.alarms.tripped(code, position, f"4.3 V at {position}", samples)


@asynccontextmanager
async def bench(store: Path) -> AsyncIterator[Bench]:
    async with recording(store) as recorder:
        alarms, tried = Alarms(RACK, recorder, utcnow), asyncio.Event()
        running = asyncio.create_task(alarms.run(tried))
        await asyncio.sleep(0)
        try:
            yield Bench(alarms, tried)
        finally:
            await recorder.durable()
            running.cancel()
            await asyncio.wait([running])


def on_bench(store: Path, what: Callable[[Bench], None]) -> None:
    async def main() -> None:
        async with bench(store) as rack:
            what(rack)

    run_virtual(main())


def on_record(store: Path) -> tuple[AlarmRecord, ...]:
    with Reader(store) as reader:
        return reader.alarms()


def test_cells_that_trip_in_one_sweep_share_an_alarm_and_later_ones_have_their_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as rack:
            rack.trip(A1, A2)
            rack.trip(A1, code=AlarmCode.OVER_TEMPERATURE)
            await asyncio.sleep(2)
            rack.trip(A3)
            assert [(each.code, each.positions) for each in rack.alarms.standing] == [
                (1, (A1, A2)),
                (9, (A1,)),
                (1, (A3,)),
            ]

    run_virtual(main())
    assert [[each.position for each in record.samples] for record in on_record(tmp_path)] == [[A1, A2], [A1], [A3]]


def test_the_trip_of_cells_ends_when_all_of_them_have_made_room_for_others(tmp_path: Path) -> None:
    def happens(rack: Bench) -> None:
        rack.trip(A1, A2)
        rack.alarms.begin([A1])
        assert rack.only().is_active
        rack.alarms.begin([A2, A3])
        assert rack.only().state == "returned"

    on_bench(tmp_path, happens)


def test_a_cause_that_comes_back_before_it_was_seen_is_the_same_alarm(tmp_path: Path) -> None:
    def happens(rack: Bench) -> None:
        for _ in range(3):
            rack.alarms.raised(AlarmCode.DOOR, "door-B01", "the door is open", positions=[A1])
            rack.alarms.raised(AlarmCode.DOOR, "door-B01", "the door is open", positions=[A1])
            rack.alarms.cleared(AlarmCode.DOOR, "door-B01")
        assert (rack.only().raises, rack.only().state) == (3, "returned")
        rack.alarms.acknowledge(rack.only().number, by="Ann Lee")
        assert not rack.alarms.standing
        rack.alarms.raised(AlarmCode.DOOR, "door-B01", "the door is open", positions=[A1])
        assert rack.numbers() == [2]

    on_bench(tmp_path, happens)
    first, second = on_record(tmp_path)
    assert trail(first) == [*["raise", "clear"] * 3, "acknowledge"]
    assert (first.changes[-1].by, first.alarm.is_over, second.alarm.is_over) == ("Ann Lee", True, False)


def test_a_cause_is_gone_when_it_is_gone_for_all_who_said_so(tmp_path: Path) -> None:
    def happens(rack: Bench) -> None:
        for bay in ("B01", "B02"):
            rack.alarms.raised(AlarmCode.CHAMBER_DEVIATION, "ch-01", "air at 31 degC", positions=[A1], for_whom=bay)
        rack.alarms.cleared(AlarmCode.CHAMBER_DEVIATION, "ch-01", for_whom="B01")
        assert rack.only().is_active
        rack.alarms.cleared(AlarmCode.CHAMBER_DEVIATION, "ch-01", for_whom="B02")
        assert rack.only().state == "returned"
        rack.alarms.raised(AlarmCode.CHAMBER_DEVIATION, "ch-01", "air at 31 degC", positions=[A1], for_whom="B01")
        rack.alarms.cleared(AlarmCode.CHAMBER_DEVIATION, "ch-01")
        assert rack.only().state == "returned"

    on_bench(tmp_path, happens)


def test_a_shelf_ends_by_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as rack:
            for source in ("a", "b"):
                rack.alarms.raised(AlarmCode.CLOCK_NOT_SYNCHRONISED, source, "no source")
            rack.alarms.shelve(1, by="Ann Lee", reason="the switch is being replaced", for_s=3600.0)
            rack.alarms.shelve(2, by="Ann Lee", reason="the switch is being replaced", for_s=600.0)
            await asyncio.sleep(601)
            assert [each.state for each in rack.alarms.standing] == ["shelved", "unacknowledged"]
            rack.alarms.cleared(AlarmCode.CLOCK_NOT_SYNCHRONISED, "a")
            await asyncio.sleep(3000)
            assert rack.numbers() == [2]

    run_virtual(main())
    last = on_record(tmp_path)[1].changes[-1]
    assert (last.act, last.by, last.reason) == ("unshelve", None, "its time is over")


def test_a_safety_trip_cannot_be_shelved_and_an_unknown_alarm_not_acknowledged(tmp_path: Path) -> None:
    def happens(rack: Bench) -> None:
        rack.trip(A1)
        with pytest.raises(AlarmRefused, match="safety trip"):
            rack.alarms.shelve(1, by="Ann Lee", reason="noise", for_s=60.0)
        with pytest.raises(AlarmRefused, match="there is no alarm 7, or it is over"):
            rack.alarms.acknowledge(7, by="Ann Lee")

    on_bench(tmp_path, happens)
    assert trail(on_record(tmp_path)[0]) == ["raise"]  # what was refused has changed nothing


def test_devices_on_one_wire_that_fall_silent_are_one_alarm_until_the_last_is_back(tmp_path: Path) -> None:
    wire = "modbus-rtu-tcp://10.0.0.5:502"
    lost = (("device.lost", AlarmCode.STALE_DATA), ("off.not_confirmed", AlarmCode.OFF_NOT_CONFIRMED))

    async def main() -> None:
        async with recording(tmp_path) as recorder:
            alarms = Alarms(RACK, recorder, utcnow)
            wires = dict.fromkeys(["cyc-01", "tc-01", "ch-01"], wire)
            rack_log = RackLog(RACK, recorder, alarms, utcnow, wires=wires)
            for device in ("cyc-01", "tc-01"):
                for event, code in lost:
                    rack_log.record(event, device=device, code=code, text=f"{device}: no answer", by_wire=True)
            rack_log.record("device.lost", device="ch-01", code=AlarmCode.CHAMBER_FAULT, text="silent", by_wire=True)
            (alarm,) = alarms.standing
            assert (alarm.code, alarm.source, alarm.positions) == (49, wire, (A1, A2, A3))
            rack_log.record("device.lost", device="tc-01", code=AlarmCode.STALE_DATA, text="tc-01: it is broken")
            assert [each.source for each in alarms.standing] == [wire, "tc-01"]
            for device, event in (("cyc-01", "device.back"), ("tc-01", "device.back"), ("ch-01", "chamber.back")):
                assert alarms.standing[0].is_active
                rack_log.record(event, device=device, text=f"{device} answers again")
            assert [each.state for each in alarms.standing] == ["returned", "returned"]

    run_virtual(main())


def before_a_restart(rack: Bench) -> None:
    rack.trip(A1)
    rack.alarms.raised(AlarmCode.STALE_DATA, "cyc-01", "no answer", positions=[A1, A2])
    rack.alarms.raised(AlarmCode.STALE_DATA, "cyc-02", "no answer")
    rack.alarms.raised(AlarmCode.CLOCK_NOT_SYNCHRONISED, "rack", "no source")
    for number in (2, 3):
        rack.alarms.acknowledge(number, by="Ann Lee")
    rack.alarms.shelve(4, by="Ann Lee", reason="the switch is being replaced", for_s=6 * 3600.0)


def test_what_people_said_lasts_through_a_restart_and_what_is_wrong_is_found_out_anew(tmp_path: Path) -> None:
    on_bench(tmp_path, before_a_restart)

    async def restarted() -> None:
        async with bench(tmp_path) as rack:
            states = ["unacknowledged", "acknowledged", "acknowledged", "shelved"]
            assert [each.state for each in rack.alarms.standing] == states
            rack.alarms.raised(AlarmCode.STALE_DATA, "cyc-02", "no answer")
            rack.tried.set()
            await asyncio.sleep(JUDGED_ANEW_S + 1)
            found = {each.number: (each.state, each.is_active) for each in rack.alarms.standing}
            # The trip stands until the cell is gone; cyc-01 answers again; cyc-02 still does not, and that is known.
            assert found == {1: ("unacknowledged", True), 3: ("acknowledged", True), 4: ("shelved", False)}

    run_virtual(restarted())
    second = on_record(tmp_path)[1]
    assert second.alarm.is_over
    assert second.changes[-1].reason == "it was not found any more after a restart"
    assert second.alarm.raised_utc >= BEGAN_UTC
