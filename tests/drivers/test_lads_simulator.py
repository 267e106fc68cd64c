"""The simulated LADS chamber by its sheet, as a client that knows nothing of our driver finds it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from asyncua import Client, Node, ua
from hypothesis import given, settings
from hypothesis import strategies as st
from lads_bench import HOST, PORT, URL, LadsBench, lads_bench
from world_bench import at, run, world

from cycler.contract.plugin import Resource
from cycler.contract.world import SimulatedDevice
from sims.loop import run_virtual
from sims.testing.wired import BEGINNING_UTC
from sims.wire.lads_thermal.device import LOCK_S, State
from sims.wire.lads_thermal.server import ACTIVATION_S, CONNECTIONS_MAX
from sims.wire.lads_thermal.simulator import simulate

CONTROLLER = "Unit.FunctionSet.TemperatureController"
MACHINE = f"{CONTROLLER}.ControlFunctionState"
MONITOR = "Unit.FunctionSet.TemperatureSensor.AlarmMonitor"
LOCK = "Unit.Lock"
STOPPED, RUNNING, STOPPING, ABORTING, ABORTED = 4, 5, 6, 2, 1

Scenario = Callable[["Host", LadsBench], Awaitable[None]]


class Host:
    """A plain client of the simulated server."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def node(self, path: str) -> Node:
        return self.client.get_node(ua.NodeId(f"Chamber.FunctionalUnitSet.{path}", 6))

    async def value(self, path: str) -> object:
        return await self.node(path).read_value()

    async def write(self, path: str, value: object) -> None:
        await self.node(path).write_value(ua.Variant(value))

    async def call(self, machine: str, method: str, *arguments: object) -> object:
        return await self.node(machine).call_method(self.node(f"{machine}.{method}").nodeid, *arguments)

    async def state(self) -> object:
        return await self.value(f"{MACHINE}.CurrentState.Number")


@contextlib.asynccontextmanager
async def host() -> AsyncIterator[Host]:
    """Without the stack's background tasks, which know no virtual time."""
    client = Client(URL, timeout=2.0)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    await client.activate_session()
    try:
        yield Host(client)
    finally:
        await client.uaclient.close_session(True)
        await client.close_secure_channel()
        client.disconnect_socket()


def simulated(test: Scenario) -> None:
    async def main() -> None:
        async with lads_bench(commissioned=False) as made, host() as found:
            await test(found, made)

    run_virtual(main())


def refused(status: str) -> pytest.RaisesExc[ua.UaStatusCodeError]:
    return pytest.raises(ua.UaStatusCodeError, match=rf"\({status}\)")


# The tree.


def test_the_chamber_is_where_lads_puts_it_and_every_state_machine_has_its_state() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        spaces = await found.client.get_namespace_array()
        di, lads = (spaces.index(f"http://opcfoundation.org/UA/{name}/") for name in ("DI", "LADS"))
        device_set = await found.client.nodes.objects.get_child(f"{di}:DeviceSet")
        assert device_set.nodeid == ua.NodeId(5001, di)
        chamber = await device_set.get_child(f"{lads}:Chamber")
        assert await chamber.read_type_definition() == ua.NodeId(1002, lads)
        functions = await chamber.get_child([f"{lads}:FunctionalUnitSet", f"{lads}:Unit", f"{lads}:FunctionSet"])
        types = {
            (await child.read_browse_name()).Name: (await child.read_type_definition()).Identifier
            for child in await functions.get_children()
        }
        assert types == {"TemperatureController": 1009, "TemperatureSensor": 1016, "Door": 1011}
        machines = 0
        for node in await all_below(chamber):
            if (await node.read_browse_name()).Name.endswith(
                "State"
            ) and await node.read_node_class() == ua.NodeClass.Object:
                machines += 1
                state = found.client.get_node(await (await node.get_child(["0:CurrentState", "0:Id"])).read_value())
                number = await (await node.get_child(["0:CurrentState", "0:Number"])).read_value()
                text = await (await node.get_child("0:CurrentState")).read_value()
                assert (await state.read_browse_name()).Name == text.Text
                assert await (await state.get_child("0:StateNumber")).read_value() == number
        assert machines == 4

    simulated(test)


