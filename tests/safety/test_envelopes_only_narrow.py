"""Whatever a recipe asks, its step is guarded within the envelope of its cell; a narrower one never reaches farther."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from machine_bench import CHANNEL, ENVELOPE, charge, compare, discharge, rest, until

from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import Envelope
from cycler.recipe.plan import PlanStep
from cycler.safety.protections import Guard, current_tolerance_a, guards_for

SHARES = st.floats(min_value=0.0, max_value=1.0)
AMPS = st.floats(min_value=0.01, max_value=20.0)
VOLTS = st.floats(min_value=2.5, max_value=6.0)
HOURS = st.floats(min_value=1.0, max_value=1e6)


@st.composite
def envelopes(draw: st.DrawFn, within: Envelope) -> Envelope:
    """Any that allows nothing more than this one."""
    spread_v = within.voltage_v_max - within.voltage_v_min
    low, high = within.charge_temperature_degc
    cooler, warmer = within.discharge_temperature_degc
    return replace(
        within,
        voltage_v_min=within.voltage_v_min + draw(SHARES) * spread_v / 2,
        voltage_v_max=within.voltage_v_max - draw(SHARES) * spread_v / 2,
        trip_margin_v=within.trip_margin_v * draw(st.floats(min_value=0.1, max_value=1.0)),
        charge_current_a=within.charge_current_a * draw(SHARES),
        discharge_current_a=within.discharge_current_a * draw(SHARES),
        charge_temperature_degc=(low + draw(SHARES) * (high - low) / 2, high - draw(SHARES) * (high - low) / 2),
        discharge_temperature_degc=(
            cooler + draw(SHARES) * (warmer - cooler) / 2,
            warmer - draw(SHARES) * (warmer - cooler) / 2,
        ),
        capacity_ah=within.capacity_ah * draw(SHARES),
    )


@st.composite
def steps(draw: st.DrawFn) -> PlanStep:
    """Any, also what the check of a recipe would have refused."""
    time_s = draw(HOURS)
    end = until(compare("time", ">=", time_s))
    kind = draw(st.sampled_from(["charge", "discharge", "rest"]))
    if kind == "rest":
        return rest(time_s)
    return (charge if kind == "charge" else discharge)(draw(AMPS), end, voltage_v=draw(VOLTS))


def guards(step: PlanStep, envelope: Envelope) -> dict[AlarmCode, Guard]:
    found = guards_for(
        replace(step, envelope=envelope),
        step.variants[0],
        CHANNEL,
        temperature_measured=True,
        cumulated_ah=envelope.capacity_ah,
    )
    return {guard.code: guard for guard in found}


@given(steps(), envelopes(ENVELOPE))
def test_no_step_is_guarded_beyond_its_envelope(step: PlanStep, envelope: Envelope) -> None:
    found = guards(step, envelope)
    set_a = step.variants[0].phases[0].current_a
    tolerance_a = current_tolerance_a(set_a, CHANNEL) + 1e-12
    assert found[AlarmCode.CHARGE_OVER_CURRENT].high <= envelope.charge_current_a + tolerance_a
    assert found[AlarmCode.DISCHARGE_OVER_CURRENT].low >= -envelope.discharge_current_a - tolerance_a
    assert found[AlarmCode.OVER_VOLTAGE].high == envelope.voltage_v_max + envelope.trip_margin_v
    assert found[AlarmCode.STEP_OVER_CAPACITY].high <= envelope.capacity_ah
    assert found[AlarmCode.CUMULATED_OVER_CAPACITY].high <= envelope.capacity_ah
    warmest_degc = max(envelope.charge_temperature_degc[1], envelope.discharge_temperature_degc[1])
    assert found[AlarmCode.OVER_TEMPERATURE].high <= warmest_degc
    lowest = found.get(AlarmCode.UNDER_VOLTAGE)
    assert lowest is None or lowest.low >= envelope.voltage_v_min - envelope.trip_margin_v


@given(steps(), envelopes(ENVELOPE))
def test_a_narrower_envelope_never_lets_anything_go_farther(step: PlanStep, envelope: Envelope) -> None:
    wide, narrow = guards(step, ENVELOPE), guards(step, envelope)
    assert narrow.keys() == wide.keys()
    for code, guard in narrow.items():
        assert guard.high <= wide[code].high + 1e-9, code
        assert guard.low >= wide[code].low - 1e-9, code
        assert guard.hard_high <= wide[code].hard_high + 1e-9, code
        assert guard.hard_low >= wide[code].hard_low - 1e-9, code
