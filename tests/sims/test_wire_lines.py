"""Text lines as simulated instruments speak them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.plugin import Resource
from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.lines import Late, LineConversation
from sims.wire.ports import Port

HERE = Resource.parse("scpi-tcp://127.0.0.1:5025")


def talk(*chunks: bytes, end: bytes = b"\n", bytes_max: int = 20, until_s: float = 10.0) -> list[tuple[float, bytes]]:
    """What comes back for these chunks, and when; each is sent a tenth of a second after the one before.

    The instrument says every line backwards, after 1 s where it begins with `slow`, and nothing to an empty one.
    """

    def answer(line: bytes) -> bytes | Late | None:
        reply = line[::-1] + end
        if not line:
            return None
        return Late(1.0, reply) if line.startswith(b"slow") else reply

    async def main() -> list[tuple[float, bytes]]:
        port = Port(HERE, lambda: LineConversation(answer, end=end, bytes_max=bytes_max), faults=Faults())
        await port.start()
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", 5025)
        got: list[tuple[float, bytes]] = []

        async def listen() -> None:
            while line := await reader.readline():
                got.append((round(loop.time(), 2), line))

        listening = asyncio.ensure_future(listen())
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0.1)
        await asyncio.sleep(until_s)
        writer.close()
        await port.aclose()
        await listening
        return got

    return run_virtual(main())


def test_each_line_is_answered_however_it_is_cut_into_pieces() -> None:
    assert talk(b"abc\nde\n\nf\n") == [(0.0, b"cba\n"), (0.0, b"ed\n"), (0.0, b"f\n")]
    assert talk(b"a", b"bc", b"\n") == [(0.2, b"cba\n")]


def test_lines_end_as_the_instrument_wants_it() -> None:
    assert talk(b"ab\ncd\r", b"\nef\r\n", end=b"\r\n") == [(0.1, b"dc\n"), (0.1, b"ba\r\n"), (0.1, b"fe\r\n")]


def test_an_answer_that_takes_time_holds_up_what_comes_after_it() -> None:
    assert talk(b"slow\nfast\n", b"slower\n") == [(1.0, b"wols\n"), (1.0, b"tsaf\n"), (2.0, b"rewols\n")]


def test_an_answer_under_way_is_lost_with_its_connection() -> None:
    assert talk(b"slow\n", until_s=0.5) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_of_a_line_that_is_too_long_one_byte_more_than_fits_is_kept(end: bytes) -> None:
    ((_, line),) = talk(b"x" * 15, b"y" * 30, b"z" * 500 + end[:1], end[1:] or b"", end=end)
    assert line == (b"x" * 15 + b"y" * 6)[::-1] + end


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
def test_whatever_comes_the_next_line_is_answered(chunks: list[bytes]) -> None:
    (*_, (_, last)) = talk(*chunks, b"\nabc\n")
    assert last == b"cba\n"
