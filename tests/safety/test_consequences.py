"""What follows a trip, by the table of the practice: who goes off, holds, is not charged, is watched, is locked."""

from itertools import product

import pytest

from cycler.model.alarm import AlarmCode
from cycler.model.interlock import KINDS
from cycler.model.rack import (
    Bay,
    BayId,
    ChannelRef,
    CommonCause,
    Interlock,
    InterlockAction,
    Position,
    PositionId,
    Rack,
)
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.common_cause import TripCount
from cycler.safety.consequences import Consequences, after_interlock, after_trip

A1, A2, N1, F1 = (PositionId(name) for name in ("B01/A1", "B01/A2", "B02/A1", "B03/A1"))


def bay(name: str, *places: str, zone: str | None, chamber: str | None) -> Bay:
    positions = {
        PositionId(f"{name}/{place}"): Position(
            position=PositionId(f"{name}/{place}"), channels=(ChannelRef(device=f"cyc-{name}", channel=place),)
        )
        for place in places
    }
    return Bay(bay=BayId(name), positions=positions, zone=zone, chamber=chamber)


RACK = Rack(
    rack="R1",
    purpose="production",
    bays={
        BayId("B01"): bay("B01", "A1", "A2", zone="Z1", chamber="ch-01"),
        BayId("B02"): bay("B02", "A1", zone="Z1", chamber=None),
        BayId("B03"): bay("B03", "A1", zone="Z2", chamber="ch-01"),
    },
)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 13, 19, 20, 23, 26, 32])
def test_most_trips_open_their_cell_and_the_tray_goes_on(code: int) -> None:
    follows = after_trip(AlarmCode(code), A1, RACK)
    assert follows.off == (A1,)
    assert not follows.beyond_the_cell


@pytest.mark.parametrize("code", [9, 11, 27, 70])
def test_heat_ends_all_charging_of_the_bay_and_the_heating_and_holds_its_neighbours(code: int) -> None:
    follows = after_trip(AlarmCode(code), A1, RACK)
    assert A1 in follows.off
    assert set(follows.off) | set(follows.no_charge) == {A1, A2}
    assert follows.hold == (N1,)
    assert follows.heaters == ("ch-01",)
    assert follows.watched == ("B01",)


def test_an_over_voltage_latches_its_position_and_a_temperature_none() -> None:
    assert after_trip(AlarmCode.OVER_VOLTAGE, A1, RACK).latched == (A1,)
    assert after_trip(AlarmCode.OVER_TEMPERATURE, A1, RACK).latched == ()


@pytest.mark.parametrize("code", [25, 45, 82])
def test_what_the_device_does_not_open_the_contactor_of_the_bay_does(code: int) -> None:
    follows = after_trip(AlarmCode(code), A1, RACK)
    assert follows.off == (A1, A2)
    assert follows.contactors == ("B01",)
    assert follows.latched == (A1, A2)


@pytest.mark.parametrize("code", [39, 40, 41, 42, 43, 46, 49, 52])
def test_what_a_device_says_of_itself_strikes_all_its_cells(code: int) -> None:
    assert after_trip(AlarmCode(code), A1, RACK).off == (A1, A2)


def test_cells_of_a_failed_chamber_hold_and_cells_with_one_cause_do() -> None:
    assert after_trip(AlarmCode.CHAMBER_FAULT, A1, RACK) == Consequences(hold=(A1, A2, F1))
    assert after_trip(AlarmCode.COMMON_CAUSE_HOLD, A1, RACK) == Consequences(hold=(A1, A2))


def interlock(kind: str, action: InterlockAction, *positions: PositionId) -> Interlock:
    where = ChannelRef(device="io-01", channel="DI0")
    return Interlock(
        interlock=kind, input=where, active="low", positions=positions, action=action, alarm=KINDS.get(kind)
    )


@pytest.mark.parametrize("kind", ["smoke", "gas", "aspirating", "heat", "suppression"])
def test_a_fire_reaches_the_whole_zone_and_latches_it(kind: str) -> None:
    follows = after_interlock(interlock(kind, "off-latched", A1, A2), RACK)
    assert follows.off == follows.latched == (A1, A2, N1)
    assert follows.watched == ("B01", "B02")
    assert follows.heaters == ("ch-01",)


@pytest.mark.parametrize("kind", ["estop", "building-fire"])
def test_an_emergency_stop_reaches_the_rack_and_latches_it(kind: str) -> None:
    follows = after_interlock(interlock(kind, "off-latched", A1), RACK)
    assert follows.off == follows.latched == (A1, A2, N1, F1)
    assert follows.watched == ("B01", "B02", "B03")


def test_a_door_reaches_what_the_rack_file_says() -> None:
    assert after_interlock(interlock("door", "off", A1), RACK) == Consequences(off=(A1,))
    assert after_interlock(interlock("lid", "off-latched", A1), RACK) == Consequences(off=(A1,), latched=(A1,))
    assert after_interlock(interlock("door", "hold", A1), RACK) == Consequences(hold=(A1,))


@pytest.mark.parametrize(("kind", "action"), list(product(KINDS, ["no-start", "warn"])))
def test_what_only_warns_or_refuses_strikes_nobody(kind: str, action: InterlockAction) -> None:
    assert after_interlock(interlock(kind, action, A1), RACK) == Consequences()


@pytest.mark.parametrize("code", list(AlarmCode))
def test_no_position_is_struck_twice_and_no_scope_is_forgotten(code: AlarmCode) -> None:
    follows = after_trip(code, A1, RACK)
    struck = [*follows.off, *follows.hold, *follows.no_charge]
    assert len(struck) == len(set(struck))
    opens = CATALOGUE[code].action in ("off", "off-latched", "withhold-charge", "hold")
    assert (A1 in struck) is opens


@pytest.mark.parametrize(
    ("times_s", "together"),
    [([0.0, 10.0, 20.0], [20.0]), ([0.0, 30.0, 61.0], []), ([0.0, 5.0, 9.0, 10.0, 11.0, 12.0], [9.0, 12.0])],
)
def test_three_trips_of_one_kind_within_a_minute_are_one_cause(times_s: list[float], together: list[float]) -> None:
    count = TripCount(CommonCause())
    code = AlarmCode.OVER_VOLTAGE
    assert [at_s for at_s in times_s if count.take(at_s, BayId("B01"), code)] == together


def test_trips_of_other_kinds_and_other_bays_do_not_add_up() -> None:
    count = TripCount(CommonCause(trips=2))
    assert not count.take(0.0, BayId("B01"), AlarmCode.OVER_VOLTAGE)
    assert not count.take(1.0, BayId("B01"), AlarmCode.UNDER_VOLTAGE)
    assert not count.take(2.0, BayId("B02"), AlarmCode.OVER_VOLTAGE)
