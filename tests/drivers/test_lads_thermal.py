"""The LADS driver against its simulated chamber, both ends of the wire in one loop."""

import asyncio
import contextlib
import copy
import math
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st
from lads_bench import DEVICE, HOST, LADS_ADDRESS, PORT, LadsBench, lads_bench, lads_driver, utcnow
from opcua_bench import certificates

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from drivers.lads_thermal.driver import DRIVER
from drivers.lads_thermal.nodes import DI, LADS, STATES, UNITS, path
from drivers.links.opcua_nodes import STANDARD, BrowseName, NodeRef
from sims.loop import run_virtual
from sims.network import Address, Direction
from sims.wire.lads_thermal import published as pub
from sims.wire.lads_thermal.tree import Tree

CONTROLLER = "Unit.FunctionSet.TemperatureController"
SENSOR = "Unit.FunctionSet.TemperatureSensor"
LADS_INDEX, MAKER_INDEX = 5, 6
KELVIN = 4932940


SOMEWHERE = "opc.tcp://127.0.0.1:4840/lads"  # where nobody is asked


def bench(test: Callable[[LadsBench], Awaitable[None]], *, commissioned: bool = True, **options: str) -> None:
    async def main() -> None:
        async with lads_bench(commissioned=commissioned, **options) as made:
            await test(made)

    run_virtual(main())


async def show(made: LadsBench, node: str, value: object, *, status: str = "Good", kind: Any = None) -> None:
    """From now on the server answers so."""
    data = ua.DataValue(ua.Variant(value, kind), StatusCode=ua.StatusCode(status))
    await made.node(node).write_attribute(ua.AttributeIds.Value, data)


# Connecting.


@pytest.mark.parametrize("loopback", [False, True])
def test_it_finds_the_chamber_and_says_who_answers(loopback: bool) -> None:
    async def main() -> None:
        async with lads_bench(commissioned=False) as made:
            identity = await made.driver.connect()
            assert (identity.maker, identity.model) == ("formation-cycler", "simulated LADS chamber")
            assert (identity.serial, identity.firmware) == ("L1", "1.1.0 (simulated)")
            able = made.driver.capabilities
            assert (able.temperature_degc_min, able.temperature_degc_max) == (-20.0, 80.0)
            assert able.rate_k_per_min_max == 0.0  # LADS has no word for it
            await made.driver.commission()
            await made.hold(30.0)
            assert (await made.driver.read()).target_degc == 30.0

    run_virtual(main(), loopback=loopback)


def test_a_chamber_of_a_type_that_its_maker_has_derived_is_found() -> None:
    async def test(made: LadsBench) -> None:
        server = made.simulator.server
        published = made.node(CONTROLLER).session
        from_lads = copy.copy(made.node(CONTROLLER))
        from_lads.nodeid = ua.NodeId(1009, LADS_INDEX)
        derived = await from_lads.add_object_type(
            ua.NodeId("derived", MAKER_INDEX), ua.QualifiedName("Own", MAKER_INDEX)
        )
        assert derived.session is published
        for reference in server.aspace[made.node("Unit.FunctionSet").nodeid].references:
            if reference.BrowseName.Name == "TemperatureController":
                reference.TypeDefinition = derived.nodeid
        await made.driver.connect()

    bench(test, commissioned=False)


def two_controllers(made: LadsBench) -> None:
    references = made.simulator.server.aspace[made.node("Unit.FunctionSet").nodeid].references
    (first,) = [found for found in references if found.BrowseName.Name == "TemperatureController"]
    second = copy.copy(first)
    second.BrowseName = ua.QualifiedName("Shelf", LADS_INDEX)
    references.append(second)


