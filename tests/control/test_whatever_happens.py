"""Whatever happens to a rack, and whenever: at the end every output is open, and every cell knows why it stopped."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cycler.service.wiring import Wire
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, minutes, rest, taper, voltage

STEPS = (
    charge(c_rate=0.9, cv_v=4.1, until=(taper(0.6), amp_hours(6), minutes(2))),
    rest(minutes=0.5),
    discharge(c_rate=1.0, until=(voltage(2.8), amp_hours(6), minutes(1))),
)
LASTS_S = 215.0
ENDS_S = LASTS_S + 90.0  # where nothing opens an output, a run waits for it as long as a minute
REASONS = {
    "stale",
    "interlock",
    "device-fault",
    "trip",
    "voltage",
    "current",
    "capacity",
    "time",
    "completed",
    "lost-contact",
}

moments = st.floats(0.0, LASTS_S, allow_nan=False)
lengths = st.none() | st.sampled_from([0.05, 0.5, 1.5, 2.5, 4.0, 10.0])


@st.composite
def troubled_racks(draw: st.DrawFn) -> SimRack:
    """Two cells in a bay and one in another, and up to three troubles."""
    driver = draw(st.sampled_from(["ea_psb", "sim_cycler"]))
    rack = SimRack(driver=driver, seed=draw(st.integers(1, 1000)))
    names = ("psb-01", "psb-02", "psb-03") if driver == "ea_psb" else ("cyc-01", "cyc-02")
    for cell, bay, device in (("c1", "B01", names[0]), ("c2", "B01", names[1]), ("c3", "B02", names[-1])):
        rack.load(cell, bay=bay, device=device, state="formed@70%")
    troubles = ["unplug", "sensor", "contactor", *(["cut", "muffle"] if driver == "ea_psb" else ["ignore"])]
    for trouble in draw(st.lists(st.sampled_from(troubles), min_size=1, max_size=3)):
        after_s = draw(moments)
        match trouble:
            case "unplug":
                rack.unplug(draw(st.sampled_from([*names, "tc-01", "io-01"])), after_s=after_s, for_s=draw(lengths))
            case "cut":
                rack.cut(draw(st.sampled_from(names)), after_s=after_s)
            case "muffle":
                rack.muffle(draw(st.sampled_from(names)), after_s=after_s)
            case "ignore":
                rack.ignore_offs(draw(st.sampled_from(names)), after_s=after_s, for_s=draw(lengths))
            case "sensor":
                rack.break_sensor(draw(st.sampled_from(["c1", "c2", "c3"])), after_s=after_s)
            case "contactor":
                rack.open_contactor(draw(st.sampled_from(["B01", "B02"])), after_s=after_s)
    return rack


@settings(max_examples=40)
@given(troubled_racks())
def test_every_output_ends_open_and_every_cell_knows_why_it_stopped(rack: SimRack) -> None:
    run = rack.interrupt(after_s=ENDS_S).run(*STEPS)
    assert rack.world.loop.time() < ENDS_S
    for cell in ("c1", "c2", "c3"):
        assert rack.output_is_open(cell)
        assert run[cell].outcome is not None
        for step in run[cell].steps:
            assert step.stop_reason in REASONS
        if run[cell].outcome.ended == "completed":
            assert len(run[cell].steps) == 3


@settings(max_examples=10)
@given(st.sampled_from(["psb-01", "psb-02"]), moments)
def test_whenever_a_supply_is_unplugged_its_output_is_open_within_six_seconds(device: str, lost_s: float) -> None:
    energised: list[float] = []
    rack = SimRack(driver="ea_psb").load("c1", state="formed@70%").load("c2", bay="B02", state="formed@70%")
    cell = {"psb-01": "c1", "psb-02": "c2"}[device]
    rack.unplug(device, after_s=lost_s)
    for tenths in range(60, 200, 7):
        rack.after(lost_s + tenths / 10, lambda: energised.extend([] if rack.output_is_open(cell) else [1.0]))
    run = rack.run(*STEPS)
    assert not energised
    assert run[cell].outcome is not None
    other = run["c1" if cell == "c2" else "c2"]
    assert other.outcome is not None
    assert other.outcome.ended == "completed"
    assert {step.stop_reason for step in run[cell].steps} <= {"stale", "current", "time", "completed"}


@settings(max_examples=8)
@given(st.sampled_from(["memory", "loopback"]), st.floats(0.0, 40.0))
@example("loopback", 1.5)  # together with a reply: once lost in the wire
def test_whenever_somebody_presses_ctrl_c_every_output_is_open_and_the_journal_can_be_read(
    wire: Wire, pressed_s: float
) -> None:
    rack = SimRack(driver="ea_psb", wire=wire).load("c1").load("c2", bay="B02").interrupt(after_s=pressed_s)
    short = charge(c_rate=0.9, until=(voltage(4.1), amp_hours(6), minutes(0.2)))
    run = rack.run(short, rest(minutes=0.1), short)
    assert rack.output_is_open("c1") and rack.output_is_open("c2")
    assert rack.world.loop.time() < pressed_s + 5.0
    assert len(run.cells) in {0, 2}
