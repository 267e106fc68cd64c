"""A power contact that opens in the middle of a step: the ordered current is gone, and the cell's voltage relaxes."""

from collections.abc import Callable

import pytest
from machine_bench import CHANNEL, Bench, charge, compare, discharge, plan, rest, started, step, until

from cycler.recipe.plan import PlanPhase, PlanStep
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, minutes, voltage
from sims.testing.steps import charge as rack_charge
from sims.testing.steps import discharge as rack_discharge

OPENS_S = 100.0
HOURS = until(compare("time", ">=", 36_000.0))
TAPER = until(compare("current", "<=", 0.1))
CHARGING, DISCHARGING = charge(2.5, HOURS), discharge(2.5, HOURS)

Disturbance = Callable[[Bench, float, float], tuple[float, float]]


def opened(*, leaks_a: float = 0.0, for_s: float = 1e9) -> Disturbance:
    """From then on the device measures nothing but its own offset, and the cell rests."""

    def disturb(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        is_open = OPENS_S <= bench.time_s < OPENS_S + for_s
        return (bench.ocv_v, leaks_a) if is_open else (voltage_v, current_a)

    return disturb


@pytest.mark.parametrize("leaks_a", [0.0, CHANNEL.current_accuracy_a, -CHANNEL.current_accuracy_a])
@pytest.mark.parametrize(
    "driven", [CHARGING, DISCHARGING, charge(2.5, TAPER, cv=True)], ids=["charge", "discharge", "cv"]
)
@pytest.mark.parametrize("reports_cv", [True, False])
def test_a_current_that_is_gone_for_five_seconds_is_a_lost_contact(
    driven: PlanStep, leaks_a: float, reports_cv: bool
) -> None:
    bench = started(plan(driven, rest(5)), disturb=opened(leaks_a=leaks_a), reports_cv=reports_cv).run(200)
    (result,) = bench.results
    assert result.stop_reason == "lost-contact"
    assert "the contact is open" in result.stop_text
    assert (bench.over.end, bench.over.code) == ("failed", "LOST_CONTACT")
    assert bench.time_s <= OPENS_S + 7.0


def test_half_of_a_current_that_the_device_says_it_regulates_is_too_little() -> None:
    bench = started(plan(DISCHARGING), disturb=lambda b, v, i: (v, 0.4 * i) if b.time_s >= OPENS_S else (v, i)).run(200)
    assert bench.over.code == "LOST_CONTACT"


@pytest.mark.parametrize("driven", [CHARGING, DISCHARGING], ids=["charge", "discharge"])
def test_a_current_that_comes_back_in_time_goes_on(driven: PlanStep) -> None:
    bench = started(plan(driven), disturb=opened(for_s=4.0)).run(200)
    assert not bench.machine.over


def test_a_taper_down_to_nothing_is_no_lost_contact() -> None:
    bench = started(plan(charge(2.5, until(compare("time", ">=", 20_000.0)), cv=True)), soc=0.9).run()
    assert bench.results[0].stop_reason == "time"
    assert bench.results[0].end_current_a < CHANNEL.current_accuracy_a


def test_a_constant_current_that_ends_at_the_clamp_is_no_lost_contact() -> None:
    bench = started(plan(discharge(2.5, until(compare("time", ">=", 9000.0)), voltage_v=3.1)), soc=0.3).run()
    assert bench.results[0].stop_reason == "time"


def test_a_constant_power_asks_for_no_more_than_a_current() -> None:
    phase = PlanPhase(direction="discharge", power_w=1.0, current_a=5.0, voltage_v=2.5)
    constant_power = step("discharge", phase, ends=[HOURS])
    flowing = started(plan(constant_power), disturb=lambda b, v, i: (v, -0.3)).run(200)
    assert not flowing.machine.over
    assert started(plan(constant_power), disturb=opened()).run(200).over.code == "LOST_CONTACT"


# In a rack.


@pytest.mark.parametrize("driver", ["sim_cycler", "ea_psb"])
@pytest.mark.parametrize("drive", [rack_charge, rack_discharge])
def test_a_contact_that_opens_under_way_fails_its_cell_within_seconds(driver: str, drive: Callable[..., str]) -> None:
    rack = SimRack(driver=driver).load("open").load("other").spoil("open", "open-contact", from_s=120.0)  # type: ignore[arg-type]
    end = voltage(4.15) if drive is rack_charge else voltage(2.9)
    run = rack.run(drive(c_rate=0.5, until=(end, amp_hours(6), minutes(10))))
    outcome = run["open"].outcome
    assert outcome is not None
    assert (run["open"].stop_reason, outcome.code) == ("lost-contact", "LOST_CONTACT")
    assert run["open"].steps[-1].duration_s < 135.0
    assert run["other"].stop_reason == "time"