async def all_below(node: Node) -> list[Node]:
    found = []
    for child in await node.get_children():
        found += [child, *await all_below(child)]
    return found


def test_types_descend_as_published() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        async def above(number: int, index: int) -> list[tuple[int, int]]:
            chain, node = [], found.client.get_node(ua.NodeId(number, index))
            while parents := await node.get_referenced_nodes(ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse):
                (node,) = parents
                chain.append((node.nodeid.NamespaceIndex, node.nodeid.Identifier))
            return chain

        assert await above(1009, 5) == [(5, 1007), (5, 1004), (2, 1001), (0, 58)]
        assert await above(1016, 5) == [(5, 1046), (5, 1005), (5, 1004), (2, 1001), (0, 58)]
        assert await above(1002, 5) == [(2, 1002), (2, 15063), (2, 1001), (0, 58)]
        assert await above(1044, 5) == [(5, 1038), (0, 2771), (0, 2299), (0, 58)]

    simulated(test)


def test_values_have_units_a_range_and_the_chambers_own_time() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        await asyncio.sleep(50.0)
        data = await found.node(f"{CONTROLLER}.CurrentValue").read_data_value()
        assert data.Value.Value == pytest.approx(25.0)
        assert 50.0 <= (data.SourceTimestamp - BEGINNING_UTC).total_seconds() <= 51.0
        now = await found.client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
        assert 0.0 <= (now - data.SourceTimestamp).total_seconds() < 0.1
        for name in ("CurrentValue", "TargetValue"):
            assert (await found.value(f"{CONTROLLER}.{name}.EngineeringUnits")).UnitId == 4408652
            span = await found.value(f"{CONTROLLER}.{name}.EURange")
            assert (span.Low, span.High) == (-20.0, 80.0)

    simulated(test)


# What it lets itself be told.


@pytest.mark.parametrize(
    "path",
    [f"{CONTROLLER}.CurrentValue", f"{CONTROLLER}.IsEnabled", f"{MACHINE}.CurrentState.Number", f"{LOCK}.Locked"],
)
def test_what_is_read_only_refuses_to_be_written(path: str) -> None:
    async def test(found: Host, made: LadsBench) -> None:
        before = await found.value(path)
        with refused("BadUserAccessDenied"):
            await found.write(path, before)
        with refused("BadUserAccessDenied"):
            await found.client.delete_nodes([found.node(path)])

    simulated(test)


@pytest.mark.parametrize(
    ("value", "status"),
    [(80.1, "BadOutOfRange"), (-20.1, "BadOutOfRange"), (float("nan"), "BadOutOfRange"), (30, "BadTypeMismatch"),
     ("30", "BadTypeMismatch"), ([30.0], "BadTypeMismatch")],
)  # fmt: skip
def test_a_set_value_that_is_none_is_refused(value: object, status: str) -> None:
    async def test(found: Host, made: LadsBench) -> None:
        with refused(status):
            await found.write(f"{CONTROLLER}.TargetValue", value)
        assert await found.value(f"{CONTROLLER}.TargetValue") == 25.0

    simulated(test)


def test_it_follows_its_set_value_while_it_runs_and_only_then() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        await found.write(f"{CONTROLLER}.TargetValue", 45.0)
        await asyncio.sleep(3600.0)
        assert made.air_degc() == pytest.approx(25.0)
        await found.call(MACHINE, "Start")
        assert await found.state() == RUNNING
        assert await found.value("Unit.FunctionalUnitState.CurrentState.Number") == RUNNING
        await asyncio.sleep(3600.0)
        assert made.air_degc() == pytest.approx(45.0, abs=0.5)
        await found.call(MACHINE, "Stop")
        assert await found.state() == STOPPING
        await asyncio.sleep(0.4)
        assert await found.state() == STOPPED
        await asyncio.sleep(3600.0)
        assert made.air_degc() < 44.0

    simulated(test)


