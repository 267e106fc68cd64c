"""Digital outputs that steps set: only while nothing else can flow, and safe again whatever becomes of the step."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_bench import charge as charge_step
from machine_bench import compare, machine_for, plan, started, step, until

from cycler.recipe.plan import OutputRule, PlanPhase
from cycler.recipe.problems import InvalidFile
from sims.devices.digital_io import IoHardware
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, rest, voltage

SHORT = "rest: {id: short, time: 5 min, outputs: {short-switch: on}}"
UP = charge(c_rate=0.2, until=(voltage(4.1), amp_hours(5), minutes(5)))
SWITCH, CONTACTOR = "DO2", "DO0"


class Watched:
    """A bay with a switch across its cells, and who saw what of it."""

    def __init__(self, rack: SimRack) -> None:
        self.rack = rack.switch("short-switch", SWITCH, needs_open=True)
        self.seen: dict[float, tuple[bool, bool]] = {}  # switch and contactor, by time

    def look(self, *times_s: float) -> "Watched":
        for at_s in times_s:
            self.rack.after(at_s, self._look_at(at_s))
        return self

    def at(self, at_s: float) -> tuple[bool, bool]:
        return self.seen[at_s]

    @property
    def lines(self) -> dict[str, bool]:
        return self.rack.instrument("io-01", IoHardware).lines()[1]

    def _look_at(self, at_s: float) -> Callable[[], None]:
        def look() -> None:
            self.seen[at_s] = self.lines[SWITCH], self.lines[CONTACTOR]

        return look


def one_cell() -> Watched:
    return Watched(SimRack(ideal=True).load("a"))


def test_the_switch_is_on_in_its_step_only_and_the_contactor_open_then() -> None:
    bay = one_cell().look(150.0, 400.0, 650.0)
    run = bay.rack.run(UP, SHORT, UP)
    assert bay.at(150.0) == (False, True)
    assert bay.at(400.0) == (True, False)
    assert bay.at(650.0) == (False, True)
    assert [step.step_type for step in run["a"].steps] == ["charge", "rest", "charge"]
    assert run["a"].steps[1].duration_s == pytest.approx(300.0, abs=10.0)
    assert run["a"].steps[2].moved.charged_nas == pytest.approx(run["a"].steps[0].moved.charged_nas, rel=0.02)
    assert [event.event for event in run.events if event.event.startswith("outputs.")] == [
        "outputs.set",
        "outputs.safe",
    ]


def test_an_output_that_harms_nobody_leaves_the_contactor_closed() -> None:
    rack = SimRack(ideal=True).load("a").switch("fan", SWITCH)
    seen = []
    rack.after(60.0, lambda: seen.append(rack.instrument("io-01", IoHardware).lines()[1]))
    rack.run("rest: {time: 2 min, outputs: {fan: on}}", rest(minutes=1))
    assert seen[0][SWITCH]
    assert seen[0][CONTACTOR]
    assert not rack.instrument("io-01", IoHardware).lines()[1][SWITCH]


def test_no_cell_is_shorted_while_another_one_still_charges() -> None:
    bay = Watched(SimRack(ideal=True).load("soon", state="formed@70%").load("late", state="formed@55%"))
    run = bay.rack.run(charge(c_rate=0.5, until=(voltage(4.0), amp_hours(5), minutes(50))), SHORT)
    ended_s = [run[cell].steps[0].started_s + run[cell].steps[0].duration_s for cell in ("soon", "late")]
    assert ended_s[1] > ended_s[0] + 30.0
    set_s = [event.elapsed_s for event in run.happened("outputs.set")]
    assert len(set_s) == 2
    assert min(set_s) >= ended_s[1] - 1.0


def test_who_waits_for_a_cell_that_never_comes_needs_a_person() -> None:
    bay = Watched(SimRack(ideal=True).load("soon", state="formed@99%").load("late", state="formed@10%"))
    run = bay.rack.run(charge(c_rate=0.2, until=(voltage(4.15), amp_hours(5), minutes(300))), SHORT)
    assert run["soon"].stop_reason == "hold"
    assert run["late"].outcome is not None
    assert run["late"].outcome.ended == "completed"


@pytest.mark.parametrize(
    "end",
    [
        "rest: {time: 10 min, outputs: {short-switch: on}, until: [time > 5 min]}",
        "rest: {time: 10 min, outputs: {short-switch: on}, fail: [time > 5 min]}",
        "rest: {time: 10 min, outputs: {short-switch: on}, fail: [time > 5 min -> hold]}",
    ],
    ids=["until", "fail", "hold"],
)
def test_however_its_step_ends_the_switch_is_safe_again(end: str) -> None:
    bay = one_cell().look(200.0, 310.0)
    bay.rack.run(end, rest(minutes=2))
    assert bay.at(200.0) == (True, False)
    assert not bay.lines[SWITCH]
    assert not bay.lines[CONTACTOR]


def test_a_trip_opens_the_switch() -> None:
    bay = one_cell().look(110.0, 150.0)
    bay.rack.load("other", bay="B02", device="cyc-02").assign("B02", rest(minutes=10))
    bay.rack.break_sensor("a", after_s=120.0).run(SHORT, UP)
    assert bay.at(110.0) == (True, False)
    assert bay.at(150.0) == (False, False)


def test_a_lost_cycler_opens_the_switch() -> None:
    bay = one_cell().look(110.0, 150.0)
    bay.rack.load("other", bay="B02", device="cyc-02").assign("B02", rest(minutes=10))
    bay.rack.unplug("cyc-01", after_s=120.0).run(SHORT, UP)
    assert bay.at(110.0) == (True, False)
    assert bay.at(150.0) == (False, False)


def test_what_closes_the_switch_ends_the_step_when_it_falls_silent() -> None:
    bay = one_cell().look(110.0)
    run = bay.rack.unplug("io-01", after_s=120.0).run(SHORT, UP)
    assert bay.at(110.0) == (True, False)
    assert [step.step_type for step in run["a"].steps] == ["rest"]
    assert run["a"].stop_reason == "interlock"
    assert "not confirmed safe" in run.happened("outputs.failed")[0].text


def test_ctrl_c_opens_the_switch() -> None:
    bay = one_cell().look(110.0)
    bay.rack.interrupt(after_s=120.0).run(SHORT)
    assert bay.at(110.0) == (True, False)
    assert not bay.lines[SWITCH]


def test_a_switch_that_does_not_open_keeps_the_current_away_and_stops_the_cell() -> None:
    bay = one_cell()
    bay.rack.ignore_offs("io-01", after_s=120.0, for_s=400.0)
    run = bay.rack.run(SHORT, UP)
    assert [step.step_type for step in run["a"].steps] == ["rest"]
    assert run["a"].outcome is not None
    assert run["a"].outcome.ended == "stopped"
    (told,) = run.happened("outputs.failed")
    assert "not confirmed safe" in told.text


def test_a_switch_that_closes_by_itself_stops_the_bay() -> None:
    bay = one_cell()
    bay.rack.after(60.0, lambda: bay.rack.instrument("io-01", IoHardware).set_outputs({SWITCH: True}))
    run = bay.rack.run(UP)
    assert run["a"].stop_reason == "interlock"
    assert "short-switch of bay B01 closed by itself" in run.happened("output.moved")[0].text


def test_each_turn_of_a_loop_sets_and_returns_its_outputs() -> None:
    bay = one_cell()
    run = bay.rack.run(f"loop: {{times: 3, steps: [{{{SHORT}}}]}}", UP)
    assert len(run.happened("outputs.set")) == 3
    assert run["a"].outcome is not None
    assert run["a"].outcome.ended == "completed"


def test_a_bay_without_such_an_output_is_refused_before_anything_begins() -> None:
    with pytest.raises(InvalidFile, match=r"step short sets the output short-switch, and bay B01 has none"):
        SimRack(ideal=True).load("a").run(SHORT)


SWITCHED = step(
    "rest",
    PlanPhase(direction="rest", held=True),
    PlanPhase(direction="rest", duration_s=8.0),
    outputs=OutputRule(states={"short-switch": True}),
)


@given(cut=st.integers(min_value=0, max_value=30))
def test_a_step_with_outputs_survives_a_restart_at_any_reading(cut: int) -> None:
    def ended(cut: int | None) -> list[object]:
        the_plan = plan(SWITCHED, charge_step(1.0, until(compare("time", ">=", 5.0))))
        bench = started(the_plan)
        for tick in range(40):
            if tick == cut:
                again = machine_for(the_plan)
                again.restore(bench.machine.save())
                bench.machine = again
            bench.tick()
            if tick == 6:
                bench.take(bench.machine.release("completed", "outputs set"))
        return list(bench.results)

    assert len(ended(None)) == 2
    assert ended(cut) == ended(None)
