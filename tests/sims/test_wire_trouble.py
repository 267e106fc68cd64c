"""What can happen to bytes on any wire, as a host sees it."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from cycler.contract.plugin import Resource
from sims.faults import POSSIBLE_ON_WIRE, Faults
from sims.loop import run_virtual
from sims.wire.lines import LineConversation
from sims.wire.modbus import MappedUnit, crc, modbus_conversation
from sims.wire.ports import Port

LINES = Resource.parse("scpi-tcp://127.0.0.1:5025")
TCP = Resource.parse("modbus-tcp://127.0.0.1:1502")
RTU = Resource.parse("modbus-rtu-tcp://127.0.0.1:1503")
QUIET_S = 5.0


class Zeros:
    def read_words(self, table: str, address: int, count: int) -> list[int]:
        return [0] * count

    def write_words(self, address: int, words: object) -> None: ...
    def read_bits(self, table: str, address: int, count: int) -> list[bool]:
        return [False] * count

    def write_bits(self, address: int, bits: object) -> None: ...


class Host:
    """Asks over one connection, and notes what comes and when."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.writer = writer
        self._reader = reader
        self._listening = asyncio.ensure_future(self._listen())

    @classmethod
    async def on(cls, resource: Resource) -> "Host":
        return cls(*await asyncio.open_connection(resource.host, resource.port))

    async def ask(self, request: bytes, *, within_s: float = QUIET_S) -> bytes:
        """All that comes in this time."""
        already = len(self.pieces)
        self.writer.write(request)
        await asyncio.sleep(within_s)
        return b"".join(piece for _, piece in self.pieces[already:])

    async def close(self) -> None:
        self.writer.close()
        await self._listening

    @property
    def was_reset(self) -> bool:
        return self._listening.done() and self._listening.result()

    async def _listen(self) -> bool:
        try:
            while piece := await self._reader.read(1000):
                self.pieces.append((round(asyncio.get_running_loop().time(), 3), piece))
        except ConnectionResetError:
            return True
        return False


Scenario = Callable[[Faults, Resource], Coroutine[Any, Any, None]]


def suffering(scenario: Scenario, resource: Resource = LINES, *, seed: str = "", loopback: bool = False) -> None:
    """With an instrument that echoes lines, or one whose registers are all zero."""

    async def main() -> None:
        faults = Faults(seed)
        if resource.scheme.startswith("modbus"):
            conversation = modbus_conversation(resource, {1: MappedUnit(Zeros())})
            port = Port(resource, conversation, faults=faults)
        else:
            port = Port(resource, lambda: LineConversation(lambda line: line + b"\n"), faults=faults)
        await port.start()
        await scenario(faults, resource)
        await port.aclose()

    run_virtual(main(), loopback=loopback)