def test_of_two_controllers_the_rack_file_names_one() -> None:
    async def test(made: LadsBench) -> None:
        two_controllers(made)
        message = "it controls several temperatures: Chamber/Unit/TemperatureController, Chamber/Unit/Shelf; name one"
        with pytest.raises(ProtocolError, match=message):
            await made.driver.connect()
        for name in ("Shelf", "Unit/Shelf", "Chamber/Unit/Shelf"):
            driver = lads_driver(function=name)
            await driver.connect()
            await driver.aclose()
        with pytest.raises(ProtocolError, match="no temperature called 'helf'"):
            await lads_driver(function="helf").connect()

    bench(test, commissioned=False)


def test_a_controller_of_something_else_is_no_chamber() -> None:
    async def test(made: LadsBench) -> None:
        bar = ua.EUInformation()
        bar.UnitId = 4342098
        await show(made, f"{CONTROLLER}.CurrentValue.EngineeringUnits", bar)
        message = "ch-01: it controls Chamber/Unit/TemperatureController: no temperature"
        with pytest.raises(ProtocolError, match=message):
            await made.driver.connect()
        await made.driver.aclose()

    bench(test, commissioned=False)


def test_a_server_of_other_things_is_another_device_and_names_itself() -> None:
    async def test(made: LadsBench) -> None:
        spaces = made.node("Unit")
        spaces.nodeid = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
        known = await spaces.read_value()
        await spaces.write_value([*known[:2], "urn:else", *known[3:]])
        message = (
            r"urn:formation-cycler:simulated:L1 has no namespace http://opcfoundation.org/UA/DI/; it has urn:else, "
        )
        with pytest.raises(ProtocolError, match=message):
            await made.driver.connect()

    bench(test, commissioned=False)


def test_a_server_whose_devices_are_of_another_kind_says_what_it_holds() -> None:
    async def test(made: LadsBench) -> None:
        for reference in made.simulator.server.aspace[ua.NodeId(5001, 2)].references:
            if reference.BrowseName.Name == "Chamber":
                reference.TypeDefinition = ua.NodeId(1002, 2)  # any device of DI
        with pytest.raises(ProtocolError, match="its DeviceSet holds Chamber: no device of LADS"):
            await made.driver.connect()

    bench(test, commissioned=False)


def test_another_chamber_at_the_same_address_is_refused() -> None:
    async def test(made: LadsBench) -> None:
        chamber = made.node("Unit")
        chamber.nodeid = ua.NodeId("Chamber.SerialNumber", MAKER_INDEX)
        await chamber.write_value("L2")
        with pytest.raises(ProtocolError, match="ch-01: serial number L2 answers where L1 did before"):
            await made.driver.connect()

    bench(test)


def test_a_range_that_is_none_is_refused() -> None:
    async def test(made: LadsBench) -> None:
        await show(made, f"{CONTROLLER}.TargetValue.EURange", ua.Range())
        with pytest.raises(ProtocolError, match="the range of Chamber/Unit/TemperatureController/TargetValue is"):
            await made.driver.connect()

    bench(test, commissioned=False)


def test_a_server_that_is_slow_with_every_answer_is_not_waited_for_without_end() -> None:
    async def test(made: LadsBench) -> None:
        made.faults.begin("late", numbers={"delay_s": 0.4})
        begin_s = asyncio.get_running_loop().time()
        with pytest.raises(LinkError, match="ch-01: its server did not show its parts within 15 s"):
            await made.driver.connect()
        assert asyncio.get_running_loop().time() - begin_s == pytest.approx(15.0)
        made.faults.active.clear()
        await made.driver.connect()

    bench(test, commissioned=False)


@pytest.mark.parametrize("call", ["capabilities", "commission", "read"])
def test_before_it_is_connected_nothing_is_known(call: str) -> None:
    async def test(made: LadsBench) -> None:
        with pytest.raises(LinkError, match="ch-01: not connected"):
            await (getattr(made.driver, call)() if call != "capabilities" else no_call(made.driver.capabilities))

    async def no_call(_: object) -> None:
        pass

    bench(test, commissioned=False)


# Reading.


