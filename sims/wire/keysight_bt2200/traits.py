"""In what the real instrument may differ, for no document at hand says it. The defaults are the best guess."""

from collections.abc import Callable
from dataclasses import dataclass

CARDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Of one mainframe; `number` is how it writes what it has measured."""

    model: str = "BT2202A"
    serial: str = "SIM0000001"
    firmware: str = "1.00"
    cards: tuple[bool, ...] = (True,) * CARDS
    charge_check_s: float = 15.0  # from the start of a CHARGE to its current, where none has flowed before
    precharge2_check_s: float = 7.0
    reply_s: float = 0.005
    reset_s: float = 5.0
    answers_wrong_queries: bool = False  # with an empty line
    discharge_reads_positive: bool = False
    restarts_running: bool = False  # what CELL:INIT does to a cell that runs; else it is refused
    minds_idle_aborts: bool = False  # aborting a cell that does not run is an error
    names_cells_in_log: bool = True  # old firmware sends zeros
    failed_digit: str = "3"
    aborted_digit: str = "2"
    number: Callable[[float], str] = "{:.6f}".format
