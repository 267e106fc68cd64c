"""The limits that a person has set at the supply: they narrow its range, and no order goes beyond them."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psb_bench import ONE, Bench, charge, discharge, psb_bench

from cycler.contract.errors import DeviceFault
from cycler.contract.order import Applied, DeviceLimits, Order
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import FULL_SCALE, Ratings
from sims.loop import run_virtual
from sims.network import Address, Direction
from sims.wire.ea_psb.device import LIMITS

VOLTAGE_HIGH, VOLTAGE_LOW, SOURCE_HIGH, SOURCE_LOW, SOURCE_POWER, SINK_POWER, SINK_HIGH, SINK_LOW = LIMITS
RATED = {
    VOLTAGE_HIGH: 10.0, VOLTAGE_LOW: 10.0, SOURCE_HIGH: 15.0, SOURCE_LOW: 15.0,
    SOURCE_POWER: 150.0, SINK_POWER: 150.0, SINK_HIGH: 15.0, SINK_LOW: 15.0,
}  # fmt: skip


def set_limits(bench: Bench, limits: Mapping[int, float]) -> None:
    """As a person does in the menu, in volts, amperes and watts; the set values have to lie within before."""
    device = bench.device
    for place, value in limits.items():
        which, side = LIMITS[place]
        raw = round(FULL_SCALE * value / RATED[place])
        device.limit_raw[place] = raw
        device.set_raw[which] = (min if side == "high" else max)(raw, device.set_raw[which])


async def ready(bench: Bench, limits: Mapping[int, float]) -> None:
    set_limits(bench, limits)
    await bench.driver.connect()
    await bench.driver.commission()


def count_writes(bench: Bench) -> list[bytes]:
    writes: list[bytes] = []

    def tap(address: Address, way: Direction, data: bytes) -> None:
        if way == "to-server" and data[7] in (5, 6):
            writes.append(data[7:])

    bench.network.taps.append(tap)
    return writes


def test_the_declared_range_is_narrowed_to_them_from_connecting_on() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            set_limits(
                bench,
                {VOLTAGE_HIGH: 4.3, VOLTAGE_LOW: 2.5, SOURCE_HIGH: 6.0, SINK_HIGH: 8.0, SOURCE_POWER: 30.0},
            )
            await bench.driver.connect()
            can = bench.driver.capabilities.range
            assert (can.voltage_v_min, can.voltage_v_max) == pytest.approx((2.5, 4.3), abs=2e-4)
            assert (can.charge_current_a_max, can.discharge_current_a_max) == pytest.approx((6.0, 8.0), abs=3e-4)
            assert can.power_w_max == pytest.approx(30.0, abs=3e-3)

    run_virtual(main())


def test_limits_changed_before_commissioning_count_from_then_on() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await bench.driver.connect()
            set_limits(bench, {VOLTAGE_HIGH: 4.0})
            await bench.driver.commission()
            assert bench.driver.capabilities.range.voltage_v_max == pytest.approx(4.0, abs=2e-4)

    run_virtual(main())


@pytest.mark.parametrize(
    ("limits", "order", "says"),
    [
        ({VOLTAGE_HIGH: 4.1}, charge(), "voltage_v 4.2 lies outside 0.000381 ... 4.1"),
        ({VOLTAGE_LOW: 3.0}, discharge(), "voltage_v 2.8 lies outside 3 ... 10"),
        ({SOURCE_HIGH: 4.0}, charge(), "current_a 5 lies outside 0.000572 ... 4"),
        ({SINK_HIGH: 4.0}, discharge(), "current_a 5 lies outside 0.000572 ... 4"),
        ({SOURCE_POWER: 10.0}, charge(power_w=12.0), "power_w 12 lies outside 0.00572 ... 10"),
        ({SINK_POWER: 10.0}, discharge(power_w=12.0), "power_w 12 lies outside 0.00572 ... 10"),
    ],
)
def test_an_order_beyond_them_is_refused_by_name_before_anything_is_written(
    limits: dict[int, float], order: object, says: str
) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await ready(bench, limits)
            writes = count_writes(bench)
            answer = await bench.order(order)
            assert isinstance(answer, DeviceFault)
            assert says in str(answer)
            assert "adjustment limits" in str(answer)
            assert writes == []

    run_virtual(main())


def test_orders_at_them_are_executed_with_the_other_direction_limited_too() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            limits = {VOLTAGE_HIGH: 4.2, VOLTAGE_LOW: 2.8, SOURCE_HIGH: 5.0, SINK_HIGH: 4.0}
            await ready(bench, limits | {SOURCE_POWER: 25.0, SINK_POWER: 20.0})
            for order_id, phase in enumerate([charge(), discharge(4.0), charge(power_w=25.0)], 1):
                await bench.must(phase, order_id)
                await asyncio.sleep(0.1)
            assert (await bench.reading()).current_a == pytest.approx(5.0, abs=0.01)

    run_virtual(main())


@pytest.mark.parametrize(("cell_v", "starts_at_v"), [(2.0, 3.0), (4.5, 4.2)])
def test_an_output_is_switched_on_as_near_to_the_cell_as_they_allow(cell_v: float, starts_at_v: float) -> None:
    async def main() -> None:
        async with psb_bench(cell_v, commissioned=False) as bench:
            await ready(bench, {VOLTAGE_LOW: 3.0, VOLTAGE_HIGH: 4.2})
            await bench.must(charge())
            first = next(supply for supply in bench.cell.supplies if supply.on)
            assert first.voltage_v == pytest.approx(starts_at_v, abs=1e-3)
            assert first.source_current_a == 0.0

    run_virtual(main())


def test_a_power_limit_above_them_is_held_at_them() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await ready(bench, {SOURCE_POWER: 10.0})
            order = Order(order_id=1, phases=(charge(),), limits=DeviceLimits(power_w_max=50.0))
            assert isinstance((await bench.driver.apply({ONE: order}))[ONE], Applied)
            reading = await bench.reading()
            assert reading.current_a * reading.voltage_v == pytest.approx(10.0, abs=0.02)

    run_virtual(main())


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (SOURCE_LOW, "keep its source current at 0.5 A at least"),
        (SINK_LOW, "keep its sink current at 0.5 A at least"),
    ],
)
def test_a_supply_that_cannot_close_a_direction_is_not_commissioned(place: int, says: str) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            set_limits(bench, {place: 0.5})
            await bench.driver.connect()
            writes = count_writes(bench)
            with pytest.raises(DeviceFault, match=says):
                await bench.driver.commission()
            assert writes == []

    run_virtual(main())


@given(limit_v=st.integers(250, 450).map(lambda hundredths: hundredths / 100))
def test_a_voltage_at_its_limit_can_be_ordered_however_the_device_has_rounded_it(limit_v: float) -> None:
    whole = (0, FULL_SCALE)
    reach = Reach.within_ratings(
        voltage=(0, round(FULL_SCALE * limit_v / 10.0)),
        source_current=whole, sink_current=whole, source_power=whole, sink_power=whole,
    )  # fmt: skip
    ratings = Ratings(voltage_v=10.0, current_a=15.0, power_w=150.0)
    assert reach.voltage_v(ratings)[1] >= limit_v
