"""From phases to set values, and the writes between two of them."""

import math
from dataclasses import astuple, replace

from hypothesis import given
from hypothesis import strategies as st
from psb_bench import charge, discharge

from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import FULL_SCALE, Ratings, raw_at_least, raw_at_most, real
from drivers.ea_psb.set_values import (
    SWITCH_ON,
    Held,
    Setting,
    SetValues,
    Write,
    achieved,
    after,
    set_values_for,
    stages,
)

RATINGS = Ratings(voltage_v=10.0, current_a=15.0, power_w=150.0, resistance_ohm_min=0.04, resistance_ohm_max=20.0)
SET_MAX = 0xD0E5

shares = st.floats(1e-3, 1.0)
phases = st.builds(
    lambda make, voltage_v, current_a, power_w: make(
        voltage_v=voltage_v * 10.0, current_a=current_a * 15.0, power_w=power_w and power_w * 150.0
    ),
    st.sampled_from([charge, discharge]),
    shares,
    shares,
    st.none() | shares,
) | st.builds(
    lambda current_a, ohm: discharge(current_a=current_a * 15.0, resistance_ohm=ohm), shares, st.floats(0.04, 20.0)
)
targets = phases.map(lambda phase: set_values_for(phase, RATINGS, Reach(), power_w_max=None))
anything = st.builds(SetValues, *[st.integers(0, SET_MAX)] * 5, st.none() | st.integers(0, SET_MAX))


@given(raw=st.integers(0, FULL_SCALE // 2).map(lambda half: 2 * half), rated=st.floats(0.1, 2000.0))
def test_a_count_survives_the_way_to_a_value_and_back(raw: int, rated: float) -> None:
    assert raw_at_most(real(raw, rated), rated) == raw_at_least(real(raw, rated), rated) == raw


@given(phase=phases)
def test_rounding_never_leaves_what_was_ordered(phase) -> None:
    held = achieved(phase, set_values_for(phase, RATINGS, Reach(), power_w_max=None), RATINGS)
    assert held.current_a <= phase.current_a
    assert phase.power_w is None or held.power_w <= phase.power_w
    assert phase.resistance_ohm is None or held.resistance_ohm >= phase.resistance_ohm
    assert held.voltage_v <= phase.voltage_v if phase.direction == "charge" else held.voltage_v >= phase.voltage_v
    assert math.isclose(held.voltage_v, phase.voltage_v, abs_tol=10.0 / 26214)


@given(phase=phases)
def test_the_other_direction_is_closed(phase) -> None:
    values = set_values_for(phase, RATINGS, Reach(), power_w_max=None)
    assert values.direction in (phase.direction, None)
    assert (values.sink_current if phase.direction == "charge" else values.source_current) == 0


def currents_reach(values: SetValues) -> tuple[float, float]:
    """How far the output could sink and source."""
    return values.sink_current, values.source_current


def resists(values: SetValues, envelope: SetValues) -> bool:
    """Whether no more flows through the one than through the other."""
    at_least = envelope.sink_resistance
    return at_least is None or (values.sink_resistance is not None and values.sink_resistance >= at_least)


def is_within(values: SetValues, envelope: SetValues) -> bool:
    """Whether nothing that `values` allow the output lies outside `envelope`."""
    (sink, source), (sink_max, source_max) = currents_reach(values), currents_reach(envelope)
    return bool(
        sink <= sink_max
        and source <= source_max
        and (sink == 0 or resists(values, envelope))
        and (sink == 0 or (values.voltage >= envelope.voltage and values.sink_power <= envelope.sink_power))
        and (source == 0 or (values.voltage <= envelope.voltage and values.source_power <= envelope.source_power))
    )


@given(present=targets, target=targets, cell_raw=st.integers(0, 0xFFFF))
def test_with_the_output_on_every_single_write_stays_in_the_old_or_the_new_envelope(
    present: SetValues, target: SetValues, cell_raw: int
) -> None:
    now, met = present, [present]
    for stage in stages(present, target, output_on=True, cell_raw=cell_raw):
        for write in stage:
            now = after(now, [write])
            met.append(now)
    assert now == target
    assert all(is_within(values, present) or is_within(values, target) for values in met)
    assert any(is_within(values, present) and is_within(values, target) for values in met)


@given(present=anything, target=targets, cell_raw=st.integers(0, FULL_SCALE))
def test_from_off_the_output_goes_on_at_no_current_and_the_cells_own_voltage(
    present: SetValues, target: SetValues, cell_raw: int
) -> None:
    now, on = present, False
    plan = stages(present, target, output_on=False, cell_raw=cell_raw)
    for stage in plan:
        for write in stage:
            if write is SWITCH_ON:
                on = True
                assert currents_reach(now) == (0, 0)
                assert now.voltage == cell_raw
            now = after(now, [write])
            assert not on or is_within(now, target)
    assert on
    assert now == target
    assert len(plan[-1]) == 1  # the current alone, when all else has been read back


@given(present=anything, target=targets, cell_raw=st.integers(0, 0xFFFF))
def test_from_a_foreign_state_both_currents_close_before_anything_else(
    present: SetValues, target: SetValues, cell_raw: int
) -> None:
    if present.direction == target.direction:
        return
    closed = False
    for write in [write for stage in stages(present, target, output_on=True, cell_raw=cell_raw) for write in stage]:
        if write.setting is Setting.VOLTAGE:
            assert currents_reach(present) == (0, 0)
            closed = True
        present = after(present, [write])
    assert closed or present.voltage == target.voltage
    assert present == target


def test_nothing_is_written_that_is_there_already() -> None:
    values = set_values_for(charge(), RATINGS, Reach(), power_w_max=None)
    assert stages(values, values, output_on=True, cell_raw=0) == []


def test_a_smaller_current_is_one_write() -> None:
    before = set_values_for(charge(current_a=5.0), RATINGS, Reach(), power_w_max=None)
    then = set_values_for(charge(current_a=2.0), RATINGS, Reach(), power_w_max=None)
    assert stages(before, then, output_on=True, cell_raw=0) == [[Write(Setting.SOURCE_CURRENT, then.source_current)]]


@given(values=anything, held=st.none() | st.integers(0, SET_MAX))
def test_a_resistance_confirms_in_its_mode_only(values: SetValues, held: int | None) -> None:
    wanted = values.sink_resistance
    near = wanted is held if wanted is None or held is None else abs(wanted - held) <= 1
    assert Held(replace(values, sink_resistance=held)).confirms(values) is near


@given(values=anything, place=st.integers(0, 4), by=st.integers(-3, 3))
def test_one_count_of_rounding_confirms_and_current_from_nothing_does_not(
    values: SetValues, place: int, by: int
) -> None:
    counts = list(astuple(values))  # the resistance, last, is left as it is
    wanted = counts[place]
    counts[place] = max(0, wanted + by)
    assert Held(SetValues(*counts)).confirms(values) is (abs(counts[place] - wanted) <= (1 if wanted else 0))
