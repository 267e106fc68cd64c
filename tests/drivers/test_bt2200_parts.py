"""The BT2200's words, answers and log, taken apart and put together."""

import math
import struct

import pytest
from bt2200_bench import charge, discharge
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.capabilities import ChannelRange
from cycler.contract.errors import DeviceFault, ProtocolError
from cycler.contract.order import DeviceEnd, DeviceLimits, Order, Phase
from drivers.keysight_bt2200 import commands as say
from drivers.keysight_bt2200 import replies
from drivers.keysight_bt2200.binary_log import DeviceClock, decode
from drivers.keysight_bt2200.in_force import InForce
from drivers.keysight_bt2200.options import Options
from drivers.keysight_bt2200.programs import accept

CHANNELS = [100 * card + number for card in range(1, 9) for number in range(1, 33)]
OPTIONS = Options(
    groups=((101,),), start_delay_s=15.0, precharge_below_v=2.0, time_s_max=86400.0, sequences=32,
    probe_limit_ohm=None, bipolar_sense=False,
)  # fmt: skip
RANGE = ChannelRange(
    voltage_v_min=0.0, voltage_v_max=5.0, charge_current_a_max=6.0, discharge_current_a_max=6.0, power_w_max=30.0,
    voltage_accuracy_v=0.005, current_accuracy_a=0.006, voltage_resolution_v=1e-4, current_resolution_a=1e-4,
)  # fmt: skip


def expanded(text: str) -> list[int]:
    found: list[int] = []
    for piece in text.removeprefix("(@").removesuffix(")").split(","):
        low, _, high = piece.partition(":")
        found += range(int(low), int(high or low) + 1)
    return found


# Words.


@given(st.sets(st.sampled_from(CHANNELS), min_size=1))
def test_a_cell_list_names_these_cells_in_ascending_order_and_no_range_leaves_its_card(channels: set[int]) -> None:
    cells = sorted(map(say.cell_of, channels))
    text = say.cell_list(map(say.cell_of, channels))
    assert expanded(text) == cells
    for piece in text[2:-1].split(","):
        assert len({number[0] for number in piece.split(":")}) == 1


def test_places_count_through_the_cards() -> None:
    assert [say.place_of(channel) for channel in CHANNELS] == list(range(256))


@given(st.floats(-1e5, 1e5))
def test_numbers_are_sent_as_plain_decimals(value: float) -> None:
    text = say.decimal(value)
    assert set(text) <= set("-0123456789.")
    assert float(text) == pytest.approx(value, abs=5.1e-7)


# Answers.


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.sampled_from(["{:.6f}", "{:+.4E}", " {:g}"]))
def test_numbers_are_read_in_any_notation(values: list[float], notation: str) -> None:
    text = ",".join(map(notation.format, values))
    assert replies.numbers("bt", "?", text, len(values)) == pytest.approx(values, rel=1e-4, abs=1e-5)


def test_what_is_no_number_to_scpi_is_nan() -> None:
    assert all(map(math.isnan, replies.numbers("bt", "?", "9.91E+37,-9.9E37,NAN", 3)))


@pytest.mark.parametrize(
    ("text", "error"),
    [('0,"No error"', None), ('+0,"No error"', None), ('-113,"Undefined header"', '-113,"Undefined header"')],
)
def test_the_error_queue_is_empty_by_number_and_by_text(text: str, error: str | None) -> None:
    assert replies.error("bt", text) == error


def test_one_value_stands_for_all_eight_cards() -> None:
    assert replies.fitted_cards("bt", "1") == (True,) * 8
    assert replies.fitted_cards("bt", "1,0,1,1,0,0,0,0") == (True, False, True, True, False, False, False, False)


@pytest.mark.parametrize("text", ["", "0", " \t"])
def test_no_sequence_is_an_empty_catalog(text: str) -> None:
    assert replies.catalog("bt", text) == frozenset()


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[-+0-9.,eE ]{0,40}", fullmatch=True)))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    for read in (
        lambda: replies.identity("bt", text),
        lambda: replies.fitted_cards("bt", text),
        lambda: replies.numbers("bt", "?", text, 3),
        lambda: replies.digits("bt", "?", text, 3),
        lambda: replies.long_state("bt", text),
        lambda: replies.error("bt", text),
        lambda: replies.catalog("bt", text),
        lambda: replies.step("bt", text),
    ):
        try:
            read()
        except ProtocolError as error:
            assert str(error).startswith("bt: ")


def test_a_long_state_says_what_decided() -> None:
    state = replies.long_state("bt", "IDLE,3,2,4.31,0.0,FAIL,1,VOLT_GE,4.3,4.31")
    assert (state.running, state.sequence, state.step, state.result) == (False, 3, 2, "FAIL")
    assert state.why == "FAIL in step 2: test 1, VOLT_GE 4.3, measured 4.31"


# The log.


def block(records: list[tuple[int, float, float]]) -> bytes:
    """Of time in ms, and the current and voltage of card 8 channel 32."""
    data = struct.pack("<i", len(records))
    for time_ms, current_a, voltage_v in records:
        columns = [[0.0] * 255 + [current_a], [0.0] * 255 + [voltage_v], *([[0.0] * 256] * 3)]
        data += struct.pack("<Q", time_ms)
        data += b"".join(struct.pack("<256f", *column) for column in columns)
        data += bytes(1024)
    return data


