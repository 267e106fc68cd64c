"""The cells that the instrument was told to make of its channels, and how far each has come."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from sims.wire.keysight_bt2200.programs import Step, Test

CARD_CHANNELS = 32

OUT_OF_RANGE, CONFLICT, ILLEGAL = -222, -221, -224

Result = Literal["NONE", "OK", "FAIL", "ABORTED"]


class Refused(Exception):
    """The instrument does not do it: this error goes to its queue."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a sequence ended; `test` is what decided, where a test did."""

    result: Result = "NONE"
    test: Test | None = None
    measured: float = 0.0


@dataclass(slots=True)
class Cell:
    """`channels` are in parallel. `row` is where the first of them is wired to, None where it leads nowhere."""

    number: int
    channels: tuple[int, ...]
    row: int | None
    sequence: int = 0
    steps: tuple[Step, ...] = ()
    step: int = 0  # the present or last one, from 1
    running: bool = False
    verdict: Verdict = Verdict()
    began_s: float = 0.0
    step_began_s: float = 0.0
    digit: str = "0"  # the short state
    timer: asyncio.TimerHandle | None = None

    @property
    def present(self) -> Step:
        """The step that runs."""
        return self.steps[self.step - 1]


def place(channel: int) -> int:
    """Of a channel among the 256."""
    card, number = divmod(channel, 100)
    return (card - 1) * CARD_CHANNELS + number - 1
