"""What a joined channel is made of: shares of an order, rows of sweeps, and the balance between sub-channels."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from math import inf, isnan, nan

import pytest
from broken_drivers import Wrapped
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, permutations, sampled_from
from parallel_subject import ParallelSubject, joint

from cycler.contract.capabilities import Capabilities, ChannelRange, Watchdog
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault, LinkError
from cycler.contract.order import Applied, DeviceEnd, DeviceLimits, Order, Overtaken, Phase
from cycler.contract.parallel.balance import APART_S, Balance
from cycler.contract.parallel.cycler import ParallelCycler
from cycler.contract.parallel.declaration import joined_capabilities, joined_range
from cycler.contract.parallel.rows import NAS_PER_AH, Row, joined_regulation, joined_sweep
from cycler.contract.parallel.shares import joined_answer, share, shared_order
from cycler.contract.suite.scenario import ProofCell, charge, commissioned, first, live, rest
from cycler.contract.sweep import ChannelId, Regulation, Sweep

PARTS = integers(2, 8)
AMPERES = floats(1e-3, 1e3)
RANGE = ChannelRange(
    voltage_v_min=0.0,
    voltage_v_max=5.0,
    charge_current_a_max=10.0,
    discharge_current_a_max=8.0,
    power_w_max=50.0,
    voltage_accuracy_v=0.001,
    current_accuracy_a=0.002,
    voltage_resolution_v=0.0001,
    current_resolution_a=0.0005,
)
CAPABILITIES = Capabilities(
    channels=(ChannelId("1"),),
    range=RANGE,
    bipolar_sense=True,
    autonomous=False,
    phases_max=4,
    order_time_s=0.1,
    start_delay_s=0.0,
    sweep_time_s=0.01,
    idle_s_max=1.0,
    rest="relay-open",
    regulation_reported=True,
    charge_counter=True,
    ends=frozenset({"time_s", "voltage_v"}),
    protections=frozenset({"over_voltage", "over_charge"}),
    watchdog=Watchdog(watches="host", timeout_s=2.0, proven=True),
    limit_readback="yes",
)
A, B = Row(device="a", row=0), Row(device="b", row=0)
JOINED = ChannelId("a/1+b/1")


def swept(taken_s: float = 0.0, voltage_v: float = 3.6, current_a: float = 1.0, **columns: object) -> Sweep:
    """One device with one channel."""
    given = {name: (value,) for name, value in columns.items()}
    regulation: Regulation = "cc"
    row = {"regulation": (regulation,), "order_id": (1,), "phase": (0,), "step_time_s": (taken_s,)} | given
    return Sweep(
        taken_s=taken_s,
        taken_utc=datetime(2026, 1, 1, tzinfo=UTC),
        channels=(ChannelId("1"),),
        voltage_v=(voltage_v,),
        current_a=(current_a,),
        **row,  # type: ignore[arg-type]
    )


def joined(a: Sweep, b: Sweep) -> Sweep:
    return joined_sweep({"a": a, "b": b}, {JOINED: (A, B)}, tolerance_v=0.01)


# Shares.


@given(value=AMPERES, parts=PARTS)
def test_shares_are_equal_and_together_never_more_than_the_whole(value: float, parts: int) -> None:
    one = share(value, parts)
    assert sum(Fraction(one) for _ in range(parts)) <= Fraction(value) * (1 + Fraction(1, 2**52))
    assert one * parts == pytest.approx(value, rel=1e-15)


@given(value=AMPERES, power_w=AMPERES, resistance_ohm=AMPERES, parts=PARTS)
def test_what_all_answer_is_what_was_ordered_where_nobody_rounds(
    value: float, power_w: float, resistance_ohm: float, parts: int
) -> None:
    phase = Phase(direction="discharge", voltage_v=3.0, current_a=value, power_w=power_w, resistance_ohm=resistance_ohm)
    limits = DeviceLimits(voltage_v_max=4.3, voltage_v_min=2.4, charge_current_a_max=value, time_s_max=60.0)
    order = Order(order_id=7, phases=(phase,), limits=limits)
    own = shared_order(order, parts)
    answer = joined_answer(order, [Applied(order_id=7, phases=own.phases, limits=own.limits)] * parts)
    (achieved,) = answer.phases
    assert achieved.current_a <= value
    assert (achieved.current_a, achieved.power_w, achieved.resistance_ohm) == pytest.approx(
        (value, power_w, resistance_ohm), rel=1e-12
    )
    assert answer.limits == replace(limits, charge_current_a_max=pytest.approx(value, rel=1e-12))


def test_a_sub_channel_may_exceed_its_share_by_its_part_of_the_margin() -> None:
    order = Order(
        order_id=1,
        phases=(Phase(direction="charge", voltage_v=4.2, current_a=3.0),),
        limits=DeviceLimits(charge_current_a_max=3.3, charge_ah_max=6.0),
    )
    own = shared_order(order, 3)
    assert own.phases[0].current_a == pytest.approx(1.0)
    assert own.phases[0].voltage_v == 4.2
    assert own.limits.charge_current_a_max == pytest.approx(1.1)
    assert own.limits.charge_ah_max == 6.0, "who moves how much in CV is known to nobody"


def test_what_is_achieved_is_what_comes_nearest_to_the_cells_limits() -> None:
    order = charge(1, current_a=2.0, voltage_v=4.2)
    answers = [
        Applied(order_id=1, phases=charge(1, current_a=amps, voltage_v=volts).phases, limits=DeviceLimits(**limits))
        for amps, volts, limits in (
            (0.999, 4.199, {"voltage_v_max": 4.25, "power_w_max": 5.0}),
            (0.998, 4.198, {"voltage_v_max": 4.26}),
        )
    ]
    answer = joined_answer(order, answers)
    assert answer.phases[0].current_a == pytest.approx(1.997)
    assert answer.phases[0].voltage_v == 4.199
    assert answer.limits.voltage_v_max == 4.26
    assert answer.limits.power_w_max is None, "one of them keeps none"


# What they declare together.


def test_currents_and_their_errors_add_up_and_voltages_are_the_least_good_ones() -> None:
    other = replace(RANGE, voltage_v_max=4.5, charge_current_a_max=6.0, voltage_accuracy_v=0.002)
    found = joined_range([RANGE, other], 2)
    assert (found.voltage_v_max, found.charge_current_a_max, found.discharge_current_a_max) == (4.5, 12.0, 16.0)
    assert (found.voltage_accuracy_v, found.current_accuracy_a, found.sub_channels) == (0.002, 0.004, 2)


def test_together_they_keep_what_each_of_them_keeps() -> None:
    unwatched = replace(CAPABILITIES, watchdog=None, autonomous=True, idle_s_max=0.5, limit_readback="no")
    groups = {JOINED: (ChannelId("a/1"), ChannelId("b/1"))}
    found = joined_capabilities({"a": CAPABILITIES, "b": unwatched}, groups, 2)
    assert found.watchdog is None and found.autonomous, "nothing opens one of them when the host is gone"
    assert (found.idle_s_max, found.limit_readback) == (0.5, "no")
    assert found.ends == {"time_s"}, "by voltage each would end at a time of its own"
    assert found.protections == {"over_voltage"}, "nobody counts the charge of both"
    assert found.parallel_groups == groups


# Rows.


@given(lists(floats(0.0, 100.0), min_size=2, max_size=6).flatmap(lambda ah: permutations(ah).map(lambda p: (ah, p))))
def test_counters_add_up_to_the_same_whole_number_in_any_order(counted_ah: tuple[list[float], list[float]]) -> None:
    def total_nas(each_ah: Sequence[float]) -> int:
        names = [str(number) for number in range(len(each_ah))]
        sweeps = {name: swept(charged_ah=ah, discharged_ah=0.0) for name, ah in zip(names, each_ah, strict=True)}
        rows = {JOINED: tuple(Row(device=name, row=0) for name in names)}
        charged_ah = joined_sweep(sweeps, rows, tolerance_v=0.01).charged_ah
        assert charged_ah is not None
        return round(charged_ah[0] * NAS_PER_AH)

    assert total_nas(counted_ah[0]) == total_nas(counted_ah[1]) == sum(round(ah * NAS_PER_AH) for ah in counted_ah[0])


@given(
    lists(sampled_from(["off", "starting", "cc", "cv", "limited", "unknown"]), min_size=2, max_size=4).flatmap(
        lambda states: permutations(states).map(lambda p: (states, p))
    )
)
def test_a_joined_channel_is_off_when_all_are_and_in_cv_as_soon_as_one_holds_the_voltage(
    states: tuple[list[Regulation], list[Regulation]],
) -> None:
    found = joined_regulation(states[0])
    assert found == joined_regulation(states[1])
    assert (found == "off") == (set(states[0]) == {"off"})
    assert (found == "cv") == ("cv" in states[0] and not set(states[0]) & {"unknown", "starting", "limited"})


def test_currents_add_up_and_one_voltage_is_measured_twice() -> None:
    row = joined(swept(10.0, voltage_v=3.601, current_a=1.1), swept(10.04, voltage_v=3.603, current_a=0.9))
    assert row.channels == (JOINED,)
    assert row.current_a[0] == pytest.approx(2.0)
    assert row.voltage_v[0] == pytest.approx(3.602)
    assert row.taken_s == pytest.approx(10.02)
    assert row.skew_s == pytest.approx(0.04)
    assert row.charged_ah is None and row.output_v is None


@pytest.mark.parametrize(
    ("current_a", "regulation", "believed_v"), [(1.0, "cc", 3.9), (-1.0, "cc", 0.1), (-0.001, "off", 3.9)]
)
def test_where_sense_wires_disagree_the_cell_is_believed_to_be_near_its_limit_and_the_other_is_shown_too(
    current_a: float, regulation: Regulation, believed_v: float
) -> None:
    row = joined(
        swept(voltage_v=3.9, current_a=current_a, regulation=regulation),
        swept(voltage_v=0.1, current_a=current_a, regulation=regulation),
    )
    assert row.voltage_v[0] == believed_v
    assert row.probe_v is not None and {row.voltage_v[0], row.probe_v[0]} == {3.9, 0.1}


def test_an_order_is_in_force_once_the_last_one_executes_it() -> None:
    row = joined(swept(order_id=8, phase=1, step_time_s=0.1), swept(order_id=7, phase=3, step_time_s=50.0))
    assert (row.order_id[0], row.phase[0], row.step_time_s[0]) == (7, 3, 50.0)


def test_the_worse_of_the_contacts_shows() -> None:
    row = joined(swept(voltage_v=3.6, output_v=3.601), swept(voltage_v=3.6, output_v=3.65))
    assert row.output_v is not None and row.output_v[0] == pytest.approx(3.65)


def test_a_value_that_one_of_them_did_not_give_is_missing() -> None:
    row = joined(swept(voltage_v=nan, charged_ah=1.0), swept(charged_ah=nan))
    assert isnan(row.voltage_v[0])
    assert row.charged_ah is not None and isnan(row.charged_ah[0])


# Balance.


def judged(*pairs: tuple[Sweep, Sweep], order: Order | None = None) -> list[str | None]:
    balance = Balance(joint("a/1", "b/1"), (A, B), RANGE)
    balance.follow(order or charge(1, current_a=2.0, voltage_v=4.2))
    return [balance.judge({"a": a, "b": b}) for a, b in pairs]


def seconds(count: int, *, a_a: float = 1.0, b_a: float = 1.0, voltage_v: float = 3.6) -> list[tuple[Sweep, Sweep]]:
    return [
        (swept(s, current_a=a_a, voltage_v=voltage_v), swept(s, current_a=b_a, voltage_v=voltage_v))
        for s in range(count)
    ]


def test_fair_shares_are_no_fault() -> None:
    assert judged(*seconds(10, a_a=1.02, b_a=0.98)) == [None] * 10


def test_who_carries_too_little_for_too_long_opens_all() -> None:
    verdicts = judged(*seconds(4, b_a=0.5))
    assert verdicts[: int(APART_S)] == [None, None]
    assert verdicts[-1] is not None
    assert "b/1 carries 0.5 A, a/1 carries 1 A" in verdicts[-1]


def test_who_is_back_in_time_is_forgiven() -> None:
    assert judged(*seconds(2, b_a=0.5), *seconds(2), *seconds(2, b_a=0.5)) == [None] * 6


def test_at_the_voltage_that_is_set_one_may_do_it_all() -> None:
    assert judged(*seconds(10, b_a=0.0, voltage_v=4.198)) == [None] * 10


def test_small_currents_differ_by_what_errors_make() -> None:
    assert judged(*seconds(10, a_a=0.012, b_a=0.007)) == [None] * 10


def test_one_that_opens_alone_opens_all_at_once() -> None:
    verdicts = judged((swept(), swept()), (swept(1.0), swept(1.0, regulation="off", order_id=0, current_a=0.0)))
    assert verdicts == [None, "b/1 (off) ended its order alone"]


def test_sub_channels_that_end_together_have_done_as_ordered() -> None:
    over = swept(1.0, regulation="off", order_id=0, current_a=0.0)
    assert judged((swept(), swept()), (over, over)) == [None, None]


def test_an_order_that_is_not_in_force_everywhere_yet_is_not_judged() -> None:
    assert judged((swept(), swept(regulation="off", order_id=0))) == [None]


def test_sense_wires_that_disagree_for_long_are_a_fault() -> None:
    verdicts = judged(*[(swept(s, voltage_v=3.6), swept(s, voltage_v=3.7)) for s in (0.0, 1.0, 2.0)])
    assert verdicts[:2] == [None, None]
    assert verdicts[2] == "a/1 sees 3.600 V and b/1 sees 3.700 V at one cell: a sense lead is open"


def test_a_rest_is_not_judged() -> None:
    apart = [(swept(s, voltage_v=3.6, regulation="off"), swept(s, voltage_v=0.0, regulation="off")) for s in range(5)]
    assert judged(*apart, order=rest(1)) == [None] * 5


# All together.

CELL = ProofCell()


def test_one_that_trips_opens_the_other_within_the_same_sweep() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        driver = await commissioned(subject, CELL)
        channel, neighbour = driver.capabilities.channels
        await driver.apply({name: charge(1, current_a=1.0, voltage_v=4.2) for name in (channel, neighbour)})
        await live(driver, 1.0)
        subject.hardware("b").trip(0, "over_temperature")
        assert subject.output(channel).closed, "the other one does not know yet"
        (sweep,) = await driver.read()
        assert not subject.output(channel).closed
        assert sweep[channel].order_id == 0
        assert sweep.opened == {channel: "b/1 (off) ended its order alone"}
        assert subject.output(neighbour).closed
        await driver.make_safe([neighbour])
        await driver.aclose()

    subject.run(scenario())


def test_an_order_that_one_refuses_opens_the_other() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        driver = await commissioned(subject, CELL)
        channel = first(driver)
        subject.hardware("b").trip(0, "over_temperature")
        answer = (await driver.apply({channel: charge(1, current_a=1.0, voltage_v=4.2)}))[channel]
        assert isinstance(answer, DeviceFault) and "b: alarm over_temperature" in str(answer)
        assert not subject.output(channel).closed
        await driver.aclose()

    subject.run(scenario())


def test_one_that_does_not_answer_keeps_no_other_from_opening() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        driver = await commissioned(subject, CELL)
        channel = first(driver)
        await driver.apply({channel: charge(1, current_a=1.0, voltage_v=4.2)})
        subject.hardware("a").cable.unplug()
        with pytest.raises(DeviceError, match="a: no answer"):
            await driver.make_safe([channel])
        assert subject.hardware("b").energised() == [False, False]
        await driver.aclose()

    subject.run(scenario())


def test_one_that_cannot_be_opened_is_told_in_the_same_breath() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        driver = await commissioned(subject, CELL)
        channel = first(driver)
        await driver.apply({channel: charge(1, current_a=1.0, voltage_v=4.2)})
        await live(driver, 1.0)
        subject.hardware("a").trip(0, "over_temperature")
        subject.ignore_offs()
        (sweep,) = await driver.read()
        assert sweep.opened is not None
        assert "b: output 1 is still on" in sweep.opened[channel]
        await driver.aclose()

    subject.run(scenario())


def test_an_end_that_each_would_reach_alone_is_refused() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        driver = await commissioned(subject, CELL)
        end = DeviceEnd(quantity="voltage_v", relation=">=", value=4.0)
        order = charge(1, current_a=1.0, voltage_v=4.2)
        phases = (replace(order.phases[0], ends=(end,)),)
        answer = (await driver.apply({first(driver): replace(order, phases=phases)}))[first(driver)]
        assert isinstance(answer, DeviceFault) and "end no phase by voltage_v" in str(answer)
        await driver.aclose()

    subject.run(scenario())


def test_a_channel_that_no_cell_shares_goes_by_its_own_name() -> None:
    subject = ParallelSubject()
    subject.joints = (joint("a/1", "b/1"),)  # type: ignore[misc]

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        await driver.commission()
        assert driver.capabilities.channels == ("a/1+b/1", "a/2", "b/2")
        answers = await driver.apply({ChannelId("b/2"): charge(1, current_a=1.0, voltage_v=4.2)})
        assert isinstance(answers[ChannelId("b/2")], Applied)
        assert subject.hardware("b").energised() == [False, True]
        await driver.make_safe(driver.capabilities.channels)
        await driver.aclose()

    subject.run(scenario())


def test_cells_with_unequally_many_channels_cannot_be_on_the_same_devices() -> None:
    with pytest.raises(ValueError, match="equally many"):
        ParallelCycler({}, [joint("a/1", "b/1"), joint("a/2", "b/2", "b/3")])


def test_infinite_orders_stay_infinite() -> None:
    assert share(inf, 3) == inf
    assert isnan(share(nan, 2))


class TakesASecond(Wrapped):
    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        await asyncio.sleep(1.0)
        answers: Mapping[ChannelId, ApplyResult] = await self.good.apply(orders)
        return answers


def test_an_off_stays_ahead_of_an_order_that_is_under_way_while_the_devices_are_connected_again() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        slow = {name: TakesASecond(device, {}) for name, device in subject.open_each().items()}
        driver = ParallelCycler(slow, subject.joints)  # type: ignore[arg-type]
        await driver.connect()
        await driver.commission()
        channel = first(driver)
        subject.place(channel, CELL.voltage_v_mid)
        order = asyncio.create_task(driver.apply({channel: charge(1, current_a=1.0, voltage_v=4.2)}))
        await asyncio.sleep(0.1)
        await driver.make_safe([channel])
        await driver.connect()
        assert not order.done()
        assert isinstance((await order)[channel], Overtaken)
        assert not subject.output(channel).closed
        await driver.aclose()

    subject.run(scenario())


class FailsToClose(Wrapped):
    async def aclose(self) -> None:
        await self.good.aclose()
        raise LinkError("a", "the connection is gone")


class RemembersItsClose(Wrapped):
    async def aclose(self) -> None:
        self.memory["closed"] = True
        await self.good.aclose()


def test_one_that_fails_to_close_leaves_no_other_open() -> None:
    subject = ParallelSubject()

    async def scenario() -> None:
        devices = subject.open_each()
        other = RemembersItsClose(devices["b"], {})
        driver = ParallelCycler({"a": FailsToClose(devices["a"], {}), "b": other}, subject.joints)  # type: ignore[dict-item]
        await driver.connect()
        with pytest.raises(LinkError, match="the connection is gone"):
            await driver.aclose()
        assert other.memory["closed"]

    subject.run(scenario())
