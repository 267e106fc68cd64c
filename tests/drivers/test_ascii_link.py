"""The link on which every line is answered by one, over TCP and on a serial line."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port
from scripted_device import on_serial_line, on_tcp

from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from cycler.contract.overtaking import Withdrawn
from cycler.contract.plugin import Resource
from drivers.links.ascii import AsciiLink
from drivers.links.queue import Priority
from sims.loop import run_virtual

PORT = free_port()
ORDER = Priority.ORDER


def link_to(text: str = f"ascii-tcp://127.0.0.1:{PORT}", **more: bytes | float) -> AsciiLink:
    return AsciiLink.to("ch-01", Resource.parse(text), default_port=10001, **more)


def test_a_line_ends_in_each_direction_as_the_device_wants_it() -> None:
    async def main() -> None:
        heard = []

        def script(line: bytes) -> bytes:
            heard.append(line)
            return b"23.5,\n40.0\r"

        async with on_tcp(script, PORT):
            link = link_to(line_end=b"\r\n", reply_end=b"\r")
            assert await link.exchange("TEMP?", ORDER) == "23.5,\n40.0"
            assert heard == [b"TEMP?\r\n"]
            link.close()

    run_virtual(main())
    run_virtual(main(), loopback=True)


def test_it_speaks_on_a_serial_line_too(tmp_path: Path) -> None:
    async def main() -> None:
        link = link_to(f"serial://{tmp_path}/tty?baud=19200")
        async with on_serial_line(lambda line: b"OK:" + line, tmp_path / "tty"):
            for _ in range(10):
                assert await link.exchange("TEMP,S30.0", ORDER) == "OK:TEMP,S30.0"
            link.close()

    run_virtual(main())


def test_a_command_that_is_no_longer_wanted_when_its_turn_comes_is_not_sent() -> None:
    async def main() -> None:
        heard = []

        def script(line: bytes) -> list[tuple[float, bytes]]:
            heard.append(line)
            return [(0.1, b"OK\r\n")]

        async with on_tcp(script, PORT):
            link, wanted = link_to(), True
            sweep = asyncio.create_task(link.exchange("MON?", Priority.SWEEP))
            order = asyncio.create_task(link.exchange("POWER,ON", ORDER, unless=lambda: not wanted))
            await asyncio.sleep(0.05)
            wanted = False
            with pytest.raises(Withdrawn):
                await order
            assert await sweep == "OK"
            assert heard == [b"MON?\r\n"]
            link.close()

    run_virtual(main())


def test_a_reply_that_comes_late_is_not_taken_for_the_next_one() -> None:
    async def main() -> None:
        delays = iter([0.8, 0.0])

        async with on_tcp(lambda line: [(next(delays), b"OK:" + line)], PORT):
            link = link_to()
            with pytest.raises(LinkError, match=r"ch-01: no answer to 'TEMP\?'"):
                await link.exchange("TEMP?", ORDER)
            assert await link.exchange("HUMI?", ORDER) == "OK:HUMI?"
            link.close()

    run_virtual(main())


def test_what_a_converter_keeps_for_the_next_connection_is_not_taken_for_an_answer() -> None:
    async def main() -> None:
        class Converter(asyncio.Protocol):
            kept = b""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                self.transport = transport
                transport.write(Converter.kept)

            def data_received(self, data: bytes) -> None:
                if data == b"TEMP?\r\n":
                    Converter.kept = b"23.5\r\n"
                else:
                    self.transport.write(b"40.0\r\n")

        server = await asyncio.get_running_loop().create_server(Converter, "127.0.0.1", PORT)
        link = link_to()
        with pytest.raises(LinkError):
            await link.exchange("TEMP?", ORDER)
        assert await link.exchange("HUMI?", ORDER) == "40.0"
        link.close()
        server.close()
        await asyncio.sleep(1.0)

    run_virtual(main())


@pytest.mark.parametrize(("reply", "says"), [(b"\xff\r\n", "is no text"), (b"x" * 5000, "longer than 4096 bytes")])
def test_an_answer_that_cannot_be_is_a_protocol_error(reply: bytes, says: str) -> None:
    async def main() -> None:
        async with on_tcp(lambda _: reply, PORT):
            link = link_to()
            with pytest.raises(ProtocolError, match=says):
                await link.exchange("TEMP?", ORDER)
            link.close()

    run_virtual(main())


@given(reply=st.binary(min_size=1, max_size=200))
def test_whatever_comes_back_it_is_a_device_error_or_text(reply: bytes) -> None:
    async def main() -> None:
        async with on_tcp(lambda _: reply, PORT):
            link = link_to()
            for _ in range(2):
                with contextlib.suppress(DeviceError):
                    assert (await link.exchange("TEMP?", ORDER)).isascii()
            link.close()

    run_virtual(main())
