"""What the driver says to the mainframe, and how far each word of it can be trusted.

Source: programs that run the real instrument; no text of its maker was at hand. Marks: FF two or more programs by
different authors agree, F one program, U nobody at hand confirms it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal

Mode = Literal["REST", "PRECHARGE", "CHARGE", "DISCHARGE"]  # FF but for REST (F)

CARDS, CARD_CHANNELS = 8, 32
CHANNELS = CARDS * CARD_CHANNELS
RUNNING = "1"  # F: of the digits of STAT:CELL:REP?, with "0" nothing started
ENDED_WELL = ("0", "4")  # F: all others are failed or aborted cells
RESOLUTION = 1e-4  # V and A as we send them; how the instrument rounds further is not known
TIME_RESOLUTION_S = 1e-3

IDENTITY = "*IDN?"  # FF
FITTED_CARDS = "SYST:CARD:DET:BOOT? 0"  # F
CLEAR_ERRORS = "*CLS"  # FF
NEXT_ERROR = "SYST:ERR?"  # FF
ALL_VOLTAGES = "MEAS:VOLT? 0000"  # FF: 256 numbers in V, legal whether cells are defined or not
ALL_CURRENTS = "MEAS:CURR? 0000"  # FF: the same in A
CLEAR_CELLS = "CELL:CLEAR 0"  # F
CLEAR_SEQUENCES = "SEQ:CLEAR 0"  # FF
DEFINE_SINGLE_CELLS = "CELL:DEF:QUICK 1"  # FF: a cell for each channel, 1001 for channel 101
SEQUENCES = "SEQ:CAT?"  # F
ABORT_SEQUENCES = "SEQ:ABORT"  # FF
ABORT_CELLS = "CELL:ABORT 0"  # FF
LOG = "DATA:LOG?"  # FF
CLEAR_LOG = "DATA:LOG:CLE"  # FF


def cell_of(channel: int) -> int:
    """1001 for channel 101: the usual scheme, card × 1000 + n. FF."""
    card, number = divmod(channel, 100)
    return 1000 * card + number


def place_of(channel: int) -> int:
    """Of a channel among the 256 that are measured: card 1 channel 1 first. FF."""
    card, number = divmod(channel, 100)
    return CARD_CHANNELS * (card - 1) + number - 1


def cell_list(cells: Iterable[int]) -> str:
    """`(@1001:1032,2005)`, in ascending order: that of the answers. A range stays on its card. FF."""
    return f"(@{','.join(_ranges(sorted(cells)))})"


def define_cell(cell: int, channels: Sequence[int]) -> str:
    """Channels in parallel. F."""
    return f"CELL:DEFINE {cell},(@{','.join(map(str, channels))})"


def limit_probes(resistance_ohm: float) -> str:
    """FF; the second argument is always 0 in use, and nobody knows what it means (U)."""
    return f"SYST:PROB:LIM {decimal(resistance_ohm)},0"


def abort(cells: Iterable[int]) -> str:
    """FF."""
    return f"CELL:ABORT {cell_list(cells)}"


def enable(cells: Iterable[int], sequence: int) -> str:
    """FF."""
    return f"CELL:ENABLE {cell_list(cells)},{sequence}"


def initiate(cells: Iterable[int]) -> str:
    """FF. What it does to a cell that runs is not known."""
    return f"CELL:INIT {cell_list(cells)}"


def clear_sequence(sequence: int) -> str:
    """FF."""
    return f"SEQ:CLE {sequence}"


def states(cells: Iterable[int]) -> str:
    """A digit for each. FF."""
    return f"STAT:CELL:REP? {cell_list(cells)}"


def long_state(cell: int) -> str:
    """FF."""
    return f"STAT:CELL:VERB? {cell}"


def step_times(cells: Iterable[int]) -> str:
    """Seconds in the present step. FF."""
    return f"CELL:STEP:TIME? {cell_list(cells)}"


def decimal(value: float) -> str:
    """A plain decimal number."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _ranges(cells: Sequence[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(cells), key=lambda pair: pair[1] - pair[0]):
        numbers = [cell for _, cell in run]
        yield str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}:{numbers[-1]}"