def test_a_chamber_without_door_sensor_and_lock_is_driven_all_the_same() -> None:
    async def test(made: LadsBench) -> None:
        for part in ("Unit.FunctionSet.Door", SENSOR, "Unit.Lock"):
            await made.node(part).delete(recursive=True)
        await made.driver.connect()
        await made.driver.commission()
        await made.hold(40.0)
        shown = await made.driver.read()
        assert (shown.target_degc, shown.door_open) == (40.0, None)
        with pytest.raises(DeviceFault, match="it has no limits of its own"):
            await made.driver.set_limits(temperature_degc_min=0.0, temperature_degc_max=60.0)
        await made.driver.make_safe()
        assert not made.chamber.running

    bench(test, commissioned=False)


def test_kelvin_are_read_as_celsius() -> None:
    async def test(made: LadsBench) -> None:
        kelvin, span = ua.EUInformation(), ua.Range()
        kelvin.UnitId, span.Low, span.High = KELVIN, 253.15, 353.15
        await show(made, f"{CONTROLLER}.CurrentValue.EngineeringUnits", kelvin)
        await show(made, f"{CONTROLLER}.CurrentValue.EURange", span)
        await show(made, f"{CONTROLLER}.CurrentValue", 298.15)
        await made.driver.connect()
        assert (await made.driver.read()).air_degc == pytest.approx(25.0)

    bench(test, commissioned=False)


@given(temperature_degc=st.floats(-100.0, 200.0))
def test_units_are_converted_there_and_back(temperature_degc: float) -> None:
    for unit in UNITS.values():
        assert unit.to_degc(unit.from_degc(temperature_degc)) == pytest.approx(temperature_degc, abs=1e-9)


def test_units_are_told_by_their_unece_codes() -> None:
    freezing = {code: unit.from_degc(0.0) for code, unit in UNITS.items()}
    assert freezing == {4408652: 0.0, KELVIN: 273.15, 4604232: 32.0}
    assert [unit.from_degc(100.0) for unit in UNITS.values()] == pytest.approx([100.0, 373.15, 212.0])


def test_paths_are_written_as_the_standard_prints_them() -> None:
    assert path("LADS:State/DI:Lock/Id") == (
        BrowseName(LADS, "State"),
        BrowseName(DI, "Lock"),
        BrowseName(STANDARD, "Id"),
    )


def test_a_broken_sensor_is_no_temperature() -> None:
    async def test(made: LadsBench) -> None:
        made.faults.begin("sensor-break")
        assert math.isnan((await made.driver.read()).air_degc)
        made.faults.active.clear()
        assert (await made.driver.read()).air_degc == pytest.approx(25.0)
        made.faults.begin("nan")
        assert math.isnan((await made.driver.read()).air_degc)

    bench(test)


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        (25.0, "UncertainLastUsableValue", "the read of CurrentValue was answered with UncertainLastUsableValue"),
        ("warm", "Good", "CurrentValue holds 'warm', not a number"),
        (True, "Good", "CurrentValue holds True, not a number"),
        (9.9e37, "Good", r"CurrentValue is 9.9e\+37 degC, far outside its range of -20 to 80 degC"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_its_node(value: object, status: str, message: str) -> None:
    async def test(made: LadsBench) -> None:
        node = made.simulator.server.aspace[made.node(f"{CONTROLLER}.CurrentValue").nodeid]
        attribute = node.attributes[ua.AttributeIds.Value]
        attribute.value_callback = None
        attribute.value = ua.DataValue(ua.Variant(value), StatusCode=ua.StatusCode(status))
        with pytest.raises(ProtocolError if status == "Good" else DeviceFault, match=f"ch-01: .*{message}"):
            await made.driver.read()

    bench(test)


def test_a_value_that_is_not_measured_any_more_is_stale_by_the_servers_own_clock() -> None:
    async def test(made: LadsBench) -> None:
        await asyncio.sleep(100.0)
        made.faults.begin("frozen", now_s=asyncio.get_running_loop().time())
        await made.driver.read()
        await asyncio.sleep(5.5)
        with pytest.raises(LinkError, match=r"ch-01: CurrentValue is 5\.5 s old, and stale from 5 s on"):
            await made.driver.read()
        patient, careless = lads_driver(stale_after="10 s", lock="no"), lads_driver(stale_after="never", lock="no")
        for driver in (patient, careless):
            await driver.connect()
            assert (await driver.read()).air_degc == pytest.approx(25.0)
        await asyncio.sleep(5.0)
        with pytest.raises(LinkError, match="stale from 10 s on"):
            await patient.read()
        await careless.read()
        for driver in (patient, careless):
            await driver.aclose()

    bench(test)


def test_a_device_that_reports_its_failure_is_not_believed_any_more() -> None:
    async def test(made: LadsBench) -> None:
        health = made.node("Unit")
        health.nodeid = ua.NodeId("Chamber.DeviceHealth", MAKER_INDEX)
        await health.write_value(ua.Variant(4, ua.VariantType.Int32))  # maintenance required
        await made.driver.read()
        await health.write_value(ua.Variant(1, ua.VariantType.Int32))
        with pytest.raises(DeviceFault, match="ch-01: its DeviceHealth is FAILURE"):
            await made.driver.read()

    bench(test)


def test_a_server_that_does_not_run_is_not_believed() -> None:
    async def test(made: LadsBench) -> None:
        state = made.node("Unit")
        state.nodeid = ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)
        await state.write_value(ua.Variant(3, ua.VariantType.Int32))
        with pytest.raises(LinkError, match="its server's state is 3, not 0"):
            await made.driver.read()

    bench(test)


