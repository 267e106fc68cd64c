"""Quantities: what people write becomes SI numbers once, exactly, and can be written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.recipe.problems import MistakeError
from cycler.recipe.units import SCALES, Quantity, parse_quantity

ALL = tuple(sorted({base for base, _ in SCALES.values()}))
numbers = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False).map(lambda number: number + 0.0)


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("4.2 V", 4.2, "V"), ("-50 mV", -0.05, "V"), ("4.2V", 4.2, "V"), ("20 mA", 0.02, "A"), ("2.5 Ah", 2.5, "Ah"),
        ("100 mAh", 0.1, "Ah"), ("18.2 Wh", 18.2, "Wh"), ("1.5 kW", 1500.0, "W"), ("30 mOhm", 0.03, "Ohm"),
        ("30 min", 1800.0, "s"), ("2 h", 7200.0, "s"), ("1 d", 86400.0, "s"), ("25 degC", 25.0, "degC"),
        ("15 %", 15.0, "%"), ("20 kPa", 20.0, "kPa"), ("2 kN", 2.0, "kN"), ("C/20", 0.05, "C"), ("C / 20", 0.05, "C"),
        ("0.5C", 0.5, "C"), ("1 C", 1.0, "C"), ("6 mV/min", 0.0001, "V/s"), ("2 A/s", 2.0, "A/s"),
        ("3 K/min", 0.05, "K/s"), ("0.36 mV/h", 1e-7, "V/s"), ("36 /h", 0.01, "/s"), ("1e-3 V", 0.001, "V"),
        ("68 g", 0.068, "kg"), ("1 kHz", 1000.0, "Hz"), ("50 Hz", 50.0, "Hz"),
        (".5 A", 0.5, "A"), ("+1 A", 1.0, "A"), ("-0 V", 0.0, "V"),
    ],
)  # fmt: skip
def test_what_people_write_becomes_a_number_of_its_base_unit(text: str, number: float, unit: str) -> None:
    assert parse_quantity(text, ALL) == Quantity(number, unit)


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (Quantity(4.2, "V"), "4.2 V"), (Quantity(0.05, "V"), "50 mV"), (Quantity(1800.0, "s"), "30 min"),
        (Quantity(5400.0, "s"), "1.5 h"), (Quantity(6600.0, "s"), "110 min"), (Quantity(0.1, "s"), "0.1 s"),
        (Quantity(1 / 3, "C"), "C/3"), (Quantity(0.75, "C"), "0.75C"), (Quantity(1.0, "C"), "1C"),
        (Quantity(0.0001, "V/s"), "6 mV/min"), (Quantity(0.0, "V"), "0 V"), (Quantity(0.02, "A"), "20 mA"),
        (Quantity(1000.0, "Hz"), "1 kHz"), (Quantity(0.1, "Hz"), "0.1 Hz"),
    ],
)  # fmt: skip
def test_a_quantity_is_written_in_the_unit_that_reads_best(quantity: Quantity, text: str) -> None:
    assert str(quantity) == text


@given(number=numbers, unit=st.sampled_from([unit for unit in ALL if unit != "C"]))
def test_a_written_quantity_reads_as_itself_to_the_last_bit(number: float, unit: str) -> None:
    assert parse_quantity(str(Quantity(number, unit)), (unit,)) == Quantity(number, unit)


@given(rate=st.floats(min_value=1e-6, max_value=100), divisor=st.integers(min_value=1, max_value=100_000))
def test_c_rates_read_as_themselves(rate: float, divisor: int) -> None:
    for value in (rate, 1 / divisor):
        assert parse_quantity(str(Quantity(value, "C")), ("C",)) == Quantity(value, "C")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("4.2", "4.2 has no unit"), ("nan V", "finite"), (".nan", "finite"), ("inf A", "finite"), ("-inf", "finite"),
        ("4,2 V", "decimal comma"), ("V", "is no quantity"), ("", "nothing is written"), ("4.2 Volt", "is no unit"),
        ("4.2 V V", "is no unit"), ("1e999 V", "too large"), ("९ V", "no quantity"),
        ("1" * 70 + " V", "too long"), ("4.2 A", "is a current, not a voltage"), ("C/2", "is a C-rate, not a voltage"),
        ("25 C", "is a C-rate"),
    ],
)  # fmt: skip
def test_what_is_no_voltage_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(MistakeError) as refused:
        parse_quantity(text, ("V",))
    assert says in refused.value.message


def test_a_missing_unit_is_named_in_the_hint() -> None:
    with pytest.raises(MistakeError) as refused:
        parse_quantity("4.2", ("V",))
    assert (refused.value.message, refused.value.hint) == ("4.2 has no unit", "write 4.2 V")


@pytest.mark.parametrize("text", ["C/0", "C/-2", "C/1e999"])
def test_c_rates_divide_by_something(text: str) -> None:
    with pytest.raises(MistakeError) as refused:
        parse_quantity(text, ("A", "C"))
    assert "divides by nothing" in refused.value.message


def test_degrees_are_not_c_rates() -> None:
    with pytest.raises(MistakeError) as refused:
        parse_quantity("25 C", ("degC",))
    assert refused.value.hint == "write 25 degC"


@pytest.mark.parametrize(("text", "hint"), [("298.15 K", "write 25 degC"), ("2 K", "a difference is written 2 degC")])
def test_kelvins_are_written_back_as_the_temperature_or_the_difference_that_they_are(text: str, hint: str) -> None:
    with pytest.raises(MistakeError) as refused:
        parse_quantity(text, ("degC",))
    assert refused.value.hint == hint


@given(text=st.text(max_size=40), unit=st.sampled_from(ALL))
def test_any_text_is_a_quantity_or_a_mistake(text: str, unit: str) -> None:
    try:
        quantity = parse_quantity(text, (unit,))
    except MistakeError as mistake:
        assert mistake.message
    else:
        assert quantity.unit == unit
