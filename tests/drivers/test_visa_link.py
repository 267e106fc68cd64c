"""SCPI through pyvisa-py, in real time: its threads know no other. A socket resource, with the far end in our loop."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ports import free_port
from scripted_device import Script, Scripted

from cycler.contract.errors import LinkError, ProtocolError
from cycler.contract.plugin import Resource
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

PORT = free_port()
SWEEP = Priority.SWEEP


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[ScpiLink]:
    server = await asyncio.get_running_loop().create_server(lambda: Scripted(script), "127.0.0.1", PORT)
    link = ScpiLink.to("smu-01", Resource.parse(f"visa:TCPIP0::127.0.0.1::{PORT}::SOCKET"), timeout_s=0.2)
    try:
        yield link
    finally:
        link.close()
        server.close()
        await asyncio.sleep(0.1)  # until the thread has closed its end


def run(main: Coroutine[Any, Any, None]) -> None:
    """Until no session's thread is left either."""
    asyncio.run(main)
    for thread in threading.enumerate():
        if thread.name.startswith("visa "):
            thread.join(timeout=5.0)
            assert not thread.is_alive()


def test_lines_and_blocks_come_as_over_the_native_link() -> None:
    async def main() -> None:
        heard = []

        def script(line: bytes) -> bytes | None:
            heard.append(line)
            return {b"*IDN?\n": b"KEITHLEY,2450\n", b"DATA?\n": b"#216a\nb\nc" + bytes(10) + b"!\n"}.get(line)

        async with served(script) as link:
            assert await link.query("*IDN?", SWEEP) == "KEITHLEY,2450"
            await link.write("OUTP OFF", SWEEP)
            assert await link.query_block("DATA?", SWEEP, bytes_max=100) == b"a\nb\nc" + bytes(10) + b"!"
            assert await link.query("*IDN?", SWEEP) == "KEITHLEY,2450"
            assert b"OUTP OFF\n" in heard

    run(main())


def test_silence_ends_at_the_time_limit_and_costs_the_session() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with served(lambda line: None if line == b"SLOW?\n" else b"right\n") as link:
            assert await link.query("FAST?", SWEEP) == "right"
            began_s = clock()
            with pytest.raises(LinkError, match=r"smu-01: .*'SLOW\?'"):
                await link.query("SLOW?", SWEEP)
            assert clock() - began_s < 2.0
            assert await link.query("FAST?", SWEEP) == "right"

    run(main())


def test_the_loop_goes_on_while_visa_waits() -> None:
    async def main() -> None:
        async with served(lambda _: [(0.1, b"late\n")]) as link:
            asking = asyncio.create_task(link.query("SLOW?", SWEEP))
            turns = 0
            while not asking.done():
                await asyncio.sleep(0.005)
                turns += 1
            assert await asking == "late"
            assert turns >= 10

    run(main())


def test_what_cannot_be_understood_is_a_protocol_error() -> None:
    async def main() -> None:
        async with served(lambda _: b"\xff\xfe\n") as link:
            with pytest.raises(ProtocolError, match=r"smu-01: '\*IDN\?': what came is no text"):
                await link.query("*IDN?", SWEEP)

    run(main())


@pytest.mark.parametrize(
    "name",
    [f"TCPIP0::127.0.0.1::{free_port()}::SOCKET", "GPIB0::99::INSTR", "NOISE::INSTR"],
    ids=["socket", "gpib", "noise"],
)
def test_a_resource_that_cannot_be_opened_is_a_link_error(name: str) -> None:
    async def main() -> None:
        link = ScpiLink.to("smu-01", Resource.parse(f"visa:{name}"))
        with pytest.raises(LinkError, match=f"smu-01: .*{name}"):
            await link.query("*IDN?", SWEEP)
        link.close()

    run(main())


def test_pyvisa_is_not_imported_before_it_is_needed() -> None:
    script = "import sys; import drivers.links.scpi; sys.exit('pyvisa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
