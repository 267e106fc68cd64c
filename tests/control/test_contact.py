"""The contact check of a whole bay: every defect gets its own code, and no good cell is stopped."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cycler.contract.order import Order, Phase
from cycler.control.presses import PRESS_MOVES_S
from cycler.model.results import NAS_PER_AH
from cycler.model.world import SimulatedCell
from cycler.recipe.lookup import find_cell_type
from sims.devices.cycler_hardware import CyclerHardware
from sims.devices.digital_io import IoHardware
from sims.testing.layout import CONTACTORS, PRESS
from sims.testing.rack_run import RackRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, contact, minutes, rest, voltage

NOWHERE = Path("/nonexistent")  # so cell types come from the library
NMC = find_cell_type("nmc811-21700", beside=NOWHERE)
LFP = find_cell_type("lfp-26650", beside=NOWHERE)

FIRST_CHARGE = charge(c_rate=0.02, until=(voltage(3.6), amp_hours(0.1), minutes(70)))
SHORT_CHARGE = charge(c_rate=0.2, until=(voltage(4.1), amp_hours(6), minutes(5)))


def bay(*cells: str, state: str = "filled", press: bool = False) -> SimRack:
    rack = SimRack(options={"counter": "true"}, press=press)
    for cell in cells:
        rack.load(cell, state=state)
    return rack


def codes(run: RackRun) -> dict[str, str | None]:
    found = {name: cell.outcome.code for name, cell in run.cells.items() if cell.outcome is not None}
    assert all(run[name].outcome.ended == "completed" for name, code in found.items() if code is None)  # type: ignore[union-attr]
    return {name: code for name, code in found.items() if code is not None}


def test_each_defect_of_a_tray_of_filled_cells_gets_its_own_code() -> None:
    poor = ["reversed", "missing", "no-sense", "drift", "short", "no-power", "crossed"]
    rack = bay(*(cell for name in poor for cell in (f"before {name}", name)), "partner", "formed", "g8", "g9")
    rack.spoil("reversed", "reversed").spoil("missing", "missing").spoil("no-sense", "open-sense")
    rack.spoil("drift", "drifting-sense").spoil("short", "hard-short", resistance_ohm=5.0)
    rack.spoil("no-power", "open-contact")
    rack.spoil("crossed", "crossed-sense")  # with the next one
    rack.spoil("formed", "wrong-chemistry", instead=SimulatedCell(cell_type=NMC, state="formed@40%"))
    run = rack.run(rest(minutes=10), contact(), FIRST_CHARGE)
    assert codes(run) == {
        "reversed": "REVERSED",
        "missing": "ABSENT",
        "no-sense": "SENSE_OPEN",
        "drift": "SENSE_OPEN",
        "short": "SHORT",
        "no-power": "BAD_CONTACT",
        "crossed": "CROSSED_SENSE",
        "partner": "CROSSED_SENSE",
        "formed": "STATE_CONTRADICTED",
    }


def test_a_cell_that_is_refused_before_any_current_has_had_none_and_counts_as_not_started() -> None:
    rack = bay("good", "reversed", "other", "drift").spoil("reversed", "reversed").spoil("drift", "drifting-sense")
    run = rack.run(contact(), FIRST_CHARGE)
    for cell in ("reversed", "drift"):
        outcome = run[cell].outcome
        assert outcome is not None and (outcome.ended, outcome.state) == ("not-started", "filled")
        assert rack.truth(cell).charged_ah == 0.0
    assert codes(run) == {"reversed": "REVERSED", "drift": "SENSE_OPEN"}


def test_neighbours_are_never_charged_at_the_same_time_in_the_check() -> None:
    rack = bay("a", "b", "c", "d")
    charging: list[list[bool]] = []
    for tenths in range(10, 900, 5):
        rack.after(tenths / 10, lambda: charging.append([rack.truth(cell).current_a > 0.05 for cell in "abcd"]))
    run = rack.run(contact(), rest(minutes=1))
    assert codes(run) == {}
    assert {tuple(each) for each in charging} == {(False,) * 4, (True, False) * 2, (False, True) * 2}
    for cell in "abcd":
        (check, _) = run[cell].steps
        assert 0.0 < check.moved.charged_nas / NAS_PER_AH < 0.0002 * 5.0


def test_formed_cells_are_checked_too() -> None:
    rack = bay("a", "missing", "b", "no-power", "c", "lfp", "d", state="formed@30%")
    rack.spoil("missing", "missing").spoil("no-power", "open-contact")
    rack.spoil("lfp", "wrong-chemistry", instead=SimulatedCell(cell_type=LFP, state="formed@0%"))
    run = rack.run(contact(), SHORT_CHARGE)
    assert codes(run) == {
        "missing": "ABSENT",
        "no-power": "BAD_CONTACT",
        "lfp": "STATE_CONTRADICTED",
    }


def test_a_tray_of_another_state_is_refused_as_a_whole_before_current() -> None:
    rack = bay("a", "b", "c")
    for cell in "bc":
        rack.spoil(cell, "wrong-chemistry", instead=SimulatedCell(cell_type=NMC, state="formed@40%"))
    assert codes(rack.run(contact(), FIRST_CHARGE)) == dict.fromkeys("abc", "WRONG_TRAY")
    assert [rack.truth(cell).charged_ah for cell in "abc"] == [0.0] * 3


def test_a_cell_where_none_should_be_is_reported_and_never_energised() -> None:
    rack = bay("a", "b").leave_empty("gap").leave_empty("hole").spoil("gap", "unexpected")
    run = rack.run(contact(), FIRST_CHARGE)
    (found,) = run.happened("cell.unexpected")
    assert (found.position, found.code) == ("B01/A3", "UNEXPECTED_CELL")
    assert codes(run) == {}
    assert rack.truth("gap").charged_ah == 0.0


@pytest.mark.parametrize("lost_s", [1.0, 20.0, 80.0])
def test_a_device_that_is_lost_in_any_stage_does_not_keep_the_others(lost_s: float) -> None:
    """Its relays are open at these times: in the passive stage, while the others are charged, after its own charge."""
    rack = SimRack().load("a", device="one").load("b", device="two").load("c", device="one").load("d", device="two")
    run = rack.unplug("two", after_s=lost_s).run(contact(), rest(minutes=1))
    assert codes(run) == {"b": "TRIP_49", "d": "TRIP_49"}


# At the first real current.


@pytest.mark.parametrize(("ohm", "code"), [(0.001, None), (0.02, "BAD_CONTACT")])
def test_contacts_are_judged_at_the_first_real_current(ohm: float, code: str | None) -> None:
    rack = bay("cell", "other", state="formed@30%").spoil("cell", "bad-contact", resistance_ohm=ohm)
    run = rack.run(contact(), SHORT_CHARGE)
    assert codes(run) == ({} if code is None else {"cell": code})
    contact_ohm = run["cell"].steps[-1].contact_ohm
    assert contact_ohm is not None and ohm < contact_ohm < ohm + 0.004
    assert run["cell"].steps[0].contact_ohm is None  # C/50 tells nothing
    assert run["other"].steps[-1].stop_reason == "time"
    if code is not None:
        assert run["cell"].steps[-1].duration_s < 5.0


# Pressing again.


def pressed(run: RackRun) -> list[tuple[str | None, str | None, object]]:
    return [(event.position, event.code, event.data["try"]) for event in run.happened("contact.pressed")]


def test_what_a_new_press_mends_is_checked_again_and_goes_on_with_the_others() -> None:
    rack = bay("good", "poor", "fine", press=True).spoil("poor", "open-contact", for_s=60.0)
    run = rack.run(contact(), FIRST_CHARGE)
    assert codes(run) == {}
    assert pressed(run) == [("B01/A2", "BAD_CONTACT", 1)]
    assert [step.stop_reason for step in run["poor"].steps] == ["lost-contact", "completed", "capacity"]
    assert [step.stop_reason for step in run["good"].steps] == ["completed", "capacity"]
    assert run["good"].steps[-1].started_s == pytest.approx(run["poor"].steps[-1].started_s, abs=2.0)


def test_before_any_current_only_the_bad_ones_are_looked_at_again() -> None:
    rack = bay("good", "poor", press=True).spoil("poor", "drifting-sense", for_s=4.0)
    run = rack.run(contact(), FIRST_CHARGE)
    assert codes(run) == {}
    assert pressed(run) == [("B01/A2", "SENSE_OPEN", 1)]
    assert run["good"].steps[0].step_type == "contact"
    assert [step.step_type for step in run["poor"].steps] == ["contact", "contact", "charge"]


def test_what_two_presses_do_not_mend_stays_behind() -> None:
    rack = bay("good", "missing", "reversed", press=True).spoil("missing", "missing").spoil("reversed", "reversed")
    run = rack.run(contact(), FIRST_CHARGE)
    assert codes(run) == {"missing": "ABSENT", "reversed": "REVERSED"}
    assert pressed(run) == [("B01/A2", "ABSENT", 1), ("B01/A2", "ABSENT", 2)]
    assert [step.step_type for step in run["missing"].steps] == ["contact"] * 3


def test_who_has_passed_goes_on_when_those_that_were_pressed_again_are_refused_before_any_current() -> None:
    rack = bay("good", "poor", press=True).spoil("poor", "open-contact").spoil("poor", "drifting-sense", from_s=86.0)
    run = rack.run(contact(), FIRST_CHARGE)
    assert codes(run) == {"poor": "SENSE_OPEN"}
    assert [code for _, code, _ in pressed(run)] == ["BAD_CONTACT", "SENSE_OPEN"]


def test_the_press_is_closed_at_the_start_and_opened_only_without_current() -> None:
    rack = bay("good", "missing", press=True).spoil("missing", "missing")
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        closed = rack.instrument(CONTACTORS, IoHardware).lines()[1][PRESS]
        seen.append((closed, any(rack.truth(cell).current_a for cell in ("good", "missing"))))

    for tenths in range(5, 3000, 5):
        rack.after(tenths / 10, look)
    rack.run(contact(), rest(minutes=3))
    assert (False, True) not in seen
    opened = [index for index, (closed, _) in enumerate(seen) if not closed and index and seen[index - 1][0]]
    assert seen[3][0] and len(opened) == 2


def test_nothing_is_pressed_while_a_device_of_the_bay_does_not_tell_its_current() -> None:
    def missing_one() -> SimRack:
        rack = SimRack(press=True).load("missing", device="cyc-01").load("other", device="cyc-02")
        return rack.spoil("missing", "missing")

    (told, *_) = missing_one().run(contact(), rest(minutes=1)).happened("contact.pressed")
    pressed_s = (told.utc - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    run = missing_one().unplug("cyc-02", after_s=pressed_s - 5.0).run(contact(), rest(minutes=1))
    assert codes(run) == {"missing": "ABSENT", "other": "TRIP_49"}
    assert pressed(run) == []


def test_nothing_is_pressed_while_an_output_of_the_bay_is_on() -> None:
    def missing_one() -> SimRack:
        return bay("good", "missing", press=True).spoil("missing", "missing").leave_empty("gap")

    pressed_utc = missing_one().run(contact(), rest(minutes=1)).happened("contact.pressed")[0].utc
    pressed_s = (pressed_utc - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    rack = missing_one()
    order = Order(order_id=1, phases=(Phase(direction="charge", voltage_v=4.0, current_a=0.1),))

    def switch_on() -> None:
        hardware = rack.instrument("cyc-01", CyclerHardware)
        hardware.load(2, order)
        hardware.start(2)

    for before_s in (0.3, 0.2, 0.1, 0.05, 0.0):  # on for longer, and the contactor would be opened
        rack.after(pressed_s - before_s - 1e-3, switch_on)
    run = rack.run(contact(), rest(minutes=1))
    assert codes(run) == {"missing": "ABSENT"}
    assert pressed(run) == []


def test_the_contactor_closes_only_once_the_press_has_moved() -> None:
    moved: list[tuple[str, float]] = []
    rack = bay("good", press=True)

    def watch() -> None:
        hardware = rack.instrument(CONTACTORS, IoHardware)
        set_outputs = hardware.set_outputs

        def setting(outputs: Mapping[str, bool]) -> dict[str, bool]:
            moved.extend((line, rack.world.loop.time()) for line, closed in outputs.items() if closed)
            return set_outputs(outputs)

        hardware.set_outputs = setting  # type: ignore[method-assign]

    rack.after(0.0, watch).run(rest(minutes=1))
    (press, pressed_s), (_, closed_s) = moved
    assert press == PRESS
    assert closed_s - pressed_s >= PRESS_MOVES_S


def test_a_press_that_opens_by_itself_stops_the_bay() -> None:
    rack = bay("good", "other", press=True)
    rack.after(90.0, lambda: rack.instrument(CONTACTORS, IoHardware).set_outputs({PRESS: False}))
    run = rack.run(contact(), FIRST_CHARGE)
    assert len(run.happened("press.moved")) == 1
    assert all(cell.steps[-1].stop_reason == "interlock" for cell in run.cells.values())


def test_a_press_that_does_not_close_again_stops_the_bay() -> None:
    rack = bay("good", "missing", press=True).spoil("missing", "missing").unplug(CONTACTORS, after_s=80.0)
    run = rack.run(contact(), rest(minutes=3))
    assert all(cell.outcome is not None and cell.outcome.ended == "stopped" for cell in run.cells.values())


# Behind a wire, one phase an order.


def test_that_no_current_flows_is_an_answer_too() -> None:
    """The device says `starting` for as long as nothing flows."""
    rack = SimRack(driver="ea_psb").load("good").load("no-power").load("missing").load("other")
    rack.spoil("no-power", "open-contact").spoil("missing", "missing")
    run = rack.run(contact(), SHORT_CHARGE)
    assert codes(run) == {"no-power": "BAD_CONTACT", "missing": "ABSENT"}
    assert run["no-power"].steps[-1].duration_s < 200.0


def test_filled_cells_are_refused_where_a_negative_voltage_cannot_be_seen() -> None:
    run = SimRack(driver="ea_psb").load("c1", state="filled").run(contact(), FIRST_CHARGE)
    assert run["c1"].outcome is not None
    assert run["c1"].outcome.ended == "not-started"
    assert "cannot read a negative voltage" in run["c1"].outcome.detail
