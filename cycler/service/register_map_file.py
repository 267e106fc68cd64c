"""A register map's file, read: what stands where on a device. What its kind needs is for its driver to judge."""

from pathlib import Path
from typing import cast, get_args

from cycler.contract.register_map import Commissioned, MapKind, RegisterMap, WordOrder
from cycler.recipe.fields import Fields, as_date, as_text
from cycler.recipe.problems import InvalidFile, MistakeError, Problems
from cycler.recipe.units import parse_quantity
from cycler.recipe.yaml_nodes import ListNode, Node, load_file
from cycler.service.register_map_entries import read_bits, read_expected, read_registers, refuse_doubles

KINDS: tuple[MapKind, ...] = get_args(MapKind)
WORD_ORDERS: tuple[WordOrder, ...] = get_args(WordOrder)

RANGES = {
    "temperature": "degC", "rate": "K/s", "voltage": "V", "charge_current": "A", "discharge_current": "A", "power": "W",
}  # fmt: skip
ACCURACIES = {"temperature": "degC", "voltage": "V", "current": "A"}
"""Each with its base unit."""


def load_register_map(path: Path) -> RegisterMap:
    """Raises `InvalidFile` with everything that is wrong."""
    problems = Problems(str(path))
    fields = Fields(load_file(path), problems, owner="a register map")
    device = fields.text("device", required=True)
    kind = fields.word("kind", KINDS) or "temperature"
    unit = fields.count("unit", low=0, high=255)
    word_order = fields.word("word_order", WORD_ORDERS) or "high-first"
    registers = tuple(read_registers(fields))
    bits = tuple(read_bits(fields))
    expected = tuple(read_expected(fields))
    ranges = _ranges(fields)
    accuracies = _accuracies(fields)
    watchdog = fields.quantity("watchdog", "s")
    if watchdog is not None and watchdog.number <= 0:
        fields.refuse("watchdog", "not-positive", f"watchdog: {watchdog} is not above 0")
    commissioned = _commissioned(fields)
    fields.close()
    refuse_doubles([*registers, *bits], problems)
    if problems.found:
        raise InvalidFile(problems.found)
    assert device is not None  # noqa: S101 (required)
    return RegisterMap(
        file=str(path),
        device=device,
        kind=cast(MapKind, kind),
        unit=unit,
        word_order=cast(WordOrder, word_order),
        registers=registers,
        bits=bits,
        expected=expected,
        ranges=ranges,
        accuracies=accuracies,
        watchdog_s=None if watchdog is None else watchdog.number,
        commissioned=commissioned,
    )


def _ranges(fields: Fields) -> dict[str, tuple[float, float]]:
    inner = fields.mapping("range", owner="`range`")
    found: dict[str, tuple[float, float]] = {}
    if inner is None:
        return found
    for key, unit in RANGES.items():
        span = inner.take(key, lambda node, unit=unit: _span(node, unit))  # type: ignore[misc]
        if span is not None:
            found[key] = span
    inner.close()
    return found


def _span(node: Node, unit: str) -> tuple[float, float]:
    texts = [as_text(item) for item in node.items] if isinstance(node, ListNode) else [as_text(node)]
    values = [parse_quantity(text, (unit,)).number for text in texts]
    low, high = (0.0, *values) if len(values) == 1 else values if len(values) == 2 else (0.0, 0.0)
    if low >= high:
        raise MistakeError("pair", "the range is empty", "write [low, high], or one value for a range from 0")
    return low, high


def _accuracies(fields: Fields) -> dict[str, float]:
    inner = fields.mapping("accuracy", owner="`accuracy`")
    found: dict[str, float] = {}
    if inner is None:
        return found
    for key, unit in ACCURACIES.items():
        quantity = inner.quantity(key, unit)
        if quantity is not None and quantity.number <= 0:
            inner.refuse(key, "not-positive", f"{key}: {quantity} is not above 0")
        elif quantity is not None:
            found[key] = quantity.number
    inner.close()
    return found


def _commissioned(fields: Fields) -> Commissioned | None:
    inner = fields.mapping("commissioned", owner="`commissioned`")
    if inner is None:
        return None
    by, evidence = inner.text("by", required=True), inner.text("evidence", required=True)
    day = inner.take("date", as_date, required=True)
    inner.close()
    return Commissioned(by=by, date=day.isoformat(), evidence=evidence) if by and day and evidence else None
