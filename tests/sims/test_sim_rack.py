"""The rack that tests are written with: what is said of it is what stands in it, and what it answers is true."""

from pathlib import Path

import pytest

from cycler.service.story import stories
from sims.devices.cycler_hardware import CyclerHardware
from sims.devices.digital_io import IoHardware
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, hours, minutes, pulse, recipe_text, rest, taper, voltage

TWO_MINUTES = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(2)))


def test_the_example_of_its_own_description_holds() -> None:
    rack = SimRack(driver="ea_psb").load("c1", state="formed@60%").load("c2", bay="B02", state="formed@60%")
    rack.unplug("psb-02", after_s=200)
    run = rack.run(charge(c_rate=0.9, cv_v=4.1, until=(taper(0.5), amp_hours(6), hours(14))))
    assert run["c1"].stop_reason == "current"
    assert run["c2"].stop_reason == "stale"
    assert rack.output_is_open("c2")


def test_cells_stand_where_they_were_loaded() -> None:
    rack = SimRack().load("c1").load("c2", device="cyc-02").load("c3", bay="B02", state="formed@70%")
    run = rack.run(TWO_MINUTES)
    positions = {cell: run[cell].outcome.position for cell in ("c1", "c2", "c3") if run[cell].outcome is not None}
    assert positions == {"c1": "B01/A1", "c2": "B01/A2", "c3": "B02/A3"}
    assert set(rack.world.instruments) == {"cyc-01", "cyc-02", "tc-01", "io-01"}
    assert rack.truth("c3").soc > rack.truth("c1").soc + 0.3
    assert len(run.event_hashes) == 2


def test_a_cell_has_the_capacity_that_it_was_given() -> None:
    rack = SimRack(ideal=True).load("small", capacity_ah=2.5).load("large", capacity_ah=5.0)
    rack.run(TWO_MINUTES)
    gains = [rack.truth(cell).soc - 0.3 for cell in ("small", "large")]
    assert gains[0] == pytest.approx(2 * gains[1], rel=1e-3)


def test_the_truth_is_asked_during_the_run_and_after_it() -> None:
    seen: list[tuple[float, bool]] = []
    rack = SimRack(ideal=True).load("c1")
    rack.after(60.0, lambda: seen.append((rack.truth("c1").current_a, rack.output_is_open("c1"))))
    rack.run(TWO_MINUTES)
    assert seen == [(pytest.approx(2.5), False)]
    assert rack.output_is_open("c1")
    assert rack.truth("c1").charged_ah == pytest.approx(2.5 * 120 / 3600, rel=0.02)


def test_a_wire_on_loopback_carries_the_same_run() -> None:
    for wire in ("memory", "loopback"):
        run = SimRack(driver="ea_psb", wire=wire).load("c1").run(TWO_MINUTES)  # type: ignore[arg-type]
        assert run["c1"].stop_reason == "time"
        assert run["c1"].last_sample.voltage_v > 3.0


def test_on_loopback_no_cable_can_be_pulled() -> None:
    problems: list[str] = []
    rack = SimRack(driver="ea_psb", wire="loopback").load("c1")

    def pull() -> None:
        with pytest.raises(ValueError, match="in memory only") as raised:
            rack._cables.unplug("psb-01")
        problems.append(str(raised.value))

    rack.after(30.0, pull).run(TWO_MINUTES)
    assert problems


def test_an_instrument_is_asked_for_by_its_kind() -> None:
    rack = SimRack().load("c1")
    rack.run(TWO_MINUTES)
    assert isinstance(rack.instrument("io-01", IoHardware), IoHardware)
    with pytest.raises(TypeError, match="cyc-01"):
        rack.instrument("cyc-01", IoHardware)
    assert rack.instrument("cyc-01", CyclerHardware).energised() == [False]


def test_a_rack_that_has_not_run_says_so() -> None:
    with pytest.raises(RuntimeError, match="has not run"):
        SimRack().load("c1").truth("c1")


def test_a_store_of_the_tests_own_keeps_the_journal(tmp_path: Path) -> None:
    run = SimRack(store=tmp_path).load("c1").run(TWO_MINUTES)
    (story,) = stories(tmp_path)
    assert story.steps["B01/A1"] == run["c1"].steps  # type: ignore[index]
    assert (story.event_hash,) == run.event_hashes


def test_a_store_without_a_journal_tells_nothing(tmp_path: Path) -> None:
    assert stories(tmp_path) == ()


def test_an_interrupted_run_tells_what_is_known_of_it(tmp_path: Path) -> None:
    rack = SimRack(store=tmp_path).load("c1").interrupt(after_s=70.0)
    run = rack.run(TWO_MINUTES, rest(minutes=5))
    assert run["c1"].outcome is None
    assert run["c1"].last_sample.elapsed_s == pytest.approx(70.0, abs=11.0)
    assert rack.output_is_open("c1")


def test_steps_read_as_a_recipe_does() -> None:
    text = recipe_text(
        [
            charge(c_rate=0.1, cv_v=4.2, until=(taper(0.02), amp_hours(6), hours(14)), tag="full"),
            discharge(c_rate=0.2, until=(voltage(2.8), amp_hours(6), hours(8))),
            rest(minutes=30),
            pulse(c_rate=1.0, seconds=10, values_s=(0.1, 10)),
        ],
        cell_type="nmc811-21700",
    )
    assert text.splitlines()[6:] == [
        "  - charge: {current: 0.100000C, voltage: 4.200000 V, until: [current <= 0.020000C, capacity >= 6.000000 Ah, "
        "time >= 14.000000 h], tag: full}",
        "  - discharge: {current: 0.200000C, until: [voltage <= 2.800000 V, capacity >= 6.000000 Ah, "
        "time >= 8.000000 h]}",
        "  - rest: {time: 30.000000 min}",
        "  - dcir: {direction: discharge, current: 1.000000C, time: 10 s, values: [0.1 s, 10 s]}",
    ]