def test_a_start_may_bring_its_set_value() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        with refused("BadOutOfRange"):
            await found.call(MACHINE, "StartWithTargetValue", 100.0)
        with refused("BadTypeMismatch"):
            await found.call(MACHINE, "StartWithTargetValue", "warm")
        with refused("BadArgumentsMissing"):
            await found.call(MACHINE, "StartWithTargetValue")
        assert await found.state() == STOPPED
        await found.call(MACHINE, "StartWithTargetValue", 45.0)
        assert (await found.state(), made.chamber.target_degc) == (RUNNING, 45.0)

    simulated(test)


def test_moves_that_its_state_does_not_allow_are_refused() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        for method in ("Stop", "Abort", "Clear"):
            with refused("BadInvalidState"):
                await found.call(MACHINE, method)
        await found.call(MACHINE, "Start")
        for method in ("Start", "Clear"):
            with refused("BadInvalidState"):
                await found.call(MACHINE, method)
        await found.call(MACHINE, "Abort")
        assert await found.state() == ABORTING
        with refused("BadInvalidState"):
            await found.call(MACHINE, "Clear")
        await asyncio.sleep(0.4)
        assert await found.state() == ABORTED
        with refused("BadInvalidState"):
            await found.call(MACHINE, "Start")
        await found.call(MACHINE, "Clear")
        await asyncio.sleep(0.4)
        assert await found.state() == STOPPED

    simulated(test)


def test_an_open_door_aborts_a_run_and_has_to_be_closed_before_the_next() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        door = "Unit.FunctionSet.Door.CoverState.CurrentState.Number"
        await found.call(MACHINE, "Start")
        assert await found.value(door) == 1
        made.chamber.set_fault("door-open", present=True)
        assert await found.value(door) == 4
        assert await found.state() == ABORTING
        assert not made.chamber.running
        await asyncio.sleep(1.0)
        with refused("BadInvalidState"):
            await found.call(MACHINE, "Clear")
        made.chamber.set_fault("door-open", present=False)
        await found.call(MACHINE, "Clear")
        await asyncio.sleep(1.0)
        made.chamber.set_fault("door-open", present=True)
        with refused("BadInvalidState"):
            await found.call(MACHINE, "Start")

    simulated(test)


def test_limits_may_not_cross_and_show_when_they_are_passed() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        assert await found.value(f"{MONITOR}.ActiveState.Id") is False
        await found.write(f"{MONITOR}.HighHighLimit", 20.0)
        assert made.chamber.limits_degc == (-20.0, 20.0)
        assert await found.value(f"{MONITOR}.ActiveState.Id") is True
        assert (await found.value(f"{MONITOR}.ActiveState")).Text == "Active"
        for value in (20.0, 21.0, float("nan")):
            with refused("BadOutOfRange"):
                await found.write(f"{MONITOR}.LowLowLimit", value)

    simulated(test)


def test_writes_in_one_request_are_carried_out_one_by_one() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        nodes = [found.node(f"{CONTROLLER}.{name}").nodeid for name in ("TargetValue", "CurrentValue", "TargetValue")]
        values = [ua.DataValue(ua.Variant(value)) for value in (30.0, 30.0, 99.0)]
        statuses = await found.client.uaclient.write_attributes(nodes, values)
        assert [status.name for status in statuses] == ["Good", "BadUserAccessDenied", "BadOutOfRange"]
        assert await found.value(f"{CONTROLLER}.TargetValue") == 30.0

    simulated(test)


# The lock.


def test_who_has_not_got_the_lock_writes_and_calls_nothing_but_may_break_it() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        async with host() as other:
            assert await found.call(LOCK, "InitLock", "mine") == 0
            assert await found.value(f"{LOCK}.Locked") is True
            assert await other.value(f"{LOCK}.LockingClient") == found.client.application_uri
            assert await other.call(LOCK, "InitLock", "mine") == -1
            assert await other.call(LOCK, "RenewLock") == -1
            assert await other.call(LOCK, "ExitLock") == -1
            for attempt in (
                other.write(f"{CONTROLLER}.TargetValue", 30.0),
                other.write(f"{MONITOR}.HighHighLimit", 30.0),
                other.call(MACHINE, "Start"),
                other.call("Unit.FunctionalUnitState", "Stop"),
            ):
                with refused("BadUserAccessDenied"):
                    await attempt
            await found.write(f"{CONTROLLER}.TargetValue", 30.0)
            assert await other.call(LOCK, "BreakLock") == 0
            assert await other.call(LOCK, "BreakLock") == -1
            await other.write(f"{CONTROLLER}.TargetValue", 35.0)

    simulated(test)


