"""The thresholds at which the supply opens by itself: kept are those that the rack file gives and the device holds."""

from dataclasses import replace

import pytest
from psb_bench import Bench, charge, discharge, psb_bench

from cycler.contract.capabilities import Capabilities
from cycler.contract.errors import DeviceFault
from cycler.contract.order import Applied, DeviceLimits
from cycler.recipe.lookup import LIBRARY, load_cell_type
from cycler.safety.declaration import Input
from cycler.safety.start_checks import position_refusals
from sims.loop import run_virtual
from sims.wire.ea_psb.device import PsbModel

LOWER_MODEL = PsbModel(threshold_raw_max=0xD2F1)  # thresholds end at 103 %
ALL = {
    "over_voltage": "4.5 V", "over_current": "8 A", "sink_over_current": "9 A",
    "over_power": "40 W", "sink_over_power": "45 W",
}  # fmt: skip


def declared(options: dict[str, str], model: PsbModel | None = None) -> Capabilities:
    async def main() -> Capabilities:
        async with psb_bench(options=options, model=model) as bench:
            return bench.driver.capabilities

    return run_virtual(main())


def without(*keys: str) -> dict[str, str]:
    return {key: value for key, value in ALL.items() if key not in keys}


@pytest.mark.parametrize("model", [None, LOWER_MODEL])
@pytest.mark.parametrize(
    ("options", "protections"),
    [
        ({}, set()),
        (ALL, {"over_voltage", "over_current", "over_power"}),
        ({"over_voltage": "4.5 V"}, {"over_voltage"}),
        (without("sink_over_current"), {"over_voltage", "over_power"}),
        (without("over_voltage", "over_power"), {"over_current"}),
    ],
)
def test_only_what_the_rack_file_gives_is_declared_as_kept(
    options: dict[str, str], protections: set[str], model: PsbModel | None
) -> None:
    assert declared(options, model).protections == protections


def test_what_the_rack_file_does_not_give_stays_as_it_stands_at_the_device() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, options={"over_voltage": "4.5 V"}) as bench:
            bench.device.thresholds["OCP"] = 20000
            before = dict(bench.device.thresholds)
            await bench.driver.connect()
            await bench.driver.commission()
            assert bench.device.thresholds == before | {"OVP": round(52428 * 0.45)}
            # It opens the output all the same, so an order that reaches it is refused.
            answer = await bench.order(charge(6.0))
            assert isinstance(answer, DeviceFault)
            assert "current_a 6 reaches the protection that opens the output at 5.722" in str(answer)

    run_virtual(main())


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({}, ("over_voltage", "over_current", "sink_over_current")),
        ({"over_voltage": "4.5 V", "over_current": "8 A"}, ("sink_over_current",)),
        (without("over_power", "sink_over_power"), ()),  # voltage and current bound the power
    ],
)
def test_limits_count_as_read_back_only_with_voltage_and_both_currents(
    options: dict[str, str], missing: tuple[str, ...]
) -> None:
    can = declared(options)
    assert can.limit_readback == ("no" if missing else "yes")
    assert can.limits_missing == tuple(f"{key} was not configured and read back" for key in missing)


def test_a_question_that_was_not_answered_is_named_where_limits_are_missing() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, options=ALL) as bench:
            await bench.driver.connect()
            bench.network.taps.append(lambda address, way, data: () if data == b"SYST:ALAR:ACT:OTEM?\n" else None)
            await bench.driver.commission()
            assert bench.driver.capabilities.limits_missing == ("SYST:ALAR:ACT:OTEM? was not answered",)

    run_virtual(main())


INPUTS: frozenset[Input] = frozenset({"voltage", "current", "temperature"})


def test_a_start_without_a_contactor_says_which_threshold_is_missing() -> None:
    can = declared({"over_voltage": "4.5 V", "over_current": "8 A"})
    assert can.watchdog is not None
    can = replace(can, watchdog=replace(can.watchdog, proven=True))  # as a proof test has shown
    cell_type = load_cell_type(LIBRARY / "cell-types" / "nmc811-21700.yaml")
    (refusal,) = position_refusals(cell_type, can, INPUTS, contactor=False)
    assert "(sink_over_current was not configured and read back), and there is no contactor" in refusal.text
    assert position_refusals(cell_type, can, INPUTS, contactor=True) == []


async def refused(bench: Bench) -> str:
    await bench.driver.connect()
    with pytest.raises(DeviceFault) as caught:
        await bench.driver.commission()
    assert bench.device.owner is None
    return str(caught.value)


def test_a_threshold_that_the_model_cannot_hold_is_refused_by_name() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, model=LOWER_MODEL, options={"over_voltage": "10.5 V"}) as bench:
            text = await refused(bench)
            assert "over_voltage: VOLT:PROT was set to 10.500 and reads back 10.300" in text
            assert "103 %" in text

    run_virtual(main())


@pytest.mark.parametrize(("phase", "asked"), [(charge(), "voltage_v_max"), (discharge(), "discharge_current_a_max")])
def test_a_threshold_above_the_limit_asked_for_is_not_claimed_to_keep_it(phase: object, asked: str) -> None:
    async def main() -> None:
        async with psb_bench(options=ALL) as bench:
            answer = await bench.order(phase, limits=DeviceLimits(**{asked: 4.3 if "voltage" in asked else 6.0}))
            assert isinstance(answer, Applied)
            assert answer.limits == DeviceLimits()

    run_virtual(main())
