"""The simulated ioLogik as its manual describes it, with raw bytes."""

import asyncio
import struct
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.loop import run_virtual
from sims.wire.moxa_iologik.device import IologikDevice, IologikSetup
from sims.wire.moxa_iologik.registers import IologikUnit


class Module:
    """A powered module and its wire, without the frame around the requests."""

    def __init__(self, **setup: Any) -> None:
        self.relays: dict[str, bool] = {}
        self.device = IologikDevice(IologikSetup(**setup), moved=self.relays.__setitem__)
        self._unit = IologikUnit(self.device)

    def ask(self, request: str) -> str:
        return self._unit.respond(bytes.fromhex(request)).hex(" ")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    run_virtual(scenario)


def test_outputs_are_coils_and_one_register() -> None:
    async def main() -> None:
        module = Module(model="E1214")
        assert module.ask("05 0002 FF00") == "05 00 02 ff 00"
        assert module.ask("01 0000 0006") == "01 01 04"
        assert module.ask("03 0020 0001") == "03 02 00 04"
        assert module.ask("06 0020 0021") == "06 00 20 00 21"
        assert module.relays == {"DO2": False, "DO0": True, "DO5": True}
        assert module.ask("0F 0000 0006 01 02") == "0f 00 00 00 06"
        assert module.ask("03 0020 0001") == "03 02 00 02"
        assert module.ask("10 0020 0001 02 0000") == "10 00 20 00 01"
        assert not any(module.relays.values())
        module.device.power_off()

    run(main())


def test_inputs_are_discrete_inputs_and_one_register() -> None:
    async def main() -> None:
        module = Module(model="E1210")
        for channel in (1, 9):
            module.device.set_input(channel, False)
        assert module.ask("02 0000 0010") == "02 02 fd fd"
        assert module.ask("04 0030 0001") == "04 02 fd fd"
        module.device.power_off()

    run(main())


def test_a_counter_counts_rising_edges_while_it_runs_and_is_cleared_by_a_one_only() -> None:
    async def main() -> None:
        module = Module(model="E1212", counters=frozenset({1}))
        for _ in range(3):
            module.device.set_input(1, False)
            module.device.set_input(1, True)
        assert module.ask("01 0101 0001") == "01 01 01"
        assert module.ask("04 0012 0002") == "04 04 00 00 00 03"
        assert module.ask("05 0111 0000") == "85 03"
        assert module.ask("05 0111 FF00") == "05 01 11 ff 00"
        assert module.ask("04 0012 0002") == "04 04 00 00 00 00"
        assert module.ask("01 0111 0001") == "01 01 00"
        module.device.power_off()

    run(main())


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        ("E1210", "03 0020 0001"),  # no outputs
        ("E1211", "04 0030 0001"),  # no inputs
        ("E1214", "01 0000 0007"),  # one coil too many
        ("E1214", "04 0208 0008"),  # no analogue inputs
        ("E1242", "04 0200 000A"),  # from the raw values on into a gap
        ("E1214", "06 0030 0000"),  # inputs are not written
        ("E1214", "05 1010 FF00"),  # neither is safe status
    ],
)
def test_an_address_that_the_model_does_not_have_is_refused_with_exception_2(model: str, request_: str) -> None:
    async def main() -> None:
        module = Module(model=model)
        assert module.ask(request_) == f"{int(request_[:2], 16) | 0x80:02x} 02"
        module.device.power_off()

    run(main())


@pytest.mark.parametrize(("newer", "yes", "no"), [(True, "02", "01"), (False, "01", "02")])
def test_safe_status_stands_where_the_manual_of_its_firmware_says(newer: bool, yes: str, no: str) -> None:
    async def main() -> None:
        module = Module(model="E1214", newer=newer)
        assert module.ask(f"{yes} 1010 0006") == f"{yes} 01 00"
        assert module.ask(f"{no} 1010 0006") == f"{int(no) | 0x80:02x} 02"
        assert module.ask("04 1388 000A").startswith("04 14 45 31 32 31 34" if newer else "84 02")
        module.device.power_off()

    run(main())


def test_without_a_request_the_outputs_go_to_their_safe_values_and_stay_there() -> None:
    async def main() -> None:
        module = Module(model="E1214", watchdog_s=2.0, safe_values={1: "on", 2: "hold"})
        module.ask("06 0020 0005")
        for _ in range(4):
            await asyncio.sleep(1.0)
            module.ask("04 0030 0001")
        assert module.relays == {"DO0": True, "DO2": True}
        await asyncio.sleep(2.1)
        assert module.relays == {"DO0": False, "DO1": True, "DO2": True}
        assert module.ask("02 1010 0006") == "02 01 3f"
        module.ask("06 0020 0001")
        assert module.relays == {"DO0": False, "DO1": True, "DO2": True}
        module.ask("05 1020 FF00")  # the alarm stands
        assert module.ask("02 1010 0001") == "02 01 01"
        module.ask("05 1030 FF00")
        module.ask("05 1020 FF00")
        assert module.ask("02 1010 0002") == "02 01 02"
        module.ask("05 0000 FF00")
        assert module.relays["DO0"]
        module.device.power_off()

    run(main())


def test_a_watchdog_that_is_off_does_nothing() -> None:
    async def main() -> None:
        module = Module(model="E1214")
        module.ask("06 0020 0001")
        await asyncio.sleep(3600.0)
        assert module.relays == {"DO0": True}
        module.device.power_off()

    run(main())


def test_analogue_inputs_are_raw_scaled_and_judged() -> None:
    async def main() -> None:
        module = Module(model="E1242")
        module.device.current_ma = [4.0, 12.0, 20.5, 3.0]
        module.ask("06 0223 0004")  # burn-out, below
        limit = struct.pack(">f", 3.5).hex()
        module.ask(f"10 0236 0002 04 {limit}")
        assert module.ask("04 0200 0004") == "04 08 00 00 80 00 ff ff 00 00"
        floats = bytes.fromhex(module.ask("04 0208 0008"))[2:]
        assert struct.unpack(">4f", floats) == (4.0, 12.0, 20.5, 3.0)
        assert module.ask("04 0240 0004") == "04 08 00 00 00 00 00 02 00 01"
        assert module.ask("06 0220 0003") == "86 03"
        module.device.power_off()

    run(main())


def test_it_says_how_long_it_has_had_power() -> None:
    async def main() -> None:
        module = Module()
        await asyncio.sleep(70000.0)
        assert module.ask("04 139C 0002") == "04 04 00 01 11 70"
        module.device.restart()
        assert module.ask("04 139C 0002") == "04 04 00 00 00 00"
        module.device.power_off()

    run(main())


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=20), st.sampled_from(["E1210", "E1212", "E1242"]))
def test_whatever_comes_is_answered_by_its_function_or_an_exception(frames: list[bytes], model: str) -> None:
    async def main() -> None:
        module = Module(model=model)
        for frame in frames:
            reply = bytes.fromhex(module.ask(frame.hex()))
            assert reply[0] == frame[0] or (reply[0] == frame[0] & 0x7F | 0x80 and len(reply) == 2)
        module.device.power_off()

    run(main())
