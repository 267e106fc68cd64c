"""Registers as values: scaling, word order, rounding, and what is read together."""

import math
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cycler.contract.errors import DeviceFault
from cycler.contract.plugin import Resource
from cycler.contract.register_map import MappedBit, MappedRegister, RegisterType, WordOrder
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority
from drivers.modbus_map.codec import Codec, Rounding
from drivers.modbus_map.numbers import Numbers
from drivers.modbus_map.switches import Switches
from sims.loop import run_virtual

TYPES: tuple[RegisterType, ...] = ("i16", "u16", "i32", "u32", "f32")
SPANS = {"i16": (-0x8000, 0x7FFF), "u16": (0, 0xFFFF), "i32": (-(1 << 31), (1 << 31) - 1), "u32": (0, (1 << 32) - 1)}
ORDERS: tuple[WordOrder, ...] = ("high-first", "low-first")
LINK = ModbusLink.to("dut", Resource.parse("modbus-tcp://127.0.0.1"))

types = st.sampled_from(TYPES)
orders = st.sampled_from(ORDERS)
scales = st.sampled_from([1.0, 0.1, -0.01, 250.0, 1 / 60])


def register(
    type_: RegisterType = "i16",
    *,
    address: int = 0,
    scale: float = 1.0,
    offset: float = 0.0,
    broken: tuple[float, ...] = (),
) -> MappedRegister:
    return MappedRegister(
        name=f"r{address}", channel=None, function=3, address=address, type=type_, scale=scale, offset=offset,
        unit="degC", broken=broken,
    )  # fmt: skip


def unpacked(codec: Codec, words: tuple[int, ...]) -> object:
    """As a block's struct gives it."""
    (value,) = struct.unpack(f">{codec.raw_codec.layout}", struct.pack(f">{len(words)}H", *words))
    return value


@st.composite
def raws(draw: st.DrawFn, type_: RegisterType) -> float:
    if type_ == "f32":
        return draw(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6))
    return draw(st.integers(*SPANS[type_]))


@given(st.data(), types, orders, scales, st.sampled_from([0.0, -273.15]))
def test_what_is_written_is_what_is_read(
    data: st.DataObject, type_: RegisterType, order: WordOrder, scale: float, offset: float
) -> None:
    codec = Codec(register(type_, scale=scale, offset=offset), order)
    value = data.draw(raws(type_)) * scale + offset
    found = codec.value(unpacked(codec, codec.registers(value, "nearest")))
    assert found == pytest.approx(value, rel=1e-6, abs=abs(scale) * 1e-6)
    assert codec.confirms(found, value)


@given(st.data(), types, scales, st.sampled_from(["down", "up"]))
def test_rounding_goes_its_way_and_no_further_than_one_step(
    data: st.DataObject, type_: RegisterType, scale: float, rounding: Rounding
) -> None:
    codec = Codec(register(type_, scale=scale), "high-first")
    value = (data.draw(raws(type_)) + data.draw(st.floats(-0.5, 0.5))) * scale
    held = codec.held(value, rounding)
    slack = 1e-5 * abs(scale)  # of a value that lies on a step
    step = abs(scale) if type_ != "f32" else abs(value) * 2**-23 + 1e-30
    if rounding == "down":
        assert value - step - slack <= held <= value + slack
    else:
        assert value - slack <= held <= value + step + slack


@pytest.mark.parametrize(
    ("type_", "value"),
    [("i16", 40000.0), ("u16", -1.0), ("u32", 2.0**32), ("f32", 1e39), ("i16", math.nan), ("f32", math.inf)],
)
def test_a_value_that_does_not_fit_is_refused(type_: RegisterType, value: float) -> None:
    with pytest.raises(ValueError, match=r"does not fit|is no value"):
        Codec(register(type_), "high-first").registers(value, "nearest")


def test_what_stands_for_no_value_is_none_and_is_never_written() -> None:
    codec = Codec(register(scale=0.1, broken=(32767.0, -1.0)), "high-first")
    assert math.isnan(codec.value(32767))
    assert math.isnan(codec.value(-1))
    assert codec.value(250) == 25.0
    with pytest.raises(ValueError, match="stands for no value"):
        codec.registers(-0.1, "nearest")


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_no_value(raw: float) -> None:
    assert math.isnan(Codec(register("f32"), "high-first").value(raw))


@pytest.mark.parametrize(("order", "words"), [("high-first", (0x41C8, 0x0000)), ("low-first", (0x0000, 0x41C8))])
def test_the_word_order_is_that_of_the_map(order: WordOrder, words: tuple[int, ...]) -> None:
    codec = Codec(register("f32"), order)
    assert codec.registers(25.0, "nearest") == words
    assert codec.value(unpacked(codec, words)) == 25.0


# Which registers are read together.


@given(st.lists(st.tuples(st.integers(0, 400), types), max_size=60, unique_by=lambda pair: pair[0]), orders)
def test_a_block_has_no_gap_no_overlap_and_no_more_than_125_registers(
    places: list[tuple[int, RegisterType]], order: WordOrder
) -> None:
    registers = [register(type_, address=address) for address, type_ in places]
    numbers = Numbers("dut", LINK, registers, order)
    read = []
    for block, keys in numbers._blocks:
        by_key = {each.key: each for each in registers}
        end = block.address
        for key in keys:
            assert by_key[key].address == end
            end += 1 if by_key[key].type.endswith("16") else 2
            read.append(key)
        assert end == block.address + block.count
        assert block.count <= 125
    assert sorted(read) == sorted(each.key for each in registers)


def test_adjacent_registers_are_one_request() -> None:
    together = [register(address=10), register("f32", address=11), register(address=13)]
    assert Numbers("dut", LINK, together, "high-first").transactions == 1
    assert Numbers("dut", LINK, [*together, register(address=15)], "high-first").transactions == 2
    assert Numbers("dut", LINK, [register(address=place) for place in range(126)], "high-first").transactions == 2


@given(st.sets(st.integers(0, 60), min_size=1))
def test_bits_are_read_together_where_they_are_adjacent(addresses: set[int]) -> None:
    bits = [MappedBit(name=f"b{place}", channel=None, function=2, address=place) for place in addresses]
    gaps = sum(place - 1 not in addresses for place in addresses)
    assert Switches(LINK, bits).transactions == gaps


def test_a_value_that_its_register_cannot_hold_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        numbers = Numbers("dut", LINK, [register(address=7)], "high-first")
        with pytest.raises(DeviceFault, match=r"dut: r7 \(register 7\): 99999 does not fit into the register"):
            await numbers.write(("r7", None), 99999.0, Priority.ORDER)

    run_virtual(main())


@given(st.floats(), st.floats())
def test_only_a_number_near_what_was_ordered_confirms_it(found: float, ordered: float) -> None:
    assume(not (math.isinf(found) or math.isinf(ordered)))
    near = abs(found - ordered) <= max(0.1, 1e-3 * abs(ordered))
    assert Codec(register(scale=0.1), "high-first").confirms(found, ordered) is near
