"""Modbus as simulated instruments speak it: frames, checksums, silence, and functions by the book."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.plugin import Resource
from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.modbus import (
    FUNCTIONS,
    ILLEGAL_ADDRESS,
    MappedUnit,
    ModbusException,
    crc,
    modbus_conversation,
    rtu_request_bytes,
)
from sims.wire.ports import Port

TCP = Resource.parse("modbus-tcp://127.0.0.1:1502")
RTU = Resource.parse("modbus-rtu-tcp://127.0.0.1:1502")
QUIET_S = 1.0


class Registers:
    """Sixteen holding registers and coils; inputs hold their address, every second discrete input is on."""

    def __init__(self) -> None:
        self.words = [0] * 16
        self.bits = [False] * 16

    def read_words(self, table: str, address: int, count: int) -> Sequence[int]:
        self._check(address, count)
        return self.words[address : address + count] if table == "holding" else range(address, address + count)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        self._check(address, len(words))
        self.words[address : address + len(words)] = words

    def read_bits(self, table: str, address: int, count: int) -> Sequence[bool]:
        self._check(address, count)
        return (self.bits if table == "coils" else [True, False] * 8)[address : address + count]

    def write_bits(self, address: int, bits: Sequence[bool]) -> None:
        self._check(address, len(bits))
        self.bits[address : address + len(bits)] = bits

    @staticmethod
    def _check(address: int, count: int) -> None:
        if address + count > 16:
            raise ModbusException(ILLEGAL_ADDRESS)


def answer(unit: MappedUnit, request: str) -> str:
    return unit.respond(bytes.fromhex(request)).hex(" ")


def on_the_wire(resource: Resource, *chunks: tuple[float, bytes], units: Sequence[int] = (1,)) -> bytes:
    """All that comes back for these chunks, each sent so long after the one before."""

    async def main() -> bytes:
        port = Port(
            resource, modbus_conversation(resource, {unit: MappedUnit(Registers()) for unit in units}), faults=Faults()
        )
        await port.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", 1502)
        for pause_s, chunk in chunks:
            await asyncio.sleep(pause_s)
            writer.write(chunk)
        await asyncio.sleep(QUIET_S)
        writer.write_eof()
        got = await reader.read()
        writer.close()
        await port.aclose()
        return got

    return run_virtual(main())


def rtu(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc(body)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("06 00 02 12 34", "06 00 02 12 34"),
        ("10 00 02 00 02 04 00 01 ff ff", "10 00 02 00 02"),
        ("03 00 02 00 02", "03 04 00 00 00 00"),
        ("04 00 05 00 02", "04 04 00 05 00 06"),
        ("05 00 03 ff 00", "05 00 03 ff 00"),
        ("0f 00 00 00 0a 02 cd 01", "0f 00 00 00 0a"),
        ("01 00 00 00 0a", "01 02 00 00"),
        ("02 00 00 00 0a", "02 02 55 01"),
    ],
)
def test_each_function_answers_as_the_standard_says(request_: str, reply: str) -> None:
    assert answer(MappedUnit(Registers()), request_) == reply


def test_what_is_written_is_read_back() -> None:
    unit = MappedUnit(Registers())
    answer(unit, "10 00 02 00 02 04 00 01 ff ff")
    assert answer(unit, "03 00 01 00 03") == "03 06 00 00 00 01 ff ff"
    answer(unit, "0f 00 00 00 0a 02 cd 01")
    assert answer(unit, "01 00 00 00 0a") == "01 02 cd 01"
    answer(unit, "05 00 00 00 00")
    assert answer(unit, "01 00 00 00 03") == "01 01 04"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("2b 0e 01 00", 1),
        ("03 00 00 00", 3),
        ("03 00 00 00 00", 3),
        ("03 00 00 00 7e", 3),
        ("01 00 00 07 d1", 3),
        ("05 00 00 12 34", 3),
        ("10 00 00 00 02 03 00 01 00", 3),
        ("10 00 00 00 02 04 00 01 00", 3),
        ("03 00 0f 00 02", 2),
        ("04 ff ff 00 02", 2),
    ],
)
def test_what_cannot_be_is_refused_by_its_code(request_: str, code: int) -> None:
    function = int(request_[:2], 16)
    assert answer(MappedUnit(Registers()), request_) == f"{function | 0x80:02x} {code:02x}"


def test_a_function_that_the_instrument_does_not_have_is_refused() -> None:
    unit = MappedUnit(Registers(), functions=FUNCTIONS - {4})
    assert answer(unit, "04 00 00 00 01") == "84 01"


@given(st.binary(min_size=1, max_size=253))
def test_any_request_is_answered_by_its_function_or_refused(request: bytes) -> None:
    reply = MappedUnit(Registers()).respond(request)
    assert reply[0] in (request[0], request[0] & 0x7F | 0x80)
    assert len(reply) <= 253


def test_tcp_frames_may_come_in_pieces_or_many_at_once_and_keep_their_numbers() -> None:
    first, second = bytes.fromhex("0001 0000 0006 01 04 0005 0001"), bytes.fromhex("0002 0000 0006 01 04 0006 0001")
    both = bytes.fromhex("0001 0000 0005 01 04 02 0005  0002 0000 0005 01 04 02 0006")
    assert on_the_wire(TCP, (0.0, first + second)) == both
    assert on_the_wire(TCP, *((0.1, bytes((byte,))) for byte in first + second)) == both


def test_a_tcp_header_that_cannot_be_breaks_the_connection() -> None:
    with pytest.raises(ConnectionResetError):
        on_the_wire(TCP, (0.0, b"GET / HTTP/1.1\r\n\r\n"))


def test_a_unit_that_is_not_there_does_not_answer() -> None:
    assert on_the_wire(TCP, (0.0, bytes.fromhex("0001 0000 0006 02 04 0005 0001"))) == b""
    assert on_the_wire(RTU, (0.0, rtu("02 04 0005 0001"))) == b""


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert rtu("01 05 01 92 FF 00") == bytes.fromhex("01 05 01 92 FF 00 2C 2B")


def test_rtu_frames_may_come_in_pieces() -> None:
    pieces = (rtu("01 04 0005 0001")[:3], rtu("01 04 0005 0001")[3:])
    assert on_the_wire(RTU, (0.0, pieces[0]), (0.005, pieces[1])) == rtu("01 04 02 0005")


def test_an_rtu_frame_with_a_wrong_checksum_is_not_answered_and_one_after_a_pause_is() -> None:
    wrong, right = rtu("01 04 0005 0001")[:-1] + b"\0", rtu("01 04 0006 0001")
    assert on_the_wire(RTU, (0.0, wrong + right)) == b""
    assert on_the_wire(RTU, (0.0, wrong), (0.1, right)) == rtu("01 04 02 0006")


def test_half_an_rtu_frame_is_forgotten_after_a_pause() -> None:
    frame = rtu("01 04 0005 0001")
    assert on_the_wire(RTU, (0.0, frame[:5]), (0.1, frame)) == rtu("01 04 02 0005")


def test_an_rtu_frame_of_an_unknown_function_ends_with_silence_and_is_refused() -> None:
    assert on_the_wire(RTU, (0.0, rtu("01 2b 0e 01 00"))) == rtu("01 ab 01")


@given(chunks=st.lists(st.tuples(st.sampled_from([0.0, 0.05]), st.binary(min_size=1, max_size=40)), max_size=6))
def test_noise_on_a_serial_line_is_never_answered_wrongly_and_never_deafens(chunks: list[tuple[float, bytes]]) -> None:
    reply = on_the_wire(RTU, *chunks, (0.1, rtu("01 04 0005 0001")))
    assert reply.endswith(rtu("01 04 02 0005"))


@given(st.binary(max_size=300))
def test_the_length_of_an_rtu_request_never_exceeds_what_one_can_have(head: bytes) -> None:
    assert rtu_request_bytes(head) in (0, 8) or head[1] in (15, 16)
