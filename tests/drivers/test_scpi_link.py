"""The SCPI link against a server that says what a test tells it to say."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port
from scripted_device import Script, on_tcp

from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from cycler.contract.overtaking import Withdrawn
from drivers.links.endpoint import TcpEndpoint
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink
from sims.loop import run_virtual

PORT = free_port()
SWEEP = Priority.SWEEP


@contextlib.asynccontextmanager
async def served(script: Script) -> AsyncIterator[ScpiLink]:
    link = ScpiLink("dev-1", TcpEndpoint(host="127.0.0.1", port=PORT), reply_bytes_max=100)
    async with on_tcp(script, PORT):
        try:
            yield link
        finally:
            link.close()


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
        link = ScpiLink("dev-1", TcpEndpoint(host="127.0.0.1", port=PORT))
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


def test_a_message_that_is_no_longer_wanted_when_its_turn_comes_is_not_sent() -> None:
    async def main() -> None:
        heard, wanted = [], True

        def script(line: bytes) -> list[tuple[float, bytes]]:
            heard.append(line)
            return [(0.1, b"1\n")]

        async with served(script) as link:
            sweep = asyncio.create_task(link.query("MEAS?", SWEEP))
            write = asyncio.create_task(link.write("OUTP ON", Priority.ORDER, unless=lambda: not wanted))
            await asyncio.sleep(0.05)
            wanted = False
            with pytest.raises(Withdrawn):
                await write
            assert await sweep == "1"
            assert heard == [b"MEAS?\n"]

    run_virtual(main())


def test_a_question_may_be_given_more_time_than_others() -> None:
    async def main() -> None:
        async with served(lambda _: [(3.0, b"PASS\n")]) as link:
            assert await link.query("*TST?", SWEEP, timeout_s=5.0) == "PASS"

    run_virtual(main())


# Blocks of IEEE 488.2.


@given(content=st.binary(max_size=3000), end=st.sampled_from([b"\n", b"\r\n"]), cuts=st.lists(st.integers(0, 3010)))
def test_a_block_is_its_content_whatever_that_holds_and_however_it_comes(
    content: bytes, end: bytes, cuts: list[int]
) -> None:
    async def main() -> None:
        size = str(len(content)).encode()
        reply = b"#" + str(len(size)).encode() + size + content + end
        places = [0, *sorted(min(cut, len(reply)) for cut in cuts), len(reply)]
        pieces = [(0.001 * at, reply[start:stop]) for at, (start, stop) in enumerate(itertools.pairwise(places))]
        async with served(lambda _: [piece for piece in pieces if piece[1]]) as link:
            assert await link.query_block("DATA?", SWEEP, bytes_max=3000) == content
            assert await link.query_block("DATA?", SWEEP, bytes_max=3000) == content  # and nothing is left over

    run_virtual(main())


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (b"43.50V\n", ProtocolError, "'DATA\\?': the answer is no block of definite length: b'43.50V"),
        (b"#0abc\n", ProtocolError, "no block of definite length"),
        (b"#2x1abc\n", ProtocolError, "a block without a length"),
        (b"#41001" + bytes(1001) + b"\n", ProtocolError, "a block of 1001 bytes, more than 1000"),
        (b"#13abcdef\n", ProtocolError, "followed by b'de', not by the end of the line"),
        (b"#13ab", LinkError, "no answer to 'DATA\\?'"),
        (b"#", LinkError, "no answer to 'DATA\\?'"),
    ],
)
def test_a_block_that_cannot_be_is_an_error_that_says_why(reply: bytes, error: type[DeviceError], says: str) -> None:
    async def main() -> None:
        async with served(lambda _: reply) as link:
            with pytest.raises(error, match=says):
                await link.query_block("DATA?", SWEEP, bytes_max=1000)

    run_virtual(main())


@given(reply=st.binary(min_size=1, max_size=200) | st.binary(max_size=20).map(lambda tail: b"#" + tail))
def test_whatever_comes_back_for_a_block_it_is_a_device_error_or_bytes(reply: bytes) -> None:
    async def main() -> None:
        async with served(lambda _: reply) as link:
            with contextlib.suppress(DeviceError):
                assert len(await link.query_block("DATA?", SWEEP, bytes_max=100)) <= 100

    run_virtual(main())
