"""Between two orders: after every single write the output is inside both envelopes, and a cut wire leaves it there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied, Order
from cycler.contract.suite.scenario import (
    LOOK_S,
    At,
    Bounds,
    CyclerPromises,
    ProofCell,
    charge,
    commissioned,
    discharge,
    first,
    holds_resistances,
    pass_silently,
    rest,
    slack_a,
    slack_v,
)
from cycler.contract.suite.subject import CyclerSubject

EDGE_V = 0.03  # how near to a clamp a cell stands when the wire is cut
SETTLE_S = 0.1
SILENT_S = 60.0
WATCHDOG_SLACK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """From one order to the next; `None` is off."""

    old: Order | None
    new: Order | None


def changes(cell: ProofCell) -> Mapping[str, Change]:
    """Every kind of change that a recipe brings about."""
    low_v, mid_v, high_v = cell.voltage_v_min, cell.voltage_v_mid, cell.voltage_v_max
    full_a, part_a = cell.current_a, 0.4 * cell.current_a
    upper_v, lower_v = 0.5 * (mid_v + high_v), 0.5 * (mid_v + low_v)
    strong, weak = charge(1, current_a=full_a, voltage_v=high_v), charge(2, current_a=part_a, voltage_v=high_v)
    strong_out, weak_out = (
        discharge(3, current_a=full_a, voltage_v=low_v),
        discharge(4, current_a=part_a, voltage_v=low_v),
    )
    strong_low, weak_high_out = (
        charge(5, current_a=full_a, voltage_v=upper_v),
        discharge(6, current_a=full_a, voltage_v=lower_v),
    )
    return {
        "start of a charge": Change(old=None, new=strong),
        "start of a discharge": Change(old=None, new=strong_out),
        "less current": Change(old=strong, new=weak),
        "more current": Change(old=weak, new=strong),
        "more current below a lower voltage": Change(old=weak, new=strong_low),
        "less current up to a higher voltage": Change(old=strong_low, new=weak),
        "more current out above a higher voltage": Change(old=weak_out, new=weak_high_out),
        "less current out down to a lower voltage": Change(old=weak_high_out, new=weak_out),
        "charge to weaker discharge": Change(old=strong, new=weak_out),
        "charge to stronger discharge": Change(old=weak, new=strong_out),
        "discharge to weaker charge": Change(old=strong_out, new=weak),
        "discharge to stronger charge": Change(old=weak_out, new=strong_low),
        "rest after charge": Change(old=strong, new=rest(7)),
        "charge after rest": Change(old=rest(7), new=strong),
        "off": Change(old=strong, new=None),
    }


def resistance_changes(cell: ProofCell) -> Mapping[str, Change]:
    """Those that a device meets as well that holds resistances."""
    ohm, low_v = cell.resistance_ohm, cell.voltage_v_min
    full, less, out, weak_out, back = (
        discharge(1, current_a=cell.current_a, voltage_v=low_v, resistance_ohm=1.1 * ohm),
        discharge(2, current_a=0.5 * cell.current_a, voltage_v=low_v + 0.1, resistance_ohm=4.0 * ohm),
        discharge(3, current_a=cell.current_a, voltage_v=low_v),
        discharge(4, current_a=0.2 * cell.current_a, voltage_v=low_v),
        charge(5, current_a=cell.current_a, voltage_v=cell.voltage_v_max),
    )
    return {
        "start of a discharge through a resistance": Change(old=None, new=full),
        "higher resistance": Change(old=full, new=less),
        "lower resistance": Change(old=less, new=full),
        "current to resistance": Change(old=weak_out, new=full),
        "resistance to current": Change(old=less, new=out),
        "charge to resistance": Change(old=back, new=less),
        "resistance to charge": Change(old=full, new=back),
    }


CHANGES = tuple(changes(ProofCell()))
RESISTANCE_CHANGES = tuple(resistance_changes(ProofCell()))


class WritePromises(CyclerPromises):
    """apply, write by write."""

    @pytest.mark.parametrize("name", CHANGES)
    def test_after_every_write_the_output_is_inside_the_old_and_the_new_envelope(self, name: str) -> None:
        """Judged by what would flow into cells of any voltage: never more than under the old or the new order."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            await self._check_writes(subject, driver, changes(self.cell)[name])
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", RESISTANCE_CHANGES)
    def test_after_every_write_about_a_resistance_the_output_is_inside_the_old_and_the_new_envelope(
        self, name: str
    ) -> None:
        """Only for devices that hold resistances; the others refuse them."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            if holds_resistances(driver, self.cell):
                await self._check_writes(subject, driver, resistance_changes(self.cell)[name])
            await driver.aclose()

        subject.run(scenario())

    async def _check_writes(self, subject: CyclerSubject, driver: CyclerDriver, change: Change) -> None:
        channel = first(driver)
        seen: list[list[float]] = []

        def look() -> None:
            seen.append(subject.characteristic(channel, cells_v))

        cells_v = self._cells_v(driver)
        await _bring(driver, change.old)
        await asyncio.sleep(SETTLE_S)
        look()
        subject.watch(look)
        await _bring(driver, change.new)
        await asyncio.sleep(SETTLE_S)
        look()
        self._check_between(seen, cells_v, slack_a(driver))
        await driver.make_safe([channel])

    @pytest.mark.parametrize("name", CHANGES)
    def test_a_wire_cut_after_any_write_leaves_the_cell_inside_its_limits(self, name: str) -> None:
        change = changes(self.cell)[name]
        for start_v in self._edges_v(change):
            number, transactions = 1, 1
            while number <= transactions:
                subject = self.make_subject()
                transactions = max(transactions, subject.run(self._cut(subject, change, start_v, number)))
                number += 1

    async def _cut(self, subject: CyclerSubject, change: Change, start_v: float, number: int) -> int:
        """How many transactions the change took, one more than `number` as long as the wire was cut under way."""
        driver = await commissioned(subject, self.cell)
        channel = first(driver)
        subject.place(channel, start_v)
        await _bring(driver, change.old)
        bounds = Bounds.of(change.old, change.new)

        def look() -> None:
            bounds.check(subject.output(channel), slack_a=slack_a(driver), slack_v=slack_v(driver))

        was_cut = False

        def cut() -> None:
            nonlocal was_cut
            was_cut = True
            subject.unplug()

        subject.watch(At(number, cut))
        begin_s = asyncio.get_running_loop().time()
        bringing = asyncio.ensure_future(_bring(driver, change.new))
        while not bringing.done():
            await asyncio.wait([bringing], timeout=LOOK_S)
            look()
        try:
            bringing.result()
            assert not was_cut or change.new is None, "an order was called applied whose answers never came"
        except DeviceError:
            assert was_cut
        assert asyncio.get_running_loop().time() - begin_s <= subject.call_s_max
        subject.unplug()
        look()
        watchdog = driver.capabilities.watchdog
        if watchdog is not None and watchdog.watches == "host":
            await pass_silently(watchdog.timeout_s + WATCHDOG_SLACK_S, look)
            assert not subject.output(channel).closed
        await pass_silently(SILENT_S, look)
        await driver.aclose()
        return number + 1 if was_cut else 0

    def _cells_v(self, driver: CyclerDriver) -> list[float]:
        """Cells from empty to above full, none of them right at a clamp."""
        step_v = (self.cell.voltage_v_max - self.cell.voltage_v_min) / 28.0
        cells_v = [self.cell.voltage_v_min + (number + 0.5) * step_v for number in range(-8, 36)]
        return [cell_v for cell_v in cells_v if 0.0 < cell_v < driver.capabilities.range.voltage_v_max]

    def _edges_v(self, change: Change) -> list[float]:
        """Where a charge is near its end, and where a discharge is."""
        phases = [phase for order in (change.old, change.new) if order is not None for phase in order.phases]
        uppers_v = [phase.voltage_v - EDGE_V for phase in phases if phase.direction == "charge"]
        lowers_v = [phase.voltage_v + EDGE_V for phase in phases if phase.direction == "discharge"]
        return ([min(uppers_v)] if uppers_v else []) + ([max(lowers_v)] if lowers_v else [])

    @staticmethod
    def _check_between(seen: list[list[float]], cells_v: list[float], slack: float) -> None:
        before, after = seen[0], seen[-1]
        for number, currents in enumerate(seen):
            for cell_v, current_a, old_a, new_a in zip(cells_v, currents, before, after, strict=True):
                assert min(0.0, old_a, new_a) - slack <= current_a <= max(0.0, old_a, new_a) + slack, (
                    f"before transaction {number} a cell of {cell_v:.3f} V would get {current_a:.3f} A; "
                    f"it got {old_a:.3f} A before the change and gets {new_a:.3f} A after it"
                )


async def _bring(driver: CyclerDriver, order: Order | None) -> None:
    """Raises the `DeviceError` that the order ended with."""
    channel = first(driver)
    if order is None:
        await driver.make_safe([channel])
        return
    answer = (await driver.apply({channel: order}))[channel]
    if isinstance(answer, DeviceError):
        raise answer
    assert isinstance(answer, Applied)