def test_a_state_that_its_maker_has_added_is_asked_for_its_name() -> None:
    async def test(made: LadsBench) -> None:
        parent = made.node(CONTROLLER)
        for name in ("Aborted", "Aborting"):
            own = await parent.add_object(ua.NodeId(name, MAKER_INDEX), ua.QualifiedName(name, MAKER_INDEX))
            await show(made, f"{CONTROLLER}.ControlFunctionState.CurrentState.Id", own.nodeid)
            with pytest.raises(DeviceFault, match=f"TemperatureController is {name}"):
                await made.driver.read()

    bench(test)


def test_an_open_door_ends_the_run_and_the_chamber_is_cleared_when_it_is_closed() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        made.chamber.set_fault("door-open", present=True)
        with pytest.raises(
            DeviceFault, match="ch-01: Chamber/Unit/TemperatureController is Aborting; its door is Opened"
        ):
            await made.driver.read()
        assert not made.chamber.running
        await asyncio.sleep(60.0)
        with pytest.raises(DeviceFault, match="is Aborted; its door is Opened"):
            await made.driver.read()
        with pytest.raises(DeviceFault, match="is Aborted: it cannot be started"):
            await made.hold(45.0)
        with pytest.raises(
            DeviceFault, match="the call of ControlFunctionState/Clear was answered with BadInvalidState"
        ):
            await made.driver.commission()
        made.chamber.set_fault("door-open", present=False)
        await made.driver.commission()
        shown = await made.driver.read()
        assert (shown.door_open, made.chamber.running) == (False, False)  # cleared, and not started
        await made.hold(45.0)
        assert made.chamber.running

    bench(test)


def test_a_door_that_is_open_while_it_stands_still_is_seen() -> None:
    async def test(made: LadsBench) -> None:
        made.chamber.set_fault("door-open", present=True)
        assert (await made.driver.read()).door_open is True

    bench(test)