def rtu(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc(body)


READ = {TCP.text: bytes.fromhex("0001 0000 0006 01 03 0000 0002"), RTU.text: rtu("01 03 0000 0002")}
SHOWN = {TCP.text: bytes.fromhex("0001 0000 0007 01 03 04 00000000"), RTU.text: rtu("01 03 04 00000000")}


def test_without_reply_means_that_the_instrument_hears_nothing_either() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        fault = faults.begin("no-reply")
        assert await host.ask(b"lost\n") == b""
        faults.end(fault)
        assert await host.ask(b"heard\n") == b"heard\n"
        await host.close()

    suffering(scenario)


def test_a_late_reply_comes_after_its_delay_and_before_those_of_later_questions() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        fault = faults.begin("late", numbers={"delay_s": 3.0})
        began_s = asyncio.get_running_loop().time()
        await host.ask(b"first\n", within_s=1.0)
        faults.end(fault)
        assert await host.ask(b"second\n") == b"first\nsecond\n"
        assert host.pieces[0][0] == pytest.approx(began_s + 3.0, abs=0.01)
        await host.close()

    suffering(scenario)


def test_a_late_reply_is_lost_with_its_connection() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("late", numbers={"delay_s": 3.0})
        await host.ask(b"x\n", within_s=1.0)
        await host.close()
        host = await Host.on(resource)
        assert await host.ask(b"", within_s=9.0) == b""
        await host.close()

    suffering(scenario)


def test_a_reply_may_come_after_the_reconnection_that_it_caused() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        fault = faults.begin("late-after-reconnect")
        assert await host.ask(b"one\n") == b""
        faults.end(fault)
        await host.close()
        host = await Host.on(resource)
        assert await host.ask(b"two\n") == b"one\ntwo\n"
        await host.close()

    suffering(scenario)


def test_a_duplicate_comes_twice() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("duplicate")
        assert await host.ask(b"x\n") == b"x\nx\n"
        await host.close()

    suffering(scenario)


def test_a_truncated_reply_lacks_its_end() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("truncated")
        reply = await host.ask(b"abcdefgh\n")
        assert len(reply) < 9
        assert b"abcdefgh\n".startswith(reply)
        await host.close()

    suffering(scenario)


@pytest.mark.parametrize("seed", "abcd")
def test_extra_bytes_are_no_text_and_leave_the_reply_whole(seed: str) -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("extra-bytes")
        reply = await host.ask(b"x\n")
        noise = reply.replace(b"x\n", b"")
        assert 1 <= len(noise) <= 3
        assert reply in (noise + b"x\n", b"x\n" + noise)
        assert min(noise) >= 0x80
        await host.close()

    suffering(scenario, seed=seed)


def test_bytes_may_come_one_by_one() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("byte-by-byte")
        assert await host.ask(b"abc\n") == b"abc\n"
        assert [piece for _, piece in host.pieces] == [b"a", b"b", b"c", b"\n"]
        await host.close()

    suffering(scenario)


def test_a_half_open_connection_is_dead_for_good_and_a_new_one_is_not() -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        old = await Host.on(resource)
        fault = faults.begin("half-open")
        new = await Host.on(resource)
        assert await new.ask(b"new\n") == b"new\n"
        faults.end(fault)
        assert await old.ask(b"old\n") == b""
        assert not old.writer.is_closing()
        await old.close()
        await new.close()

    suffering(scenario)


@pytest.mark.parametrize("loopback", [False, True], ids=["in memory", "real sockets"])
def test_a_question_may_be_answered_by_a_reset(loopback: bool) -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        fault = faults.begin("reset")
        assert not host.was_reset
        assert await host.ask(b"x\n") == b""
        assert host.was_reset
        faults.end(fault)
        await host.close()
        host = await Host.on(resource)
        assert await host.ask(b"x\n") == b"x\n"
        await host.close()

    suffering(scenario, Resource.parse(f"scpi-tcp://127.0.0.1:{free_port()}"), loopback=loopback)


@pytest.mark.parametrize("loopback", [False, True], ids=["in memory", "real sockets"])
def test_while_connections_are_refused_there_are_none(loopback: bool) -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults_begun = [faults.begin("refused"), faults.begin("refused")]
        await host.ask(b"x\n", within_s=0.1)
        await host.close()
        faults.end(faults_begun[0])
        with pytest.raises(ConnectionRefusedError):
            await Host.on(resource)
        faults.end(faults_begun[1])
        await asyncio.sleep(0.1)
        host = await Host.on(resource)
        assert await host.ask(b"x\n") == b"x\n"
        await host.close()

    suffering(scenario, Resource.parse(f"scpi-tcp://127.0.0.1:{free_port()}"), loopback=loopback)


def test_a_serial_adapter_that_refuses_is_not_there(tmp_path: Path) -> None:
    def adapters() -> list[str]:
        return [path.name for path in tmp_path.iterdir()]

    async def scenario(faults: Faults, resource: Resource) -> None:
        assert adapters() == ["tty"]
        fault = faults.begin("refused")
        assert adapters() == []
        faults.end(fault)
        await asyncio.sleep(0.0)
        assert adapters() == ["tty"]

    suffering(scenario, Resource.parse(f"serial://{tmp_path}/tty"))


def test_what_refuses_from_the_beginning_does_not_listen() -> None:
    async def main() -> None:
        faults = Faults()
        faults.begin("refused")
        port = Port(LINES, lambda: LineConversation(lambda line: line), faults=faults)
        await port.start()
        with pytest.raises(ConnectionRefusedError):
            await Host.on(LINES)
        await port.aclose()

    run_virtual(main())


@pytest.mark.parametrize("resource", [TCP, RTU], ids=["tcp", "rtu"])
def test_the_answer_of_another_unit_is_whole_but_for_its_unit(resource: Resource) -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("swapped-units")
        shown = SHOWN[resource.text]
        at = 6 if resource is TCP else 0
        expected = shown[:at] + b"\x02" + shown[at + 1 :]
        if resource is RTU:
            expected = expected[:-2] + crc(expected[:-2])
        assert await host.ask(READ[resource.text]) == expected
        await host.close()

    suffering(scenario, resource)


@pytest.mark.parametrize("seed", "abcd")
def test_a_flipped_bit_does_not_check(seed: str) -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("crc")
        reply, shown = await host.ask(READ[resource.text]), SHOWN[resource.text]
        flipped = int.from_bytes(reply, "big") ^ int.from_bytes(shown, "big")
        assert len(reply) == len(shown)
        assert flipped.bit_count() == 1
        assert crc(reply[:-2]) != reply[-2:]
        await host.close()

    suffering(scenario, RTU, seed=seed)


@pytest.mark.parametrize("fault", sorted(POSSIBLE_ON_WIRE["modbus-rtu-tcp"] - {"refused"}))
@pytest.mark.parametrize("resource", [LINES, TCP, RTU], ids=["lines", "tcp", "rtu"])
def test_the_wire_is_whole_again_after_any_fault(resource: Resource, fault: str) -> None:
    async def scenario(faults: Faults, resource: Resource) -> None:
        request = READ.get(resource.text, b"x\n")
        expected = SHOWN.get(resource.text, b"x\n")
        host = await Host.on(resource)
        begun = faults.begin(fault)
        for _ in range(3):
            await host.ask(request)
        faults.end(begun)
        await host.close()
        host = await Host.on(resource)
        await host.ask(request)  # what was held back comes first
        assert await host.ask(request) == expected
        await host.close()

    suffering(scenario, resource)


def test_equal_seeds_do_the_same_to_the_same_bytes() -> None:
    heard: list[list[bytes]] = []

    async def scenario(faults: Faults, resource: Resource) -> None:
        host = await Host.on(resource)
        faults.begin("truncated")
        faults.begin("extra-bytes")
        heard.append([await host.ask(b"a long line of text\n") for _ in range(10)])
        await host.close()

    for seed in ("one", "one", "two"):
        suffering(scenario, seed=seed)
    assert heard[0] == heard[1] != heard[2]
