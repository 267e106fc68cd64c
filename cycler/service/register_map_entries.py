"""What stands under `registers:`, `bits:` and `expect:` of a register map."""

import re
from collections.abc import Iterator
from typing import Any, Literal, cast, get_args

from cycler.contract.register_map import EntryKey, ExpectedValue, MappedBit, MappedRegister, RegisterType
from cycler.recipe.fields import Fields, as_count, as_list, as_text, as_title
from cycler.recipe.problems import MistakeError, Problems, nearest, shown
from cycler.recipe.units import NUMBER, SCALES
from cycler.recipe.yaml_nodes import MapNode, Node

TYPES: tuple[RegisterType, ...] = get_args(RegisterType)
ADDRESS_MAX = 0xFFFF

_HEX = re.compile(r"0x[0-9A-Fa-f]{1,8}")
_NUMBER = re.compile(NUMBER, re.ASCII)


def read_registers(fields: Fields) -> Iterator[MappedRegister]:
    """The numbers."""
    for entry in _entries(fields, "registers", owner="a register"):
        name, channel = _names(entry)
        place = _place(entry, functions=(3, 4))
        type_ = entry.word("type", TYPES, required=True)
        scale, offset = entry.take("scale", _number), entry.take("offset", _number)
        unit, factor = entry.take("unit", _unit) or ("", 1.0)
        broken = entry.take("broken", lambda node: tuple(_raw(item) for item in as_list(node)))
        entry.close()
        if scale == 0:
            entry.refuse("scale", "zero", "scale: 0 makes every value the same")
        if name and place and type_:
            _refuse_beyond(entry, place[1], type_)
            broken = tuple(_fitting(entry, "broken", value, type_) for value in broken or ())
            yield MappedRegister(
                name=name,
                channel=channel,
                function=cast(Literal[3, 4], place[0]),
                address=place[1],
                type=cast(RegisterType, type_),
                scale=(1.0 if scale is None else scale) * factor,
                offset=(offset or 0.0) * factor,
                unit=unit,
                broken=broken,
                line=entry.node.line,
            )


def read_bits(fields: Fields) -> Iterator[MappedBit]:
    """What is on or off."""
    for entry in _entries(fields, "bits", owner="a bit"):
        name, channel = _names(entry)
        place = _place(entry, functions=(1, 2, 3, 4))
        bit = entry.count("bit", low=0, high=15)
        values: dict[str, Any] = {}
        for key in ("on", "off"):
            value = entry.count(key, low=0, high=0xFFFF)
            if value is not None:
                values[key] = value
        entry.close()
        if not (name and place) or (bit is None and "bit" in entry):
            continue
        function = place[0]
        if function in (1, 2) and (bit is not None or values):
            entry.refuse("function", "bit", "a coil or discrete input is one bit: it takes no bit, on or off")
        elif function == 4 and (bit is None or values):
            entry.refuse("function", "bit", "of an input register write which `bit` it is")
        elif bit is not None and values:
            entry.refuse("bit", "bit", "either one bit of the register, or the values that are on and off")
        found = MappedBit(
            name=name,
            channel=channel,
            function=cast(Literal[1, 2, 3, 4], function),
            address=place[1],
            bit=bit,
            line=entry.node.line,
            **values,
        )
        if found.on == found.off:
            entry.refuse("on" if "on" in values else "off", "same", f"on and off are both {found.on}")
        yield found


def read_expected(fields: Fields) -> Iterator[ExpectedValue]:
    """What tells the right device from others."""
    for entry in _entries(fields, "expect", owner="an expected value"):
        place = _place(entry, functions=(3, 4))
        type_ = entry.word("type", TYPES, required=True)
        value = entry.take("value", _raw, required=True)
        entry.close()
        if place and type_ and value is not None:
            _refuse_beyond(entry, place[1], type_)
            yield ExpectedValue(
                function=cast(Literal[3, 4], place[0]),
                address=place[1],
                type=cast(RegisterType, type_),
                value=_fitting(entry, "value", value, type_),
            )