def test_the_door_of_another_device_of_the_same_server_is_not_its_own() -> None:
    async def test(made: LadsBench) -> None:
        server = made.simulator.server
        spaces = made.node("Unit")
        spaces.nodeid = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
        tree = Tree(server, await spaces.read_value(), utcnow)
        part = tree.type_id(pub.DEVICE_SET)
        for name, kind in (
            ("Oven", pub.LADS_DEVICE),
            ("FunctionalUnitSet", pub.UNIT_SET),
            ("Unit", pub.FUNCTIONAL_UNIT),
            ("FunctionSet", pub.FUNCTION_SET),
            ("Door", pub.COVER),
            ("CoverState", pub.COVER_STATES),
        ):
            part = tree.instance(part, LADS, name, kind)
        text, node = ua.VariantType.LocalizedText, ua.VariantType.NodeId
        current = tree.variable(part, "", "CurrentState", text, ua.LocalizedText)
        tree.variable(current, "", "Id", node, lambda: ua.NodeId(pub.OPENED.node, LADS_INDEX))
        await made.driver.connect()
        assert (await made.driver.read()).door_open is False

    bench(test, commissioned=False)


# Setting.


def test_it_is_started_with_its_first_set_value_and_runs_on_with_the_next() -> None:
    async def test(made: LadsBench) -> None:
        assert not made.chamber.running
        await made.hold(45.0)
        assert (made.chamber.running, made.chamber.target_degc) == (True, 45.0)
        await made.hold(50.0)
        assert (made.chamber.running, made.chamber.target_degc) == (True, 50.0)

    bench(test)


def test_a_chamber_that_starts_only_with_its_set_value_gets_it() -> None:
    async def test(made: LadsBench) -> None:
        await made.node(f"{CONTROLLER}.ControlFunctionState.Start").delete()
        await made.driver.connect()
        await made.driver.commission()
        await made.hold(45.0)
        assert (made.chamber.running, made.chamber.target_degc) == (True, 45.0)
        await made.driver.make_safe()
        await made.node(f"{CONTROLLER}.ControlFunctionState.StartWithTargetValue").delete()
        await made.driver.connect()
        with pytest.raises(DeviceFault, match="is Stopped and offers no Start: start it at the device"):
            await made.hold(45.0)

    bench(test, commissioned=False)


@pytest.mark.parametrize(
    ("node", "value", "message"),
    [
        (f"{CONTROLLER}.IsEnabled", False, "Chamber/Unit/TemperatureController is not enabled"),
        ("DeviceState.CurrentState.Id", ua.NodeId(5259, LADS_INDEX), "its device state is Sleep: it has to be Operate"),
    ],
)
def test_a_device_that_is_not_ready_is_not_commissioned(node: str, value: object, message: str) -> None:
    async def test(made: LadsBench) -> None:
        await made.driver.connect()
        found = made.node(node)
        if node.startswith("DeviceState"):
            found.nodeid = ua.NodeId(f"Chamber.{node}", MAKER_INDEX)
        await found.write_value(value)
        with pytest.raises(DeviceFault, match=message):
            await made.driver.commission()

    bench(test, commissioned=False)


def test_limits_are_set_whichever_way_they_move() -> None:
    async def test(made: LadsBench) -> None:
        for limits_degc in ((30.0, 40.0), (50.0, 60.0), (0.0, 10.0), (-20.0, 80.0), (5.0, 6.0)):
            low_degc, high_degc = limits_degc
            await made.driver.set_limits(temperature_degc_min=low_degc, temperature_degc_max=high_degc)
            assert made.chamber.limits_degc == limits_degc

    bench(test)


def test_limits_that_are_not_taken_are_an_error() -> None:
    async def test(made: LadsBench) -> None:
        made.faults.begin("not-applied")
        message = "AlarmMonitor/LowLowLimit is -20 degC, 0 degC was ordered"
        with pytest.raises(DeviceFault, match=message):
            await made.driver.set_limits(temperature_degc_min=0.0, temperature_degc_max=60.0)

    bench(test)


