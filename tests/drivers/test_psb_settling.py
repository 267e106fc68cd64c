"""An echo confirms reception, not effect: the driver waits until the supply shows what it was told."""

import asyncio

import pytest
from psb_bench import ONE, charge, psb_bench

from cycler.contract.errors import DeviceFault
from sims.loop import run_virtual
from sims.wire.ea_psb.device import Interface, PsbDevice, PsbModel

SLOW_S = 0.2


class StuckInResistanceMode(PsbDevice):
    """It echoes that it leaves the mode, and stays in it."""

    resistance_mode = property(lambda _: True, lambda *_: None)


def test_remote_control_that_comes_a_little_late_is_waited_for() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            device, take = bench.device, bench.device.take_control

            def slowly(interface: Interface) -> None:
                late = interface is Interface.MODBUS_TCP
                asyncio.get_running_loop().call_later(SLOW_S, take, interface) if late else take(interface)

            device.take_control = slowly  # type: ignore[method-assign]
            await bench.driver.connect()
            await bench.driver.commission()
            assert device.owner is Interface.MODBUS_TCP

    run_virtual(main())


def test_remote_control_that_never_comes_is_a_fault() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            device, take = bench.device, bench.device.take_control
            device.take_control = lambda interface: (  # type: ignore[method-assign]
                None if interface is Interface.MODBUS_TCP else take(interface)
            )
            await bench.driver.connect()
            with pytest.raises(DeviceFault, match=r"remote control was switched on and is off after 0.5 s"):
                await bench.driver.commission()

    run_virtual(main())


def test_a_resistance_mode_that_cannot_be_left_is_a_fault() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await bench.driver.connect()
            bench.device.__class__ = StuckInResistanceMode
            with pytest.raises(DeviceFault, match=r"resistance mode was switched off and is on after 0.5 s"):
                await bench.driver.commission()

    run_virtual(main())


def test_an_alarm_that_goes_out_a_little_late_is_waited_for() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            device, acknowledge = bench.device, bench.device.acknowledge
            device.trip("OT")
            device.clear_cause("OT")
            device.acknowledge = lambda: asyncio.get_running_loop().call_later(  # type: ignore[method-assign]
                SLOW_S, acknowledge
            )
            await bench.driver.acknowledge([ONE])
            assert device.alarms == set()

    run_virtual(main())


def test_after_a_power_failure_acknowledging_ends_when_the_output_can_be_switched_on() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device.trip("PF")
            bench.device.clear_cause("PF")
            await bench.driver.acknowledge([ONE])
            await bench.must(charge())

    run_virtual(main())


def test_a_10000_that_cannot_acknowledge_a_power_failure_yet_says_how_long_it_takes() -> None:
    async def main() -> None:
        model = PsbModel(name="PSB 10060-60", power_fail_hold_s=12.0)
        async with psb_bench(model=model) as bench:
            bench.device.trip("PF")
            bench.device.clear_cause("PF")
            with pytest.raises(DeviceFault, match=r"power fail .* still stands: .* 12 s after the power is back"):
                await bench.driver.acknowledge([ONE])
            for _ in range(12):
                await bench.reading()
                await asyncio.sleep(1.0)
            await bench.driver.acknowledge([ONE])
            await bench.must(charge())

    run_virtual(main())


def test_what_keeps_an_output_from_coming_on_is_named() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device.shut_off_by_pin(True)
            answer = await bench.order(charge())
            assert isinstance(answer, DeviceFault)
            assert "its output is off, ordered was on, REM-SB stands" in str(answer)

    run_virtual(main())
