"""The command socket keeps its limits, whoever is at the other end."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_bench import BOB, EVE, ServiceBench, in_service

from cycler.service.command_lines import (
    LINE_BYTES_MAX,
    Answer,
    BadLine,
    Hello,
    Request,
    read_answer,
    read_hello,
    read_request,
    written,
)
from cycler.service.command_server import (
    CLIENTS_MAX,
    CLIENTS_PER_ACCOUNT_MAX,
    IDLE_S_MAX,
    LINE_S_MAX,
    REQUESTS_PER_S_MAX,
    CommandServer,
)
from cycler.service.peers import Peer

PORT = 7000
STATUS = b'{"id": "s", "command": "status"}\n'
ACCOUNTS = {1002: BOB, 1003: EVE}


class Client:
    """Somebody who writes bytes, and reads lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, line: bytes) -> None:
        self.writer.write(line)

    async def hears(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.reader.readline())
        return found

    async def is_dropped(self, code: str) -> bool:
        """After a word of why."""
        told = await self.hears()
        return told["code"] == code and await self.reader.read() == b""


Connect = Callable[..., Awaitable[Client]]


@asynccontextmanager
async def served(bench: ServiceBench) -> AsyncIterator[Connect]:
    """Gives the call that connects as an account; greeted, unless it is to be otherwise."""

    async def peer_of(uid: int) -> Peer | None:
        return ACCOUNTS.get(uid)

    uids: list[int] = []
    clients: list[Client] = []
    server = CommandServer(bench.service.commands, rack="R1", peer_of=peer_of)
    async with asyncio.TaskGroup() as tasks:

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(server.converse(reader, writer, uids.pop(0)))

        async def connect(uid: int = 1002, *, hello: bytes = written(Hello(cycler=1))) -> Client:
            uids.append(uid)
            client = Client(*await asyncio.open_connection("127.0.0.1", PORT, limit=LINE_BYTES_MAX))
            clients.append(client)
            client.say(hello)
            if hello == written(Hello(cycler=1)) and uid in ACCOUNTS:
                assert (await client.hears())["role"] == ACCOUNTS[uid].role
            return client

        listening = await asyncio.start_server(accept, "127.0.0.1", PORT, limit=LINE_BYTES_MAX)
        try:
            yield connect
        finally:
            listening.close()
            for client in clients:
                client.writer.close()


def converse(folder: Path, scenario: Callable[[ServiceBench, Connect], Awaitable[None]]) -> None:
    async def main(bench: ServiceBench) -> None:
        async with served(bench) as connect:
            await scenario(bench, connect)

    in_service(folder, main)


def test_a_client_is_told_who_it_is_and_answered_by_its_id(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        client = await connect()
        client.say(STATUS)
        answer = await client.hears()
        assert (answer["id"], answer["answer"], answer["result"]["rack"]) == ("s", "done", "R1")

    converse(tmp_path, scenario)


@pytest.mark.parametrize(
    ("uid", "hello", "code"),
    [
        (1002, b'{"cycler": 2}\n', "version"),
        (1002, b"GET / HTTP/1.1\n", "protocol"),
        (1002, STATUS, "protocol"),
        (4711, written(Hello(cycler=1)), "no-role"),
    ],
)
def test_a_stranger_is_told_why_and_dropped(tmp_path: Path, uid: int, hello: bytes, code: str) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        assert await (await connect(uid, hello=hello)).is_dropped(code)

    converse(tmp_path, scenario)


def test_a_line_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        began_s = asyncio.get_running_loop().time()
        client = await connect()
        client.say(b'{"id": "s", ')
        assert await client.is_dropped("stalled")
        assert asyncio.get_running_loop().time() - began_s < LINE_S_MAX + 1.0

    converse(tmp_path, scenario)


def test_a_line_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        client = await connect()
        client.say(b"x" * (LINE_BYTES_MAX + 2))
        assert await client.is_dropped("too-long")

    converse(tmp_path, scenario)


def test_who_says_nothing_is_dropped_unless_an_answer_is_due(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        silent = await connect()
        assert await silent.is_dropped("idle")
        assert asyncio.get_running_loop().time() >= IDLE_S_MAX

    converse(tmp_path, scenario)


def test_a_flood_is_dropped_and_others_are_served(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        flooding, other = await connect(), await connect()
        for _number in range(REQUESTS_PER_S_MAX + 1):
            flooding.say(STATUS)
            await asyncio.sleep(0.001)
        told = [json.loads(line) for line in (await flooding.reader.read()).splitlines()]
        assert told[-1]["code"] == "flood"
        other.say(STATUS)
        assert (await other.hears())["answer"] == "done"

    converse(tmp_path, scenario)


def test_one_account_cannot_take_the_places_of_all(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        for _number in range(CLIENTS_PER_ACCOUNT_MAX):
            await connect()
        assert await (await connect(hello=b"")).is_dropped("clients")
        client = await connect(1003)
        client.say(STATUS)
        assert (await client.hears())["answer"] == "done"
        assert CLIENTS_PER_ACCOUNT_MAX * 2 <= CLIENTS_MAX

    converse(tmp_path, scenario)


def test_a_command_goes_on_when_its_client_has_gone(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench, connect: Connect) -> None:
        await bench.released()
        await bench.load()
        client = await connect()
        client.say(b'{"id": "go", "command": "start", "arguments": {"bay": "B01"}}\n')
        await asyncio.sleep(0.001)
        client.writer.close()
        await asyncio.sleep(10.0)
        assert bench.state("B01") == "running"

    converse(tmp_path, scenario)


def test_what_is_no_request_is_refused_and_the_next_one_answered(tmp_path: Path) -> None:
    async def scenario(_: ServiceBench, connect: Connect) -> None:
        client = await connect()
        client.say(b'\n{"id": "x"}\n[[[[\n')
        assert [(await client.hears())["code"] for _ in range(3)] == ["protocol"] * 3
        client.say(STATUS)
        assert (await client.hears())["answer"] == "done"

    converse(tmp_path, scenario)


words = st.text("abcz_-", max_size=31).map("a".__add__)
requests = st.builds(
    Request,
    id=st.text("azAZ09._:-", min_size=1, max_size=64),
    command=words,
    arguments=st.dictionaries(words, st.text(max_size=300), max_size=5),
    reason=st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), max_size=200),
)


@given(requests)
def test_a_request_reads_as_it_was_written(request: Request) -> None:
    line = written(request)
    assert line.count(b"\n") == 1
    assert read_request(line) == request


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | st.integers(1, 5000).map(lambda n: b"[" * n))
def test_garbage_is_no_line_and_nothing_worse(line: bytes) -> None:
    for read in (read_hello, read_request, read_answer):
        with pytest.raises(BadLine, match="no line of this protocol"):
            read(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("id", "command", "arguments", "reason", "cycler", "else"), json_values)
    )
)
def test_a_document_with_the_wrong_values_is_refused_or_whole(document: dict[str, Any]) -> None:
    try:
        request = read_request(json.dumps(document).encode())
    except BadLine:
        return
    assert set(document) <= {"id", "command", "arguments", "reason"}
    assert request.id and request.command
    assert all(isinstance(value, str) for value in request.arguments.values())


def test_an_answer_reads_as_it_was_written() -> None:
    answer = Answer(id="a", answer="refused", code="role", message="no", problems=[{"file": "x", "line": 1}])
    assert read_answer(written(answer)) == answer