def test_of_two_sensors_neither_is_guessed_to_be_the_chambers() -> None:
    async def test(made: LadsBench) -> None:
        references = made.simulator.server.aspace[made.node("Unit.FunctionSet").nodeid].references
        (first,) = [found for found in references if found.BrowseName.Name == "TemperatureSensor"]
        second = copy.copy(first)
        second.BrowseName = ua.QualifiedName("Probe", LADS_INDEX)
        references.append(second)
        for sensor, has_limits in ((None, False), ("Probe", True)):
            driver = lads_driver() if sensor is None else lads_driver(sensor=sensor)
            await driver.connect()
            with contextlib.nullcontext() if has_limits else pytest.raises(DeviceFault, match="no limits of its own"):
                await driver.set_limits(temperature_degc_min=0.0, temperature_degc_max=60.0)
            await driver.aclose()
        with pytest.raises(ProtocolError, match="no temperature called 'Nose'"):
            await lads_driver(sensor="Nose").connect()

    bench(test, commissioned=False)


# Off.


@pytest.mark.parametrize("was_running", [False, True])
def test_an_off_at_any_message_of_a_new_set_value_leaves_the_chamber_off(was_running: bool) -> None:
    async def at(message: int) -> bool:
        """Whether the set value was there before that message."""
        async with lads_bench() as made:
            if was_running:
                await made.hold(30.0)
            seen = 0
            offs: list[asyncio.Task[None]] = []

            def tap(address: Address, way: Direction, data: bytes) -> None:
                nonlocal seen
                seen += 1
                if seen == message:
                    offs.append(asyncio.create_task(made.driver.make_safe()))

            holding = asyncio.create_task(made.hold(45.0))
            made.network.taps.append(tap)
            with contextlib.suppress(DeviceError):
                await holding
            was_done = not offs
            if was_done:
                offs.append(asyncio.create_task(made.driver.make_safe()))
            await offs[0]
            assert not made.chamber.running
            await asyncio.sleep(10.0)
            assert not made.chamber.running
            return was_done

    messages = 1
    while not run_virtual(at(messages)):
        messages += 1
    assert messages > 6


def test_an_off_voids_set_values_that_still_wait_for_their_turn() -> None:
    async def test(made: LadsBench) -> None:
        holding = [asyncio.create_task(made.hold(target_degc)) for target_degc in (40.0, 45.0)]
        await asyncio.sleep(0.0)
        await made.driver.make_safe()
        for outcome in await asyncio.gather(*holding, return_exceptions=True):
            assert isinstance(outcome, DeviceFault)
            assert "it was made safe while this was under way" in str(outcome)
        assert not made.chamber.running
        assert made.device.target_degc != 45.0

    bench(test)


def test_an_off_finds_its_chamber_by_itself() -> None:
    async def test(made: LadsBench) -> None:
        made.device.start()
        await made.driver.make_safe()
        assert not made.chamber.running

    bench(test, commissioned=False)


def test_an_off_opens_a_lost_session_once_more() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        lost = made.network.connections[LADS_ADDRESS]

        def swallow(address: Address, way: Direction, data: bytes) -> tuple[()] | None:
            return () if made.network.connections[LADS_ADDRESS] == lost else None

        made.network.taps.append(swallow)
        await made.driver.make_safe()
        assert not made.chamber.running

    bench(test)


@pytest.mark.parametrize("times", [1, 3])
def test_an_off_that_is_ignored_is_repeated(times: int) -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        made.faults.begin("off-ignored", numbers={"times": times})
        await made.driver.make_safe()
        assert not made.chamber.running

    bench(test)


def test_an_off_that_is_never_carried_out_is_an_error() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        made.faults.begin("off-ignored")
        with pytest.raises(DeviceFault, match="Chamber/Unit/TemperatureController is Running 5 s after it was stopped"):
            await made.driver.make_safe()

    bench(test)


def test_where_the_function_offers_no_stop_the_unit_does_and_an_abort_is_the_last_resort() -> None:
    async def test(made: LadsBench) -> None:
        for method, state in (
            (f"{CONTROLLER}.ControlFunctionState.Stop", "STOPPED"),
            ("Unit.FunctionalUnitState.Stop", "ABORTED"),
        ):
            await made.node(method).delete()
            await made.driver.connect()
            await made.driver.commission()
            await made.hold(45.0)
            await made.driver.make_safe()
            assert made.device.state.name == state
        await made.node(f"{CONTROLLER}.ControlFunctionState.Abort").delete()
        with pytest.raises(ProtocolError, match="offers no Stop and no Abort, nor does its unit"):
            await made.driver.connect()

    bench(test)


