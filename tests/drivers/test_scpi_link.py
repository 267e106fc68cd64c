"""The SCPI link against a server that says what a test tells it to say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port

from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink
from sims.loop import run_virtual

PORT = free_port()
SWEEP = Priority.SWEEP


class Scripted(asyncio.Protocol):
    """Answers by its script; b"" hangs up, None is silence."""

    def __init__(self, script: Callable[[bytes], bytes | None]) -> None:
        self.script = script

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        reply = self.script(data)
        if reply == b"":
            self.transport.abort()
        elif reply is not None:
            self.transport.write(reply)


@contextlib.asynccontextmanager
async def served(script: Callable[[bytes], bytes | None]) -> AsyncIterator[ScpiLink]:
    server = await asyncio.get_running_loop().create_server(lambda: Scripted(script), "127.0.0.1", PORT)
    link = ScpiLink("dev-1", "127.0.0.1", PORT, reply_bytes_max=100)
    try:
        yield link
    finally:
        link.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.1)


def test_a_question_is_answered_by_a_line() -> None:
    async def main() -> None:
        async with served(lambda line: b"43.50V\r\n" if line.endswith(b"VOLT?\n") else None) as link:
            await link.write("VOLT 12", SWEEP)
            assert await link.query("VOLT?", SWEEP) == "43.50V"

    run_virtual(main())
    run_virtual(main(), loopback=True)


def test_silence_costs_the_connection_so_that_a_late_reply_answers_no_other_question() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with served(lambda line: None if line == b"SLOW?\n" else b"right\n") as link:
            with pytest.raises(LinkError, match=r"dev-1: no answer to 'SLOW\?' .* within 0.5 s"):
                await link.query("SLOW?", SWEEP)
            assert await link.query("FAST?", SWEEP) == "right"
            assert sum(loop.network.connections.values()) == 2

    run_virtual(main())


def test_a_connection_that_the_device_has_closed_in_peace_is_opened_anew() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network
        async with served(lambda _: b"right\n") as link:
            assert await link.query("FAST?", SWEEP) == "right"
            network.cut(next(iter(network.connections)))
            await asyncio.sleep(0.1)
            assert await link.query("FAST?", SWEEP) == "right"

    run_virtual(main())


def test_a_cancelled_question_costs_the_connection_too() -> None:
    async def main() -> None:
        async with served(lambda line: None if line == b"SLOW?\n" else b"right\n") as link:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await link.query("SLOW?", SWEEP)
            assert await link.query("FAST?", SWEEP) == "right"

    run_virtual(main())


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (b"x" * 300 + b"\n", ProtocolError, "longer than 100 bytes"),
        (b"\xff\xfe\n", ProtocolError, "is no text"),
        (b"", LinkError, "VOLT"),
    ],
)
def test_an_answer_that_cannot_be_is_an_error_that_says_why(reply: bytes, error: type[DeviceError], says: str) -> None:
    async def main() -> None:
        async with served(lambda _: reply) as link:
            with pytest.raises(error, match=says):
                await link.query("VOLT?", SWEEP)

    run_virtual(main())


def test_nobody_there_is_a_link_error() -> None:
    async def main() -> None:
        link = ScpiLink("dev-1", "127.0.0.1", PORT)
        with pytest.raises(LinkError, match=rf"no connection to 127.0.0.1:{PORT}"):
            await link.query("*IDN?", SWEEP)

    run_virtual(main())


@given(reply=st.binary(min_size=1, max_size=200))
def test_whatever_comes_back_it_is_a_device_error_or_text(reply: bytes) -> None:
    async def main() -> None:
        async with served(lambda _: reply) as link:
            for _ in range(2):
                with contextlib.suppress(DeviceError):
                    assert (await link.query("VOLT?", SWEEP)).isascii()

    run_virtual(main())