@given(
    st.lists(st.tuples(st.integers(0, 2**52), st.floats(-100, 100, width=32), st.floats(-1, 6, width=32)), max_size=10)
)
def test_the_log_is_read_as_it_was_written(records: list[tuple[int, float, float]]) -> None:
    read = decode("bt", block(records))
    assert [(record.current_a[255], record.voltage_v[255]) for record in read] == [(a, v) for _, a, v in records]
    assert [record.time_s for record in read] == [time_ms / 1000.0 for time_ms, _, _ in records]


@given(st.binary(max_size=200))
def test_any_block_is_a_log_or_refused(data: bytes) -> None:
    try:
        decode("bt", data)
    except ProtocolError as error:
        assert "its log came as" in str(error)


@given(st.lists(st.floats(0.0, 1.2), min_size=1, max_size=30))
def test_the_instruments_clock_is_known_to_the_freshest_record_seen(ages_s: list[float]) -> None:
    """A record arrives some time after it was taken, never before."""
    clock, offset_s = DeviceClock(), 1000.0
    for number, age_s in enumerate(ages_s):
        clock.observe(5.0 * number, arrived_s=5.0 * number + offset_s + age_s)
    late_s = clock.here_s(7.0) - (7.0 + offset_s)
    assert min(ages_s) - 1e-9 <= late_s <= min(ages_s) + 1e-4 * 5.0 * len(ages_s) + 1e-9


# From orders to steps.


@given(
    current_a=st.floats(1e-4, 6.0),
    voltage_v=st.floats(0.01, 5.0),
    direction=st.sampled_from(["charge", "discharge"]),
)
def test_what_is_sent_is_never_more_than_what_was_ordered(current_a: float, voltage_v: float, direction: str) -> None:
    phase = Phase(direction=direction, current_a=current_a, voltage_v=voltage_v)  # type: ignore[arg-type]
    accepted = accept("bt", Order(order_id=1, phases=(phase,)), RANGE, OPTIONS)
    assert accepted.program is not None
    sent = accepted.program.steps[0].definition(1, 1)[0].split(",")
    assert float(sent[4]) <= current_a + 1e-6
    assert current_a - accepted.phases[0].current_a < 1.01e-4
    sign = 1 if direction == "charge" else -1
    assert sign * (voltage_v - float(sent[5])) >= -1e-6
    assert sign * (voltage_v - accepted.phases[0].voltage_v) >= 0.0


@given(st.lists(st.floats(0.5, 1000.0), max_size=6), st.floats(100.0, 1e5))
def test_the_steps_of_an_order_never_last_longer_than_its_limit_and_its_checks(
    times_s: list[float], limit_s: float
) -> None:
    ends = [(DeviceEnd(quantity="time_s", relation=">=", value=time_s),) for time_s in times_s]
    phases = (*(charge(ends=end) for end in ends), discharge())
    order = Order(order_id=1, phases=phases, limits=DeviceLimits(time_s_max=limit_s))
    try:
        accepted = accept("bt", order, RANGE, OPTIONS)
    except DeviceFault:
        assert sum(times_s) >= limit_s - 1e-3
    else:
        assert accepted.program is not None
        lasts_s = sum(step.duration_s for step in accepted.program.steps)
        assert lasts_s <= limit_s + OPTIONS.start_delay_s + 1e-6
        assert accepted.limits.time_s_max == pytest.approx(limit_s)


def test_checks_lengthen_a_charge_that_nothing_flowed_before_and_no_other() -> None:
    timed = (DeviceEnd(quantity="time_s", relation=">=", value=10.0),)
    phases = (
        charge(ends=timed), charge(2.0, ends=timed), Phase(direction="rest", ends=timed), charge(ends=timed),
        discharge(ends=timed),
    )  # fmt: skip
    accepted = accept("bt", Order(order_id=1, phases=phases), RANGE, OPTIONS)
    assert accepted.program is not None
    assert [step.duration_s for step in accepted.program.steps] == [25.0, 10.0, 10.0, 25.0, 10.0]


# Which phase runs.


@given(
    durations_s=st.lists(st.floats(2.0, 50.0), min_size=2, max_size=6),
    looks_s=st.lists(st.floats(0.1, 20.0), min_size=1, max_size=60),
    whole=st.booleans(),
)
def test_the_phase_is_told_from_step_times_whenever_one_looks(
    durations_s: list[float], looks_s: list[float], whole: bool
) -> None:
    """Also where these come in whole seconds. What they leave open is asked for."""
    phases = tuple(charge(ends=(DeviceEnd(quantity="time_s", relation=">=", value=each),)) for each in durations_s)
    order = InForce(
        order_id=1, phases=phases, durations_s=tuple(durations_s), since_s=0.0, checks_s=(0.0,) * len(phases),
        short_a=0.01, band_v=0.01,
    )  # fmt: skip
    now_s = 0.0
    for look_s in looks_s:
        now_s += look_s
        if now_s >= sum(durations_s):
            break
        true = next(at for at in range(len(durations_s)) if now_s < sum(durations_s[: at + 1]))
        step_time_s = now_s - sum(durations_s[:true])
        shown_s = math.floor(step_time_s) if whole else step_time_s
        if not order.follow(shown_s, now_s):
            order.reach(true, shown_s, now_s)
        assert order.phase == true or (whole and order.phase == true - 1 and step_time_s < 1.6)
        assert order.began_s == sorted(order.began_s)
