"""The OPC UA link against a plain server of the stack that it is built on, and against servers that are none."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from hypothesis import given, settings
from hypothesis import strategies as st
from opcua_bench import (
    DOUBLE_IT,
    FIXED,
    HOST,
    LEVEL,
    MACHINE,
    ONE,
    OPC_UA_ADDRESS,
    PORT,
    TWO,
    URL,
    certificates,
    opcua_link,
    opcua_server,
)

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.overtaking import Withdrawn
from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_errors import Refused
from drivers.links.opcua_nodes import STANDARD, Argument, BrowseName, Mode, NodeRef
from drivers.links.opcua_security import NO_SECURITY, Security, read_keys, read_login
from drivers.links.queue import Priority
from sims.loop import VirtualLoop, run_virtual
from sims.network import Address, Direction, MemoryNetwork

OBJECTS = NodeRef(STANDARD, 85, "Objects")
ORDER, SWEEP = Priority.ORDER, Priority.SWEEP
DEADLINE_S = 4.0 + 0.1


def network() -> MemoryNetwork:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    assert loop.network is not None
    return loop.network


async def level(link: OpcUaLink) -> float:
    (value,) = await link.read([LEVEL], SWEEP)
    return float(link.demand(value))


async def in_time(call: Awaitable[Any]) -> DeviceError:
    """The error that it ends with."""
    begin_s = asyncio.get_running_loop().time()
    with pytest.raises(DeviceError) as caught:
        await call
    assert asyncio.get_running_loop().time() - begin_s <= DEADLINE_S
    return caught.value


def with_server(test: Callable[[Server, OpcUaLink], Awaitable[None]], *, loopback: bool = False) -> None:
    async def main() -> None:
        async with opcua_server() as server, opcua_link() as link:
            await test(server, link)

    run_virtual(main(), loopback=loopback)


# What it says.


@pytest.mark.parametrize("loopback", [False, True])
def test_it_reads_writes_and_calls(loopback: bool) -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        first, fixed = await link.read([LEVEL, FIXED], SWEEP)
        assert (first.content, first.kind, first.status, first.is_good) == (1.5, "Double", "Good", True)
        assert first.source_utc is not None and first.source_utc.tzinfo is not None
        assert fixed.content == 7.0
        await link.write([(LEVEL, Argument(2.5, "Double"))], ORDER)
        assert await level(link) == 2.5
        assert await link.call(MACHINE, DOUBLE_IT, [Argument(4.0, "Double")], ORDER) == (8.0,)

    with_server(test, loopback=loopback)


def test_it_finds_nodes_by_their_names_and_types() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        there, nowhere = await link.find(
            OBJECTS,
            [(BrowseName(ONE, "Machine"), BrowseName(ONE, "DoubleIt")), (BrowseName(TWO, "Machine"),)],
            ORDER,
        )
        assert there == DOUBLE_IT
        assert nowhere is None
        children = {child.name: child for child in await link.children(OBJECTS, ORDER)}
        assert children["Machine"].node == MACHINE
        assert children["Machine"].type == NodeRef(STANDARD, 58)
        assert "Level" not in children  # a variable
        assert await link.supertype(NodeRef(STANDARD, 61), ORDER) == NodeRef(STANDARD, 58)
        assert await link.supertype(NodeRef(STANDARD, 58), ORDER) is None
        assert await link.browse_name(MACHINE, ORDER) == "Machine"

    with_server(test)


def test_what_the_server_declines_is_a_refusal_that_names_node_and_status() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        with pytest.raises(Refused, match="ua-01: the write of Fixed was answered with BadUserAccessDenied") as caught:
            await link.write([(LEVEL, Argument(3.0, "Double")), (FIXED, Argument(3.0, "Double"))], ORDER)
        assert caught.value.status == "BadUserAccessDenied"
        assert await level(link) == 3.0

    with_server(test)


@pytest.mark.parametrize(
    ("node", "value", "status"),
    [
        (NodeRef(ONE, "nowhere", "Nowhere"), Argument(1.0, "Double"), "BadUserAccessDenied"),
        (LEVEL, Argument("high", "String"), "BadTypeMismatch"),
    ],
)
def test_a_value_that_does_not_fit_its_node_is_an_error(node: NodeRef, value: Argument, status: str) -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        with pytest.raises(DeviceError, match=f"{node} was answered with {status}"):
            await link.write([(node, value)], ORDER)

    with_server(test)


def test_a_node_that_is_not_there_is_a_protocol_error_only_where_its_value_is_needed() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        nowhere = NodeRef(ONE, "nowhere", "Nowhere")
        found, missing = await link.read([LEVEL, nowhere], SWEEP)
        assert link.demand(found) == 1.5
        with pytest.raises(ProtocolError, match="ua-01: the read of Nowhere was answered with BadNodeIdUnknown"):
            link.demand(missing)
        with pytest.raises(ProtocolError, match="BadNodeIdUnknown"):
            await link.browse_name(nowhere, ORDER)
        with pytest.raises(ProtocolError, match="BadNodeIdInvalid"):
            await link.children(nowhere, ORDER)

    with_server(test)


@pytest.mark.parametrize(
    ("status", "error"),
    [("BadSensorFailure", DeviceFault), ("UncertainLastUsableValue", DeviceFault), ("BadNoCommunication", LinkError)],
)
def test_a_value_that_is_not_good_says_so(status: str, error: type[DeviceError]) -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        value = ua.DataValue(ua.Variant(1.0), StatusCode=ua.StatusCode(status))
        await server.get_node(ua.NodeId("level", 3)).write_value(value)
        (found,) = await link.read([LEVEL], SWEEP)
        assert (found.status, found.is_good) == (status, False)
        with pytest.raises(error, match=f"ua-01: the read of Level was answered with {status}"):
            link.demand(found)

    with_server(test)


def test_another_server_names_itself_and_what_it_has() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        with pytest.raises(ProtocolError, match=f"has no namespace urn:elsewhere; it has {ONE}, {TWO}"):
            await link.read([NodeRef("urn:elsewhere", 1)], SWEEP)
        assert await level(link) == 1.5

    with_server(test)


def test_an_order_that_is_not_wanted_any_more_is_not_sent() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        chunks = network().chunks.total()
        with pytest.raises(Withdrawn):
            await link.write([(LEVEL, Argument(9.0, "Double"))], ORDER, unless=lambda: True)
        with pytest.raises(Withdrawn):
            await link.call(MACHINE, DOUBLE_IT, [], ORDER, unless=lambda: True)
        assert network().chunks.total() == chunks
        await link.write([(LEVEL, Argument(9.0, "Double"))], ORDER, unless=lambda: False)
        assert await level(link) == 9.0

    with_server(test)


def test_an_off_goes_before_what_is_queued() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        ended: list[str] = []

        async def say(name: str, priority: Priority) -> None:
            await link.read([LEVEL], priority)
            ended.append(name)

        async with asyncio.TaskGroup() as group:
            for name, priority in (("first", SWEEP), ("order", ORDER), ("sweep", SWEEP), ("off", Priority.OFF)):
                group.create_task(say(name, priority))
        assert ended == ["first", "off", "sweep", "order"]

    with_server(test)


# Sessions come and go.


def test_indices_of_namespaces_are_asked_for_in_every_session() -> None:
    async def main() -> None:
        async with opcua_link() as link:
            for namespaces in ((ONE, TWO), ("urn:test:new", TWO, ONE)):
                async with opcua_server(namespaces=namespaces):
                    assert await level(link) == 1.5
                    assert await link.call(MACHINE, DOUBLE_IT, [Argument(1.0, "Double")], ORDER) == (2.0,)
                await in_time(level(link))

    run_virtual(main())


def test_a_server_that_does_not_answer_ends_in_a_link_error_and_a_new_session_when_it_is_back() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        assert link.session == 1
        network().unplug(OPC_UA_ADDRESS)
        error = await in_time(level(link))
        assert isinstance(error, LinkError)
        assert "no answer to the read of Level within 1 s" in str(error)
        assert link.session == 0
        assert isinstance(await in_time(level(link)), LinkError)
        network().plug(OPC_UA_ADDRESS)
        assert await level(link) == 1.5
        assert link.session == 2

    with_server(test)


def test_what_a_pulled_cable_held_back_is_not_carried_out_when_it_is_back() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        network().unplug(OPC_UA_ADDRESS)
        await in_time(link.write([(LEVEL, Argument(9.0, "Double"))], ORDER))
        network().plug(OPC_UA_ADDRESS)
        await asyncio.sleep(5.0)
        assert await level(link) == 1.5

    with_server(test)


def test_a_connection_that_breaks_is_a_link_error() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        reading = asyncio.create_task(in_time(level(link)))
        await asyncio.sleep(0.0)
        network().cut(OPC_UA_ADDRESS)
        assert isinstance(await reading, LinkError)
        assert await level(link) == 1.5

    with_server(test)


def test_nobody_there_is_a_link_error() -> None:
    async def main() -> None:
        async with opcua_link() as link:
            error = await in_time(level(link))
            assert isinstance(error, LinkError)
            assert f"the opening of a session with {URL}" in str(error)

    run_virtual(main())


def test_a_session_that_the_server_has_closed_is_opened_anew() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        (session,) = server.iserver._external_sessions.values()
        await session.close_session()
        assert isinstance(await in_time(level(link)), LinkError)
        assert await level(link) == 1.5

    with_server(test)


def test_a_session_that_was_left_alone_for_too_long_is_opened_anew_before_anything_is_asked_on_it() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        await asyncio.sleep(31.0)
        assert link.session == 0
        assert await level(link) == 1.5
        assert link.session == 2

    with_server(test)


def test_a_channel_is_renewed_before_its_time_is_over_and_the_session_stays() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        opened: list[float] = []

        def tap(address: Address, way: Direction, data: bytes) -> None:
            if way == "to-server" and data.startswith(b"OPN"):
                opened.append(asyncio.get_running_loop().time())

        network().taps.append(tap)
        for _ in range(400):
            assert await level(link) == 1.5
            await asyncio.sleep(20.0)
        assert link.session == 1
        assert [round(later - earlier, -2) for earlier, later in pairwise(opened)] == [2700, 2700]

    with_server(test)


@pytest.mark.parametrize("message", range(1, 13))
def test_a_call_that_is_cancelled_at_any_message_does_no_harm_to_the_next(message: int) -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        seen = 0

        def tap(address: Address, way: Direction, data: bytes) -> None:
            nonlocal seen
            seen += 1
            if seen == message:
                reading.cancel()

        reading = asyncio.create_task(level(link))
        network().taps.append(tap)
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await level(link) == 1.5

    with_server(test)


@pytest.mark.parametrize("turns", range(6))
def test_a_cancellation_that_comes_together_with_the_connection_is_not_lost(turns: int) -> None:
    def begun_s() -> float:
        """When the first message is sent, in this and every other run: as soon as there is a connection."""
        seen: list[float] = []

        async def test(server: Server, link: OpcUaLink) -> None:
            network().taps.append(lambda *_: seen.append(asyncio.get_running_loop().time()))
            await level(link)

        with_server(test)
        return seen[0]

    at_s = begun_s()

    async def test(server: Server, link: OpcUaLink) -> None:
        loop = asyncio.get_running_loop()
        reading = asyncio.create_task(level(link))

        def after(left: int) -> None:
            if left:
                loop.call_soon(after, left - 1)
            else:
                reading.cancel()

        loop.call_at(at_s, after, turns)
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await level(link) == 1.5

    with_server(test)


def test_closing_ends_the_session_at_the_server_and_may_be_repeated() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        assert len(server.iserver._external_sessions) == 1
        await link.aclose()
        await link.aclose()
        assert len(server.iserver._external_sessions) == 0

    with_server(test)


def test_closing_a_dead_wire_takes_no_longer_than_an_answer_may() -> None:
    async def test(server: Server, link: OpcUaLink) -> None:
        await level(link)
        network().unplug(OPC_UA_ADDRESS)
        begin_s = asyncio.get_running_loop().time()
        await link.aclose()
        assert asyncio.get_running_loop().time() - begin_s <= 1.01
        network().plug(OPC_UA_ADDRESS)

    with_server(test)


# Whatever comes.


class Babbler(asyncio.Protocol):
    """Answers everything with the next of its chunks."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = iter(chunks)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if (chunk := next(self._chunks, None)) is not None and not self._transport.is_closing():
            self._transport.write(chunk)