# The lock.


def test_as_long_as_we_hold_the_unit_nobody_else_moves_the_chamber() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        other = lads_driver(lock="no")
        await other.connect()
        with pytest.raises(DeviceFault, match="the write of TargetValue was answered with BadUserAccessDenied"):
            await other.set_target(temperature_degc=20.0, rate_k_per_min=None)
        with pytest.raises(DeviceFault, match="BadUserAccessDenied"):
            await other.set_limits(temperature_degc_min=0.0, temperature_degc_max=60.0)
        assert (made.chamber.target_degc, made.chamber.running) == (45.0, True)
        await other.aclose()

    bench(test)


def test_a_unit_that_somebody_else_holds_is_not_ours_and_says_whose_it_is() -> None:
    async def test(made: LadsBench) -> None:
        made.device.init_lock("a session", client="urn:other:host")
        await made.driver.connect()
        with pytest.raises(DeviceFault, match="its unit is locked by 'urn:other:host'"):
            await made.driver.commission()
        assert (await made.driver.read()).target_degc == 25.0

    bench(test, commissioned=False)


def test_an_off_breaks_whatever_lock_stands_in_its_way() -> None:
    async def test(made: LadsBench) -> None:
        made.device.start()
        made.device.init_lock("a session", client="urn:other:host")
        await made.driver.make_safe()
        assert not made.chamber.running

    bench(test, commissioned=False)


def test_a_lock_is_kept_for_as_long_as_somebody_reads() -> None:
    async def test(made: LadsBench) -> None:
        for _ in range(360):
            await asyncio.sleep(10.0)
            await made.driver.read()
            assert made.device.lock() is not None
        await made.hold(30.0)

    bench(test)


def test_a_lock_that_ended_is_taken_again_with_the_next_order() -> None:
    async def test(made: LadsBench) -> None:
        assert made.device.break_lock()
        await made.driver.read()
        assert made.device.lock() is None  # it is not noticed until it matters
        await asyncio.sleep(25.0)
        await made.driver.read()
        for _ in range(20):
            await asyncio.sleep(20.0)
            await made.driver.read()
        await made.hold(30.0)
        assert made.device.lock() is not None

    bench(test)


def test_the_lock_of_a_session_that_was_lost_is_broken_by_its_successor() -> None:
    async def test(made: LadsBench) -> None:
        made.network.unplug(LADS_ADDRESS)  # the server does not learn of the end
        with pytest.raises(LinkError):
            await made.driver.read()
        made.network.plug(LADS_ADDRESS)
        await made.hold(45.0)
        assert made.chamber.target_degc == 45.0

    bench(test)


def test_letting_go_frees_the_unit_and_leaves_the_chamber_running() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        await made.driver.aclose()
        await made.driver.aclose()
        assert made.device.lock() is None
        assert made.chamber.running

    bench(test)


def test_without_the_option_no_lock_is_taken() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        await made.driver.read()
        assert made.device.lock() is None

    bench(test, lock="no")


# Trouble.


def test_after_a_power_failure_it_stands_still_and_starts_with_the_next_set_value() -> None:
    async def test(made: LadsBench) -> None:
        await made.hold(45.0)
        made.simulator.restart()
        await asyncio.sleep(1.0)
        shown = await made.driver.read()
        assert (shown.target_degc, made.chamber.running) == (45.0, False)
        await made.hold(45.0)
        assert made.chamber.running

    bench(test)


def test_an_hour_on_the_wire_costs_one_request_a_reading() -> None:
    async def test(made: LadsBench) -> None:
        await made.driver.read()
        before = made.network.chunks[LADS_ADDRESS, "to-server"]
        for _ in range(360):
            await asyncio.sleep(10.0)
            await made.driver.read()
        assert made.network.chunks[LADS_ADDRESS, "to-server"] - before <= 360 + 20  # renewed: a channel, a lock

    bench(test)