def test_a_lock_ends_by_itself_with_its_session_and_by_its_holder() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        await found.call(LOCK, "InitLock", "mine")
        for _ in range(3):
            await asyncio.sleep(0.9 * LOCK_S)
            assert await found.call(LOCK, "RenewLock") == 0
        assert await found.value(f"{LOCK}.RemainingLockTime") == pytest.approx(1000.0 * LOCK_S, rel=1e-3)
        await asyncio.sleep(1.1 * LOCK_S)
        assert await found.value(f"{LOCK}.Locked") is False
        assert await found.value(f"{LOCK}.RemainingLockTime") == 0.0
        assert await found.call(LOCK, "RenewLock") == -1
        await found.call(LOCK, "InitLock", "mine")
        assert await found.call(LOCK, "ExitLock") == 0
        async with host() as other:
            await other.call(LOCK, "InitLock", "mine")
        await asyncio.sleep(0.1)
        assert await found.value(f"{LOCK}.Locked") is False

    simulated(test)


# What it suffers.


def test_a_power_failure_breaks_connections_and_it_stands_still_afterwards() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        await found.call(LOCK, "InitLock", "mine")
        await found.call(MACHINE, "StartWithTargetValue", 45.0)
        made.simulator.restart()
        with pytest.raises(ConnectionError):
            await found.state()
        async with host() as again:
            assert await again.state() == STOPPED
            assert await again.value(f"{CONTROLLER}.TargetValue") == 45.0
            assert await again.value(f"{LOCK}.Locked") is False

    simulated(test)


def test_faults_of_the_sensor_show_in_value_status_and_time() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        node = found.node(f"{CONTROLLER}.CurrentValue")
        broken = made.faults.begin("sensor-break")
        assert (await node.read_data_value(raise_on_bad_status=False)).StatusCode.name == "BadSensorFailure"
        made.faults.end(broken)
        scaled = made.faults.begin("scale-10")
        assert await node.read_value() == pytest.approx(250.0)
        made.faults.end(scaled)
        made.faults.begin("frozen", now_s=asyncio.get_running_loop().time())
        before = await node.read_data_value()
        await found.call(MACHINE, "StartWithTargetValue", 45.0)
        await asyncio.sleep(600.0)
        after = await node.read_data_value()
        assert (after.Value, after.SourceTimestamp) == (before.Value, before.SourceTimestamp)
        assert made.air_degc() > 30.0

    simulated(test)


@pytest.mark.parametrize("fault", ["not-applied", "off-ignored"])
def test_orders_that_are_ignored_are_answered_as_ever(fault: str) -> None:
    async def test(found: Host, made: LadsBench) -> None:
        if fault == "off-ignored":
            await found.call(MACHINE, "Start")
        made.faults.begin(fault)
        if fault == "off-ignored":
            await found.call(MACHINE, "Stop")
            await found.call(MACHINE, "Abort")
            assert await found.state() == RUNNING
        else:
            await found.write(f"{CONTROLLER}.TargetValue", 30.0)
            await found.write(f"{MONITOR}.HighHighLimit", 30.0)
            await found.call(MACHINE, "Start")
            assert await found.state() == STOPPED
            assert (await found.value(f"{CONTROLLER}.TargetValue"), made.chamber.limits_degc) == (25.0, (-20.0, 80.0))

    simulated(test)


def test_a_server_that_fails_answers_every_service_with_an_error() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        made.faults.begin("exception")
        for attempt in (found.state(), found.write(f"{CONTROLLER}.TargetValue", 30.0), found.call(MACHINE, "Start")):
            with refused("BadInternalError"):
                await attempt

    simulated(test)