HEADED = st.builds(
    lambda kind, chunk, size, body: (
        kind + chunk + (size if size is not None else 8 + len(body)).to_bytes(4, "little") + body
    ),
    st.sampled_from([b"ACK", b"ERR", b"OPN", b"MSG", b"CLO", b"HEL", b"XXX"]),
    st.sampled_from([b"F", b"C", b"A", b"?"]),
    st.none() | st.integers(0, 2**32 - 1),
    st.binary(max_size=120),
)


@given(chunks=st.lists(st.binary(min_size=1, max_size=60) | HEADED, max_size=4))
def test_a_server_that_speaks_something_else_ends_in_an_error_in_time(chunks: list[bytes]) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Babbler(chunks), HOST, PORT)
        async with opcua_link() as link:
            assert isinstance(await in_time(level(link)), LinkError | ProtocolError | DeviceFault)
        server.close()
        await asyncio.sleep(1.0)

    run_virtual(main())


@settings(max_examples=60)
@given(data=st.data())
def test_a_reply_that_is_damaged_ends_in_an_error_in_time_or_in_an_answer(data: st.DataObject) -> None:
    victim = data.draw(st.integers(1, 9))  # the last two are those of the read and of the call
    change = data.draw(st.sampled_from(["flip", "cut", "swap"]))
    at = data.draw(st.integers(0, 400))
    bits = data.draw(st.integers(1, 255))

    async def test(server: Server, link: OpcUaLink) -> None:
        seen = 0

        def tap(address: Address, way: Direction, chunk: bytes) -> list[tuple[float, bytes]] | None:
            nonlocal seen
            seen += way == "to-client"
            if way == "to-server" or seen != victim:
                return None
            index = at % len(chunk)
            match change:
                case "flip":
                    return [(0.0, chunk[:index] + bytes([chunk[index] ^ bits]) + chunk[index + 1 :])]
                case "cut":
                    return [(0.0, chunk[:index])]
                case _:
                    return [(0.0, chunk[:8] + chunk[8:][::-1])]

        network().taps.append(tap)
        for call in (link.read([LEVEL], SWEEP), link.call(MACHINE, DOUBLE_IT, [Argument(1.0, "Double")], ORDER)):
            begin_s = asyncio.get_running_loop().time()
            with contextlib.suppress(DeviceError):
                await call
            assert asyncio.get_running_loop().time() - begin_s <= DEADLINE_S
        network().taps.clear()
        with contextlib.suppress(DeviceError):  # what is still there of the damaged connection
            await level(link)
        assert await level(link) == 1.5

    with_server(test)


