"""The frame codec: what goes in comes out, and damage is seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cycler.record.frame import COLUMNS, NO_VALUE, Columns, FrameDamaged, FrameId, decode, encode, pack_row, scaled

HERE = FrameId(rack="R1", epoch=3, sequence=17)
INT64 = st.integers(-(2**63), 2**63 - 1)


def a_row(*, series: int = 1, elapsed_s: float = 0.0, voltage_v: float = 3.7, charged_nas: int = 0) -> bytes:
    return pack_row(series, 1, 1, elapsed_s, elapsed_s, voltage_v, -2.5, 25.125, charged_nas, 0, 0, 0)


@given(columns=arrays(np.int64, st.tuples(st.just(len(COLUMNS)), st.integers(0, 40)), elements=INT64))
def test_decoding_gives_back_exactly_what_was_encoded(columns: Columns) -> None:
    frame_id, back = decode(encode(HERE, columns))
    assert frame_id == HERE
    assert np.array_equal(back, columns)


def test_every_changed_byte_is_detected() -> None:
    frame = encode(HERE, scaled(b"".join(a_row(elapsed_s=second) for second in range(20))))
    for place in range(len(frame)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(frame)
            damaged[place] ^= flip
            with pytest.raises(FrameDamaged):
                decode(bytes(damaged))


def test_every_truncated_frame_is_detected() -> None:
    frame = encode(HERE, scaled(a_row()))
    for length in range(len(frame)):
        with pytest.raises(FrameDamaged):
            decode(frame[:length])


@given(
    voltages_v=st.lists(st.floats(-1000, 1000), min_size=1, max_size=20),
    charged_nas=st.integers(0, 2**62),
)
def test_values_are_kept_to_the_microvolt_and_counters_exactly(voltages_v: list[float], charged_nas: int) -> None:
    columns = scaled(b"".join(a_row(voltage_v=voltage_v, charged_nas=charged_nas) for voltage_v in voltages_v))
    assert np.allclose(columns[COLUMNS.index("voltage_uv")] / 1e6, voltages_v, rtol=0, atol=0.51e-6)
    assert set(columns[COLUMNS.index("charged_nas")].tolist()) == {charged_nas}


@pytest.mark.parametrize("voltage_v", [float("nan"), float("inf"), float("-inf"), 1e300])
def test_what_is_no_number_is_kept_as_no_value(voltage_v: float) -> None:
    columns = scaled(a_row(voltage_v=voltage_v))
    assert columns[COLUMNS.index("voltage_uv"), 0] == NO_VALUE
    assert columns[COLUMNS.index("current_ua"), 0] == -2_500_000


def test_the_rows_of_one_cell_stay_together_and_in_order() -> None:
    columns = scaled(b"".join(a_row(series=series, elapsed_s=tick) for tick in range(3) for series in (2, 1)))
    assert columns[0].tolist() == [1, 1, 1, 2, 2, 2]
    assert columns[COLUMNS.index("elapsed_us")].tolist() == [0, 1_000_000, 2_000_000] * 2


def test_a_quiet_second_of_512_cells_takes_less_than_16_bytes_a_sample() -> None:
    rows = [
        a_row(
            series=cell, elapsed_s=tick / 10, voltage_v=3.7 + cell * 1e-4, charged_nas=cell * 1000 + tick * 250_000_000
        )
        for tick in range(10)
        for cell in range(512)
    ]
    assert len(encode(HERE, scaled(b"".join(rows)))) < 16 * len(rows)