# Its listener.


def test_it_lets_in_no_more_than_it_can_serve_and_serves_again_when_one_has_left() -> None:
    async def main() -> None:
        async with lads_bench(commissioned=False), contextlib.AsyncExitStack() as stack:
            hosts = [await stack.enter_async_context(host()) for _ in range(CONNECTIONS_MAX)]
            with pytest.raises((ConnectionError, TimeoutError)):
                await stack.enter_async_context(host())
            assert await hosts[-1].state() == STOPPED
            await hosts[0].client.uaclient.close_session(True)
            hosts[0].client.disconnect_socket()
            await asyncio.sleep(0.1)
            async with host() as late:
                assert await late.state() == STOPPED

    run_virtual(main())


def test_who_connects_and_says_nothing_is_shown_out() -> None:
    async def main() -> None:
        async with lads_bench(commissioned=False):
            reader, writer = await asyncio.open_connection(HOST, PORT)
            begin_s = asyncio.get_running_loop().time()
            assert await reader.read() == b""
            assert asyncio.get_running_loop().time() - begin_s == pytest.approx(ACTIVATION_S, abs=0.1)
            writer.close()

    run_virtual(main())


def test_chunks_without_end_are_cut_off() -> None:
    async def test(found: Host, made: LadsBench) -> None:
        protocol = found.client.uaclient.protocol
        chunk = b"MSGC" + (60000).to_bytes(4, "little")
        with pytest.raises(ConnectionError):
            sequence = protocol._connection._sequence_number
            for count in range(1, 30):
                header = protocol._connection.security_token
                body = header.ChannelId.to_bytes(4, "little") + header.TokenId.to_bytes(4, "little")
                body += (sequence + count).to_bytes(4, "little") + (99).to_bytes(4, "little")
                protocol.transport.write((chunk + body).ljust(60000, b"\0"))
                await asyncio.sleep(0.01)
                if protocol.transport is None:
                    break
            await found.state()
        async with host() as other:
            assert await other.state() == STOPPED

    simulated(test)


@settings(max_examples=40)
@given(
    chunks=st.lists(
        st.binary(min_size=1, max_size=80)
        | st.binary(max_size=80).map(lambda body: b"HELF" + (8 + len(body)).to_bytes(4, "little") + body)
        | st.binary(max_size=80).map(lambda body: b"OPNF" + (8 + len(body)).to_bytes(4, "little") + body),
        max_size=5,
    )
)
def test_whatever_somebody_says_the_others_are_served(chunks: list[bytes]) -> None:
    async def main() -> None:
        async with lads_bench(commissioned=False), host() as found:
            _, writer = await asyncio.open_connection(HOST, PORT)
            for chunk in chunks:
                writer.write(chunk)
                await asyncio.sleep(0.01)
            assert await found.state() == STOPPED
            writer.close()
            await asyncio.sleep(4.0)
            assert await found.state() == STOPPED

    run_virtual(main())


def test_in_a_simulated_rack_it_warms_the_cells_of_its_bay() -> None:
    built = world(chamber="ch-01")
    device = SimulatedDevice(
        device="ch-01", driver="lads_thermal", resource=Resource.parse(URL), channels=(), options={"security": "none"}
    )
    simulator = simulate(device, built)

    async def test() -> None:
        await simulator.start()
        async with host() as found:
            await found.call(MACHINE, "StartWithTargetValue", 45.0)
            await asyncio.sleep(4 * 3600.0)
        assert built.cell_temperature_degc(at("A1")) == pytest.approx(45.0, abs=1.0)
        await simulator.aclose()
        await asyncio.sleep(0.1)

    run(built, test)


def test_the_numbers_of_states_are_those_of_the_standard() -> None:
    assert {state.value[0]: state.value[1] for state in State} == {
        "Aborted": 1, "Aborting": 2, "Clearing": 3, "Stopped": 4, "Running": 5, "Stopping": 6,
    }  # fmt: skip
