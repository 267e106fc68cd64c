"""Devices that share a wire: one connection, one queue, and nobody who is silent takes it from the others."""

import asyncio
import contextlib
import itertools
import struct
from pathlib import Path

import pytest
from ports import free_port
from scripted_device import Scripted, mbap, on_serial_line, on_tcp, rtu

from cycler.contract.errors import LinkError, ProtocolError
from cycler.contract.plugin import Resource
from drivers.links.ascii import AsciiLink
from drivers.links.breaker import FAILURES_AT_ONCE, PAUSE_S_MAX
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink
from sims.loop import run_virtual
from sims.network import Address

PORT = free_port()
GATEWAY = Address("127.0.0.1", PORT)
SWEEP = Priority.SWEEP
ONE = Block(0, struct.Struct(">H"))


def unit(number: int, scheme: str = "modbus-tcp") -> ModbusLink:
    return ModbusLink.to(f"unit-{number}", Resource.parse(f"{scheme}://{GATEWAY}?unit={number}"))


def own_number(request: bytes) -> bytes | None:
    """Behind a gateway: unit 9 is dead, the others hold their number."""
    return None if request[6] == 9 else mbap(request, b"\x03\x02" + struct.pack(">H", request[6]))


def own_number_rtu(request: bytes) -> bytes | None:
    """The same on a line."""
    return None if request[0] == 9 else rtu(request[0], b"\x03\x02" + struct.pack(">H", request[0]))


def test_the_units_behind_a_gateway_share_one_connection() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network
        async with on_tcp(own_number, PORT):
            links = [unit(number) for number in range(1, 6)]
            answers = await asyncio.gather(*(link.read(ONE, SWEEP) for link in links))
            assert answers == [(1,), (2,), (3,), (4,), (5,)]
            assert network.connections[GATEWAY] == 1
            for link in links:
                link.close()

    run_virtual(main())


def test_the_connection_ends_when_the_last_one_has_let_go() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network
        async with on_tcp(own_number, PORT):
            first, second = unit(1), unit(2)
            await first.read(ONE, SWEEP)
            await second.read(ONE, SWEEP)
            first.close()
            await second.read(ONE, SWEEP)
            assert network.connections[GATEWAY] == 1
            second.close()
            await first.read(ONE, SWEEP)
            assert network.connections[GATEWAY] == 2
            first.close()

    run_virtual(main())


@pytest.mark.parametrize(("scheme", "script"), [("modbus-tcp", own_number), ("modbus-rtu-tcp", own_number_rtu)])
def test_a_silent_unit_takes_little_of_the_wire_from_the_others(scheme: str, script: object) -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with on_tcp(script, PORT):
            dead, alive = unit(9, scheme), unit(1, scheme)
            answered = 0

            async def ask_the_dead() -> None:
                while True:
                    with contextlib.suppress(LinkError):
                        await dead.read(ONE, SWEEP)
                    await asyncio.sleep(0.1)

            asking = asyncio.create_task(ask_the_dead())
            await asyncio.sleep(60.0)
            end_s = clock() + 300.0
            while clock() < end_s:
                assert await alive.read(ONE, SWEEP) == (1,)
                answered += 1
                await asyncio.sleep(0.1)
            asking.cancel()
            assert answered >= 0.85 * 3000
            dead.close()
            alive.close()

    run_virtual(main())


def test_a_silent_device_on_a_shared_wire_is_left_alone_for_longer_and_longer_but_for_offs() -> None:
    async def main() -> None:
        clock, heard_s = asyncio.get_running_loop().time, []

        def script(request: bytes) -> None:
            heard_s.append(clock())

        async with on_tcp(script, PORT):
            link, other = unit(1), unit(2)
            with contextlib.suppress(LinkError):
                await other.read(ONE, SWEEP)
            heard_s.clear()
            while clock() < 300.0:
                with contextlib.suppress(LinkError):
                    await link.read(ONE, SWEEP)
                await asyncio.sleep(0.1)
            pauses_s = [later - earlier for earlier, later in itertools.pairwise(heard_s)]
            assert all(pause_s < 0.7 for pause_s in pauses_s[:FAILURES_AT_ONCE])
            assert PAUSE_S_MAX / 2 < pauses_s[-1] < 1.5 * PAUSE_S_MAX + 1.0
            with pytest.raises(LinkError, match=r"unit-1: has not answered .* times in a row; is asked again in"):
                await link.read(ONE, SWEEP)
            asked = len(heard_s)
            with pytest.raises(LinkError, match="no answer to the write of off"):
                await link.write_coil(0, False, Priority.OFF)
            assert len(heard_s) == asked + 1
            link.close()
            other.close()

    run_virtual(main())


def test_a_silent_device_on_a_wire_of_its_own_is_asked_again_soon() -> None:
    async def main() -> None:
        clock, heard_s = asyncio.get_running_loop().time, []

        def script(request: bytes) -> None:
            heard_s.append(clock())

        async with on_tcp(script, PORT):
            link = unit(1)
            while clock() < 60.0:
                with contextlib.suppress(LinkError):
                    await link.read(ONE, SWEEP)
                await asyncio.sleep(0.1)
            assert max(later - earlier for earlier, later in itertools.pairwise(heard_s)) < 1.0
            link.close()

    run_virtual(main())


def test_who_waits_behind_questions_in_vain_is_not_asked_in_vain_too() -> None:
    async def main() -> None:
        clock, heard = asyncio.get_running_loop().time, []
        async with on_tcp(heard.append, PORT):
            link = unit(1)
            answers = await asyncio.gather(*(link.read(ONE, SWEEP) for _ in range(20)), return_exceptions=True)
            assert all(isinstance(answer, LinkError) for answer in answers)
            assert len(heard) == FAILURES_AT_ONCE + 1
            assert clock() < 2.0
            link.close()

    run_virtual(main())