def refuse_doubles(entries: list[MappedRegister | MappedBit], problems: Problems) -> None:
    """A name may be there once for each channel, and once without; and what stands at an address, once."""
    seen: dict[EntryKey, int] = {}
    taken: dict[tuple[int, ...], MappedRegister | MappedBit] = {}
    for entry in entries:
        if entry.key in seen:
            of = "" if entry.channel is None else f" of channel {entry.channel}"
            problems.add(entry.line, "twice", f"{entry.name}{of} is there twice, first in line {seen[entry.key]}")
            continue
        seen[entry.key] = entry.line
        others = ((place, taken.setdefault(place, entry)) for place in _places(entry))
        for (function, address, *_), other in others:
            if other is not entry:
                where = f"address {address} of function {function}"
                problems.add(entry.line, "overlap", f"{entry.name}: {where} is {other.name}'s, in line {other.line}")
                break


def _places(entry: MappedRegister | MappedBit) -> Iterator[tuple[int, ...]]:
    """The words of a register, a coil or discrete input, or one bit of a word."""
    if isinstance(entry, MappedRegister):
        yield from ((entry.function, entry.address + word) for word in range(2 if "32" in entry.type else 1))
    elif entry.bit is None:
        yield entry.function, entry.address
    else:
        yield entry.function, entry.address, entry.bit


def _entries(fields: Fields, key: str, *, owner: str) -> Iterator[Fields]:
    for node in fields.take(key, as_list) or []:
        if isinstance(node, MapNode):
            yield Fields(node, fields.problems, owner=owner)
        else:
            fields.problems.add(node.line, "type", f"{owner} is `key: value` entries", "write {name: …, address: …}")


def _names(entry: Fields) -> tuple[str | None, str | None]:
    return entry.take("name", as_title, required=True), entry.take("channel", as_title)


def _place(entry: Fields, *, functions: tuple[int, ...]) -> tuple[int, int] | None:
    function = entry.take("function", lambda node: _function(node, functions), required=True)
    address = entry.take("address", _address, required=True)
    return None if function is None or address is None else (function, address)


def _function(node: Node, functions: tuple[int, ...]) -> int:
    text = as_text(node)
    if text not in map(str, functions):
        words = ", ".join(str(function) for function in functions)
        raise MistakeError("function", f"{shown(text)} is no function that reads it", f"there are: {words}")
    return int(text)


def _address(node: Node) -> int:
    text = as_text(node)
    if _HEX.fullmatch(text):
        value = int(text, 16)
        if value > ADDRESS_MAX:
            raise MistakeError("count", f"{text} is not between 0 and {ADDRESS_MAX}")
        return value
    return as_count(node, low=0, high=ADDRESS_MAX)


def _number(node: Node) -> float:
    text = as_text(node)
    if not _NUMBER.fullmatch(text) or abs(float(text)) > 1e30:
        raise MistakeError("number", f"{shown(text)} is no number", "write it like 0.1")
    return float(text)


def _raw(node: Node) -> float:
    text = as_text(node)
    return float(int(text, 16)) if _HEX.fullmatch(text) else _number(node)


def _unit(node: Node) -> tuple[str, float]:
    """The base unit, and how many of it one of these is."""
    text = as_text(node)
    if text not in SCALES:
        raise MistakeError("unit", f"{shown(text)} is no unit", nearest(text, SCALES))
    base, scale = SCALES[text]
    return base, float(scale)


def _refuse_beyond(entry: Fields, address: int, type_: str) -> None:
    if address == ADDRESS_MAX and not type_.endswith("16"):
        entry.refuse("address", "count", f"address: a {type_} takes two registers, there is no {ADDRESS_MAX + 1}")


def _fitting(entry: Fields, key: str, raw: float, type_: str) -> float:
    """A raw value of this type. 0x8000 in an i16 is what the register then reads as: -32768."""
    if type_ == "f32":
        return raw
    bits = int(type_[1:])
    value = raw - 2.0**bits if type_[0] == "i" and 2.0 ** (bits - 1) <= raw < 2.0**bits else raw
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if type_[0] == "i" else (0.0, 2.0**bits)
    if not (low <= value < high and value.is_integer()):
        entry.refuse(key, "count", f"{key}: {raw:g} is nothing that an {type_} holds")
    return value