# Security.


def secured(folder: Path, mode: Mode, *, server: str = "server", login: str = "login") -> Security:
    keys = read_keys(
        certificate=folder / "rack.der", key=folder / "rack.pem", server_certificate=folder / f"{server}.der"
    )
    return Security(mode=mode, keys=keys, login=read_login(folder / login))


@pytest.mark.parametrize("mode", ["sign", "encrypt"])
def test_it_speaks_signed_or_encrypted_and_logs_in(mode: Mode, tmp_path: Path) -> None:
    folder = certificates(tmp_path)

    async def main() -> None:
        security = secured(folder, mode)
        async with opcua_server(guarded=folder), opcua_link(security) as link:
            sent: list[bytes] = []

            def tap(address: Address, way: Direction, data: bytes) -> None:
                sent.append(data)

            network().taps.append(tap)
            assert await level(link) == 1.5
            assert link.application_uri == "urn:rack"
            await asyncio.sleep(2800.0)
            assert await level(link) == 1.5
            said = b"".join(sent)
            assert b"secret word" not in said
            assert (b"Pure Python" in said, b"formation-cycler" in said) == (False, mode == "sign")

    run_virtual(main())


def test_a_secured_channel_outlives_its_keys(tmp_path: Path) -> None:
    folder = certificates(tmp_path)

    async def main() -> None:
        async with opcua_server(guarded=folder), opcua_link(secured(folder, "encrypt")) as link:
            for _ in range(190):
                assert await level(link) == 1.5
                await asyncio.sleep(20.0)
            assert link.session == 1

    run_virtual(main())