@settings(max_examples=40)
@given(chunks=st.lists(st.binary(min_size=1, max_size=120), max_size=6), at=st.integers(0, 60))
def test_whatever_a_device_says_only_device_errors_come_out(chunks: list[bytes], at: int) -> None:
    async def test(made: LadsBench) -> None:
        replies, seen = iter(chunks), 0

        def lie(address: Address, way: Direction, data: bytes) -> list[tuple[float, bytes]] | None:
            nonlocal seen
            seen += way == "to-client"
            if way == "to-server" or seen < at or (chunk := next(replies, None)) is None:
                return None
            return [(0.0, data[:8] + chunk if len(chunk) % 2 else chunk)]

        made.network.taps.append(lie)
        driver = made.driver
        for call in (driver.connect, driver.commission, driver.read, driver.make_safe, driver.read):
            begin_s = asyncio.get_running_loop().time()
            with contextlib.suppress(DeviceError):
                await call()
            assert asyncio.get_running_loop().time() - begin_s < 60.0

    bench(test, commissioned=False)


# The rack file.


@pytest.mark.parametrize(
    ("resource", "options", "message"),
    [
        ("modbus-tcp://h:1", {}, "its resource is no opc.tcp://host:port/path"),
        ("opc.tcp:///path", {}, "its resource is no opc.tcp://host:port/path"),
        ("opc.tcp://h:1?unit=1", {}, "an OPC UA address takes no options"),
        (SOMEWHERE, {}, "security: encrypt takes the names of files; certificate is not given"),
        (
            SOMEWHERE,
            {"security": "sign", "certificate": "c"},
            "security: sign takes the names of files; key is not given",
        ),
        (SOMEWHERE, {"security": "some"}, "security: 'some' is none of encrypt, sign, none"),
        (SOMEWHERE, {"security": "none", "login_file": "l"}, "login_file is of no use with security: none"),
        (SOMEWHERE, {"security": "none", "door": "x"}, "option 'door' is unknown; there are security, certificate"),
        (SOMEWHERE, {"security": "none", "lock": "maybe"}, "lock: 'maybe' is neither yes nor no"),
        (
            SOMEWHERE,
            {"security": "none", "stale_after": "0 s"},
            "stale_after: '0 s' is no time in s, like 5 s, and not never",
        ),
        (SOMEWHERE, {"security": "none", "stale_after": "5"}, "stale_after: '5' is no time in s"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_opened(
    resource: str, options: dict[str, str], message: str
) -> None:
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse(resource), options=options)
    assert DRIVER.offline is not None
    with pytest.raises(ValueError, match=f"{DEVICE}: .*{message}"):
        DRIVER.offline(settings)


def test_keys_and_login_are_read_when_the_device_is_opened(tmp_path: Path) -> None:
    folder = certificates(tmp_path)
    options = {
        "certificate": f"{folder}/rack.der",
        "key": f"{folder}/rack.pem",
        "server_certificate": f"{folder}/server.der",
        "login_file": f"{folder}/login",
    }
    resource = Resource.parse(f"opc.tcp://{HOST}:{PORT}")
    surroundings = Surroundings(utcnow=lambda: pytest.fail("nobody asks for the time"))
    DRIVER.opens(DeviceSettings(device=DEVICE, resource=resource, options=options), surroundings)
    (folder / "login").unlink()
    with pytest.raises(ValueError, match=r"ch-01: .*/login: No such file"):
        DRIVER.opens(DeviceSettings(device=DEVICE, resource=resource, options=options), surroundings)


def test_the_driver_is_known_without_its_stack() -> None:
    program = "import sys, drivers.lads_thermal.driver; sys.exit('asyncua' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_states_of_the_published_types_have_one_name_each() -> None:
    assert STATES[NodeRef(LADS, 5085)] == "Stopped"
    assert len(set(STATES.values())) == len(STATES)
