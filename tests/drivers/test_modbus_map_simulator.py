"""The simulated device of a register map: exactly the map's registers, with raw bytes."""

import asyncio
import math
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_subjects import MapChamberSubject, MapCyclerSubject, MapIoSubject, MapSubject, MapTemperatureSubject

from cycler.contract.sweep import ChannelId

ONE = ChannelId("1")
KINDS: tuple[type[MapSubject], ...] = (MapTemperatureSubject, MapIoSubject, MapChamberSubject, MapCyclerSubject)


def run(subject: MapSubject, check: Callable[[Callable[[str], str]], Coroutine[Any, Any, None]]) -> None:
    """`check` is given what answers a request, both in hex and from the function code on."""

    def ask(request: str) -> str:
        return subject.simulator.device.respond(bytes.fromhex(request)).hex(" ")

    async def main() -> None:
        await check(ask)

    subject.run(main())


def test_sensors_are_scaled_into_their_registers() -> None:
    subject = MapTemperatureSubject()

    async def check(ask: Callable[[str], str]) -> None:
        subject.set_temperature(ONE, -1.25)
        subject.set_temperature(ChannelId("2"), None)
        subject.set_temperature(ChannelId("4"), None)
        assert ask("04 0000 0003") == "04 06 ff f4 7f ff 00 fa"
        assert math.isnan(struct.unpack(">f", bytes.fromhex(ask("03 0020 0002"))[2:])[0])
        assert ask("04 0064 0001") == "04 02 07 08"

    run(subject, check)


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        (MapTemperatureSubject, "04 0000 0004"),
        (MapTemperatureSubject, "03 0000 0001"),
        (MapTemperatureSubject, "06 0020 0000"),
        (MapIoSubject, "01 0000 0003"),
        (MapIoSubject, "02 0002 0001"),
        (MapIoSubject, "05 0002 FF00"),
        (MapIoSubject, "06 0028 0001"),
        (MapChamberSubject, "06 044C 0000"),  # half of a value
        (MapCyclerSubject, "0F 0000 0003 01 00"),
    ],
)
def test_what_the_map_does_not_name_is_refused_with_exception_2(kind: type[MapSubject], request_: str) -> None:
    async def check(ask: Callable[[str], str]) -> None:
        assert ask(request_) == f"{int(request_[:2], 16) | 0x80:02x} 02"

    run(kind(), check)


def test_lines_are_coils_inputs_bits_and_whole_registers() -> None:
    subject = MapIoSubject()

    async def check(ask: Callable[[str], str]) -> None:
        subject.set_input("DI1", False)
        assert ask("02 0000 0002") == "02 01 01"
        assert ask("04 0028 0001") == "04 02 00 08"
        assert ask("05 0001 FF00") == "05 00 01 ff 00"
        assert ask("06 0008 00FF") == "06 00 08 00 ff"
        assert ask("06 0008 0001") == "86 03"  # neither on nor off
        assert subject.relays == {"DO1": True, "DO2": True}
        assert ask("01 0000 0002") == "01 01 02"

    run(subject, check)


def test_a_watchdog_that_was_set_drops_the_outputs_when_nothing_is_asked() -> None:
    subject = MapIoSubject()

    async def check(ask: Callable[[str], str]) -> None:
        ask("05 0000 FF00")
        await asyncio.sleep(60.0)
        assert subject.relays == {"DO0": True}
        assert ask("06 0010 000F") == "06 00 10 00 0f"  # 1.5 s
        assert ask("03 0010 0001") == "03 02 00 0f"
        for _ in range(5):
            await asyncio.sleep(1.0)
            ask("02 0000 0001")
        assert subject.relays == {"DO0": True}
        await asyncio.sleep(1.6)
        assert subject.relays == {"DO0": False}

    run(subject, check)


def test_a_chamber_takes_what_lies_in_its_range() -> None:
    subject = MapChamberSubject()

    def words(value: float) -> str:
        high, low = struct.unpack(">2H", struct.pack(">f", value))
        return f"{low:04x}{high:04x}"

    async def check(ask: Callable[[str], str]) -> None:
        assert ask(f"10 044C 0002 04 {words(40.0)}") == "10 04 4c 00 02"
        assert subject.chamber.target_degc == 40.0
        assert ask(f"10 044C 0002 04 {words(90.0)}") == "90 03"
        assert ask(f"10 044C 0002 04 {words(math.nan)}") == "90 03"
        assert subject.chamber.target_degc == 40.0
        assert ask("06 0460 0000") == "06 04 60 00 00"
        assert not subject.chamber.running

    run(subject, check)


def test_a_supply_opens_at_its_own_limit_and_stays_off_until_it_is_acknowledged() -> None:
    subject = MapCyclerSubject()

    async def check(ask: Callable[[str], str]) -> None:
        subject.place(ONE, 4.0)
        ask("06 00C8 1068")  # 4.2 V
        ask("06 00C9 03E8")  # 1 A in
        ask("06 00CB 1004")  # over-voltage at 4.1 V
        assert ask("05 0000 FF00") == "05 00 00 ff 00"
        assert ask("04 0065 0001") == "04 02 fc 18"  # positive is discharge on this wire
        await asyncio.sleep(20.0)
        ask("04 0064 0001")
        assert not subject.output(ONE).closed
        assert ask("02 0000 0001") == "02 01 01"
        assert ask("05 0000 FF00") == "85 06"
        assert ask("05 0008 FF00") == "05 00 08 ff 00"
        assert ask("02 0000 0001") == "02 01 00"

    run(subject, check)


@pytest.mark.parametrize("kind", KINDS)
@given(frames=st.lists(st.binary(min_size=1, max_size=12), max_size=10))
def test_whatever_comes_is_answered_by_its_function_or_an_exception(
    kind: type[MapSubject], frames: list[bytes]
) -> None:
    async def check(ask: Callable[[str], str]) -> None:
        for frame in frames:
            reply = bytes.fromhex(ask(frame.hex()))
            assert reply[0] == frame[0] or (reply[0] == frame[0] & 0x7F | 0x80 and len(reply) == 2)

    run(kind(), check)