@pytest.mark.parametrize(
    ("what", "error"),
    [("password", DeviceFault), ("server", DeviceError), ("none", DeviceError)],
)
def test_who_is_not_let_in_or_meets_another_server_is_told_so(
    what: str, error: type[DeviceError], tmp_path: Path
) -> None:
    folder = certificates(tmp_path)

    (folder / "wrong login").write_text("rack\nopen sesame\n")

    async def main() -> None:
        security = {
            "password": lambda: secured(folder, "encrypt", login="wrong login"),
            "server": lambda: secured(folder, "encrypt", server="other"),
            "none": lambda: NO_SECURITY,
        }[what]()
        async with opcua_server(guarded=folder), opcua_link(security) as link:
            found = await in_time(level(link))
            assert isinstance(found, error)
            assert "sesame" not in str(found)

    run_virtual(main())


def test_files_that_are_no_keys_are_named(tmp_path: Path) -> None:
    folder = certificates(tmp_path)
    given = {
        "certificate": folder / "rack.der",
        "key": folder / "rack.pem",
        "server_certificate": folder / "server.der",
    }
    assert read_keys(**given).application_uri == "urn:rack"
    for key, reason in (
        ("certificate", "is no certificate"),
        ("server_certificate", "is no certificate"),
        ("key", "is no unencrypted private key"),
    ):
        with pytest.raises(ValueError, match=f"login: {reason}"):
            read_keys(**{**given, key: folder / "login"})
        with pytest.raises(ValueError, match="nowhere: No such file"):
            read_keys(**{**given, key: folder / "nowhere"})


def test_a_login_stands_in_a_file_and_nowhere_else(tmp_path: Path) -> None:
    file = certificates(tmp_path) / "login"
    login = read_login(file)
    assert (login.user, login.password) == ("rack", "secret word")
    assert "secret word" not in repr(login)
    for content in (b"rack", b"\nsecret word", b"rack\nsecret word\nmore", b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="login: is no") as caught:
            read_login(file)
        assert "secret" not in str(caught.value)
