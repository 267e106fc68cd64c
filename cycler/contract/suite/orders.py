"""What an order does, and what becomes of one that cannot be."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError, ProtocolError
from cycler.contract.order import Applied, DeviceEnd, Order, Phase
from cycler.contract.suite.scenario import (
    LOOK_S,
    Bounds,
    CyclerPromises,
    charge,
    commissioned,
    discharge,
    first,
    holds_resistances,
    live,
    rest,
    slack_a,
    slack_v,
)
from cycler.contract.suite.subject import CyclerSubject
from cycler.contract.sweep import ChannelId

NOWHERE = ChannelId("no such channel")
PULSE_S = 2.0


def bad_orders(capabilities: Capabilities) -> Mapping[str, Order]:
    """Orders that no device may begin."""
    limits = capabilities.range
    voltage_v, current_a = limits.voltage_v_max / 2.0, limits.charge_current_a_max / 2.0
    phase = Phase(direction="charge", current_a=current_a, voltage_v=voltage_v)
    timed_phase = Phase(
        direction="charge",
        current_a=current_a,
        voltage_v=voltage_v,
        ends=(DeviceEnd(quantity="time_s", relation=">=", value=1.0),),
    )
    return {
        "voltage above the range": charge(9, current_a=current_a, voltage_v=1.5 * limits.voltage_v_max),
        "voltage below the range": discharge(9, current_a=current_a, voltage_v=limits.voltage_v_min - 1.0),
        "charge current above the range": charge(9, current_a=1.5 * limits.charge_current_a_max, voltage_v=voltage_v),
        "discharge current above the range": discharge(
            9, current_a=1.5 * limits.discharge_current_a_max, voltage_v=voltage_v
        ),
        "negative current": charge(9, current_a=-current_a, voltage_v=voltage_v),
        "voltage is no number": charge(9, current_a=current_a, voltage_v=float("nan")),
        "current is no number": charge(9, current_a=float("nan"), voltage_v=voltage_v),
        "infinite current": discharge(9, current_a=float("inf"), voltage_v=voltage_v),
        "no phase": Order(order_id=9, phases=()),
        "too many phases": Order(order_id=9, phases=(timed_phase,) * capabilities.phases_max + (phase,)),
    }


BAD_ORDERS = (
    "voltage above the range", "voltage below the range", "charge current above the range",
    "discharge current above the range", "negative current", "voltage is no number", "current is no number",
    "infinite current", "no phase", "too many phases",
)  # fmt: skip


class OrderPromises(CyclerPromises):
    """apply, order by order."""

    def test_a_charge_charges(self) -> None:
        self._check_direction(self.charge(1), sign=1.0)

    def test_a_discharge_discharges(self) -> None:
        self._check_direction(self.discharge(1), sign=-1.0)

    def test_a_rest_opens_the_relay(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            await driver.apply({channel: self.charge(1)})
            await live(driver, 0.5)
            answer = (await driver.apply({channel: rest(2)}))[channel]
            assert isinstance(answer, Applied)
            await live(driver, 0.5)
            output = subject.output(channel)
            assert output.current_a == pytest.approx(0.0, abs=slack_a(driver))
            if driver.capabilities.rest == "relay-open":
                assert not output.closed
            assert (await driver.read())[-1][channel].order_id == 2
            await driver.aclose()

        subject.run(scenario())

    def test_what_flows_through_a_resistance_follows_the_voltage_up_to_the_current_of_the_order(self) -> None:
        """Where the device declares that it holds resistances; else it refuses, and says so before."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver, cell = await commissioned(subject, self.cell), self.cell
            channel, ohm = first(driver), 1.1 * cell.resistance_ohm
            order = discharge(1, current_a=cell.current_a, voltage_v=cell.voltage_v_min, resistance_ohm=ohm)
            answer = (await driver.apply({channel: order}))[channel]
            if not holds_resistances(driver, cell):
                assert isinstance(answer, DeviceError)
                assert not subject.output(channel).closed
            else:
                assert isinstance(answer, Applied)
                self._check_achieved(order, answer)
                await self._check_resistance(subject, driver, ohm)
            await driver.make_safe([channel])
            await driver.aclose()

        subject.run(scenario())

    def test_what_is_achieved_is_never_more_than_what_was_ordered(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            for order_id in range(1, 12):
                # Odd fractions that lie between the steps of any converter.
                current_a = self.cell.current_a * (0.5 + order_id / 31.0)
                order = charge(order_id, current_a=current_a, voltage_v=self.cell.voltage_v_max - order_id / 997.0)
                if order_id % 2:
                    order = discharge(
                        order_id, current_a=current_a, voltage_v=self.cell.voltage_v_min + order_id / 997.0
                    )
                subject.place(channel, self.cell.voltage_v_mid)
                answer = (await driver.apply({channel: order}))[channel]
                assert isinstance(answer, Applied)
                self._check_achieved(order, answer)
                bounds = Bounds.of(order)
                await live(
                    driver,
                    0.5,
                    lambda bounds=bounds: bounds.check(  # type: ignore[misc]
                        subject.output(channel), slack_a=slack_a(driver), slack_v=slack_v(driver)
                    ),
                )
            await driver.make_safe([channel])
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", BAD_ORDERS)
    def test_an_impossible_order_is_an_error_of_its_channel_and_of_no_other(self, name: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            bad, *good = driver.capabilities.channels
            orders = {channel: self.charge(number) for number, channel in enumerate(good, 1)}
            answers = await driver.apply({bad: bad_orders(driver.capabilities)[name]} | orders)
            assert isinstance(answers[bad], DeviceError)
            assert not subject.output(bad).closed
            for channel in good:
                assert isinstance(answers[channel], Applied)
                assert subject.output(channel).closed
            await driver.make_safe(driver.capabilities.channels)
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", BAD_ORDERS)
    def test_an_impossible_order_leaves_a_running_channel_inside_its_old_envelope(self, name: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel, order = first(driver), self.charge(1)
            await driver.apply({channel: order})
            answers = await driver.apply({channel: bad_orders(driver.capabilities)[name]})
            assert isinstance(answers[channel], DeviceError)
            bounds = Bounds.of(order)
            await live(
                driver,
                2.0,
                lambda: bounds.check(subject.output(channel), slack_a=slack_a(driver), slack_v=slack_v(driver)),
            )
            await driver.make_safe([channel])
            await driver.aclose()

        subject.run(scenario())

    def test_a_channel_that_is_not_there_is_an_error_and_the_others_are_seen_to(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            answers = await driver.apply({NOWHERE: self.charge(2), channel: self.charge(1)})
            assert isinstance(answers[NOWHERE], ProtocolError)
            assert isinstance(answers[channel], Applied)
            with pytest.raises(ProtocolError):
                await driver.acknowledge([NOWHERE])
            with pytest.raises(ProtocolError):
                await driver.make_safe([NOWHERE, channel])
            assert not subject.output(channel).closed
            with pytest.raises(KeyError):
                (await driver.read())[-1][NOWHERE]
            await driver.aclose()

        subject.run(scenario())

    def test_phases_follow_one_another_without_a_gap_and_the_last_one_ends_open(self) -> None:
        """Only for devices that hold more than one phase and can time them; the others refuse (above)."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            if driver.capabilities.phases_max >= 2 and "time_s" in driver.capabilities.ends:
                await self._check_phases(subject, driver)
            await driver.aclose()

        subject.run(scenario())

    def _check_direction(self, order: Order, *, sign: float) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            await driver.apply({channel: order})
            await live(driver, driver.capabilities.start_delay_s + 0.5)
            before_v = subject.output(channel).voltage_v
            assert subject.output(channel).closed
            for current_a in (subject.output(channel).current_a, (await driver.read())[-1][channel].current_a):
                assert sign * current_a == pytest.approx(self.cell.current_a, abs=slack_a(driver))
            await live(driver, 2.0)
            assert sign * (subject.output(channel).voltage_v - before_v) > 0.0
            await driver.make_safe([channel])
            await driver.aclose()

        subject.run(scenario())

    @staticmethod
    def _check_achieved(order: Order, answer: Applied) -> None:
        assert answer.order_id == order.order_id
        for ordered, achieved in zip(order.phases, answer.phases, strict=True):
            assert achieved.direction == ordered.direction
            assert 0.0 < achieved.current_a <= ordered.current_a
            if ordered.resistance_ohm is not None:
                assert achieved.resistance_ohm is not None
                assert ordered.resistance_ohm <= achieved.resistance_ohm <= 1.01 * ordered.resistance_ohm
            if ordered.direction == "charge":
                assert achieved.voltage_v <= ordered.voltage_v
            else:
                assert achieved.voltage_v >= ordered.voltage_v

    async def _check_resistance(self, subject: CyclerSubject, driver: CyclerDriver, ohm: float) -> None:
        channel, cell = first(driver), self.cell
        for start_v in (cell.voltage_v_mid, cell.voltage_v_min + 0.3, cell.voltage_v_max):
            subject.place(channel, start_v)
            await live(driver, driver.capabilities.start_delay_s + 0.5)
            reading = (await driver.read())[-1][channel]
            through_a = reading.voltage_v / ohm
            for current_a in (subject.output(channel).current_a, reading.current_a):
                assert -current_a == pytest.approx(min(through_a, cell.current_a), abs=slack_a(driver))
            if driver.capabilities.regulation_reported:
                assert reading.regulation == ("cr" if through_a < cell.current_a else "cc")

    async def _check_phases(self, subject: CyclerSubject, driver: CyclerDriver) -> None:
        channel = first(driver)
        end = DeviceEnd(quantity="time_s", relation=">=", value=PULSE_S)
        order = Order(
            order_id=1,
            phases=(
                replace(self.charge(1).phases[0], ends=(end,)),
                replace(self.discharge(1).phases[0], ends=(end,)),
            ),
        )
        begin_s = asyncio.get_running_loop().time()
        assert isinstance((await driver.apply({channel: order}))[channel], Applied)
        seen: list[tuple[float, int, float]] = []
        while (now_s := asyncio.get_running_loop().time() - begin_s) < 3.0 * PULSE_S:
            reading = (await driver.read())[-1][channel]
            seen.append((now_s, reading.phase if reading.order_id else -1, subject.output(channel).current_a))
            await asyncio.sleep(LOOK_S)
        phases = [phase for _, phase, _ in seen]
        assert phases == sorted(phases, key=[0, 1, -1].index), "the phases do not come in their order"
        assert set(phases) == {0, 1, -1}
        slack = slack_a(driver)
        for now_s, phase, current_a in seen:
            expected_a = {0: self.cell.current_a, 1: -self.cell.current_a, -1: 0.0}[phase]
            assert current_a == pytest.approx(expected_a, abs=slack), f"{now_s:.3f} s, phase {phase}"
        durations = [sum(phase == number for phase in phases) * LOOK_S for number in (0, 1)]
        assert durations == pytest.approx([PULSE_S, PULSE_S], abs=4.0 * LOOK_S)
        assert not subject.output(channel).closed