def test_who_lets_go_resets_the_connection() -> None:
    """So that nothing which a pulled cable held back still arrives."""
    ends: list[Exception | None] = []

    class Witness(Scripted):
        def connection_lost(self, exc: Exception | None) -> None:
            ends.append(exc)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Witness(own_number), "127.0.0.1", PORT)
        link = unit(1)
        await link.read(ONE, SWEEP)
        link.close()
        server.close()
        await asyncio.sleep(0.1)

    run_virtual(main(), loopback=True)
    assert [type(end) for end in ends] == [ConnectionResetError]


def test_devices_that_come_back_together_are_not_asked_all_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock, asked_s = loop.time, {}

        async def ask(link: ModbusLink) -> None:
            while clock() < 30.0:
                with contextlib.suppress(LinkError):
                    await link.read(ONE, SWEEP)
                await asyncio.sleep(0.01)

        links = [unit(number) for number in range(1, 9)]
        tasks = [asyncio.create_task(ask(link)) for link in links]  # nobody listens: each is refused at once
        await asyncio.sleep(30.0)

        def script(request: bytes) -> bytes | None:
            asked_s.setdefault(request[6], clock())
            return own_number(request)

        async with on_tcp(script, PORT):
            async with asyncio.timeout(60.0):
                for link in links:
                    while True:
                        with contextlib.suppress(LinkError):
                            await link.read(ONE, SWEEP)
                            break
                        await asyncio.sleep(0.1)
            await asyncio.gather(*tasks)
            for link in links:
                link.close()
        assert max(asked_s.values()) - min(asked_s.values()) > 1.0

    run_virtual(main())


def test_a_device_that_answers_again_is_asked_as_ever() -> None:
    async def main() -> None:
        deaf = True

        async with on_tcp(lambda request: None if deaf else own_number(request), PORT):
            link = unit(1)
            for _ in range(FAILURES_AT_ONCE + 1):
                with pytest.raises(LinkError):
                    await link.read(ONE, SWEEP)
            deaf = False
            await asyncio.sleep(1.0)
            assert await link.read(ONE, SWEEP) == (1,)
            deaf = True
            for _ in range(FAILURES_AT_ONCE):
                with pytest.raises(LinkError, match="no answer"):
                    await link.read(ONE, SWEEP)
            link.close()

    run_virtual(main())


def test_two_languages_may_be_spoken_on_one_serial_port(tmp_path: Path) -> None:
    async def main() -> None:
        def script(request: bytes) -> bytes | None:
            if request[0] >= ord("*"):
                return b"hello\n" if request.endswith(b"?\n") else None
            return own_number_rtu(request)

        modbus = ModbusLink.to("psb", Resource.parse(f"modbus-rtu://{tmp_path}/tty?unit=1"))
        scpi = ScpiLink.to("psb", Resource.parse(f"serial://{tmp_path}/tty"))
        async with on_serial_line(script, tmp_path / "tty"):
            for _ in range(3):
                assert await modbus.read(ONE, SWEEP) == (1,)
                await scpi.write("SYST:LOCK ON", SWEEP)
                assert await scpi.query("*IDN?", SWEEP) == "hello"
            assert await asyncio.gather(modbus.read(ONE, SWEEP), scpi.query("*IDN?", SWEEP)) == [(1,), "hello"]
            modbus.close()
            scpi.close()

    run_virtual(main())


def test_two_settings_for_one_serial_port_cannot_be(tmp_path: Path) -> None:
    async def main() -> None:
        first = AsciiLink.to("ch-01", Resource.parse(f"serial://{tmp_path}/tty?baud=19200"), default_port=1)
        second = AsciiLink.to("ch-02", Resource.parse(f"serial://{tmp_path}/tty?baud=9600"), default_port=1)
        async with on_serial_line(lambda line: line, tmp_path / "tty"):
            assert await first.exchange("TEMP?", SWEEP) == "TEMP?"
            with pytest.raises(ProtocolError, match=r"ch-02: others use .*baud=19200.*, the resource says .*baud=9600"):
                await second.exchange("TEMP?", SWEEP)
            first.close()

    run_virtual(main())


def test_the_longest_gap_that_anybody_needs_is_kept_for_all() -> None:
    async def main() -> None:
        clock, heard_s = asyncio.get_running_loop().time, []

        def script(request: bytes) -> bytes | None:
            heard_s.append(clock())
            return own_number(request)

        async with on_tcp(script, PORT):
            quick = unit(1)
            slow = ModbusLink.to("unit-2", Resource.parse(f"modbus-tcp://{GATEWAY}?unit=2"), gap_s=0.05)
            await slow.read(ONE, SWEEP)
            for _ in range(3):
                await quick.read(ONE, SWEEP)
            assert heard_s[-1] - heard_s[0] >= 3 * 0.05
            quick.close()
            slow.close()

    run_virtual(main())


def test_whoever_lets_go_with_a_question_under_way_leaves_no_connection_behind() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network
        async with on_tcp(own_number, PORT):
            link = unit(1)
            asking = [asyncio.create_task(link.read(ONE, SWEEP)) for _ in range(3)]
            await asyncio.sleep(0.00005)
            link.close()
            await asyncio.gather(*asking, return_exceptions=True)
            await asyncio.sleep(0.1)
            assert not network._transports

    run_virtual(main())
