"""Serial ports: adapters that vanish and return, ports that somebody else has, bytes that nobody takes."""

import asyncio
import os
import pty
import termios
import tty
from pathlib import Path

import pytest
import serial
from scripted_device import on_serial_line

from cycler.contract.errors import LinkError
from cycler.contract.plugin import Resource
from drivers.links.ascii import AsciiLink
from drivers.links.queue import Priority
from sims.loop import run_virtual

SWEEP = Priority.SWEEP


def link_to(path: Path) -> AsciiLink:
    return AsciiLink.to("ch-01", Resource.parse(f"serial://{path}?baud=19200&parity=E&stopbits=2"), default_port=1)


def echo(line: bytes) -> bytes:
    return line


def test_the_port_is_set_up_as_the_resource_says(tmp_path: Path) -> None:
    """But for its parity, which a pty does not keep."""

    async def main() -> None:
        path = tmp_path / "tty"
        link = link_to(path)
        async with on_serial_line(echo, path):
            await link.exchange("TEMP?", SWEEP)
            port = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            flags, speeds = termios.tcgetattr(port)[2], termios.tcgetattr(port)[4:6]
            os.close(port)
            assert speeds == [termios.B19200, termios.B19200]
            assert flags & termios.CSTOPB
            assert flags & termios.CSIZE == termios.CS8
            link.close()

    run_virtual(main())


def test_an_adapter_that_vanishes_and_returns_is_opened_again_by_its_path(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "by-id-tty"
        link = link_to(path)
        async with on_serial_line(echo, path):
            assert await link.exchange("TEMP?", SWEEP) == "TEMP?"
        with pytest.raises(LinkError, match=rf"ch-01: no connection to {path}: .*No such file"):
            await link.exchange("TEMP?", SWEEP)
        async with on_serial_line(echo, path):
            assert await link.exchange("TEMP?", SWEEP) == "TEMP?"
            link.close()

    run_virtual(main())


def test_an_adapter_that_is_pulled_out_in_the_middle_of_a_question_is_noticed_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        clock, path = asyncio.get_running_loop().time, tmp_path / "tty"
        link = link_to(path)
        async with on_serial_line(lambda _: None, path) as line:
            asking = asyncio.create_task(link.exchange("TEMP?", SWEEP))
            await asyncio.sleep(0.1)
            line.close()
            began_s = clock()
            with pytest.raises(LinkError, match=rf"ch-01: {path} gave up during 'TEMP\?'"):
                await asking
            assert clock() - began_s < 0.01
            link.close()

    run_virtual(main())


def test_a_port_that_somebody_else_has_opened_is_a_link_error_that_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "tty"
        link = link_to(path)
        async with on_serial_line(echo, path):
            with serial.Serial(str(path), exclusive=True), pytest.raises(LinkError, match=r"exclusively lock|busy"):
                await link.exchange("TEMP?", SWEEP)
            assert await link.exchange("TEMP?", SWEEP) == "TEMP?"
            link.close()

    run_virtual(main())


def test_what_is_no_serial_port_is_a_link_error(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "file"
        path.write_text("")
        with pytest.raises(LinkError, match=rf"no connection to {path}"):
            await link_to(path).exchange("TEMP?", SWEEP)

    run_virtual(main())


def test_what_the_port_did_not_take_in_time_is_never_sent(tmp_path: Path) -> None:
    async def main() -> None:
        far, near = pty.openpty()
        tty.setraw(near)
        path = tmp_path / "tty"
        path.symlink_to(os.ttyname(near))
        link = link_to(path)
        with pytest.raises(LinkError, match="no answer"):
            await link.exchange("x" * 100_000, SWEEP)  # more than anybody's buffers hold
        os.set_blocking(far, False)
        while True:
            try:
                os.read(far, 65536)
            except BlockingIOError:
                break
        await asyncio.sleep(10.0)
        with pytest.raises(BlockingIOError):
            os.read(far, 65536)
        link.close()
        os.close(far)
        os.close(near)

    run_virtual(main())
