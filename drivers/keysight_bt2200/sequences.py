"""The sequences that the instrument holds for us: equal orders share one, and one that runs is never defined anew."""

from collections.abc import Callable, Collection

from cycler.contract.errors import DeviceFault
from drivers.keysight_bt2200 import commands as say
from drivers.keysight_bt2200 import replies
from drivers.keysight_bt2200.mainframe import Mainframe
from drivers.keysight_bt2200.programs import Program
from drivers.links.queue import Priority

TRIES = 2  # an error in the queue may be somebody else's: of an off, or of a question that was lost


class SequencePool:
    """`numbers_max`: how many the instrument holds, numbered from 1."""

    def __init__(self, mainframe: Mainframe, *, numbers_max: int) -> None:
        self._mainframe = mainframe
        self._numbers_max = numbers_max
        self._programs: dict[int, Program | None] = {}  # the longest unused first; None: it was not finished

    def forget(self) -> None:
        """The instrument holds none any more."""
        self._programs.clear()

    async def number_of(
        self,
        program: Program,
        defined: frozenset[int],
        *,
        in_use: Collection[Program],
        unless: Callable[[], bool],
    ) -> int:
        """A sequence with these steps, read back: one that is there, else a new one.

        `defined` is the instrument's catalog; `unless` as of `ScpiLink.write`. Raises `DeviceFault` where it cannot be
        had.
        """
        for number, held in self._programs.items():
            if held == program and number in defined:
                self._programs[number] = self._programs.pop(number)
                return number
        number = self._free_number(defined, in_use)
        was_defined = number in defined
        self._programs.pop(number, None)
        self._programs[number] = None
        errors: list[str] = []
        for _ in range(TRIES):
            if was_defined:
                await self._mainframe.link.write(say.clear_sequence(number), Priority.ORDER, unless=unless)
            was_defined = True
            errors = await self._define(number, program, unless)
            if not errors:
                self._programs[number] = program
                return number
        raise DeviceFault(self._mainframe.device, f"sequence {number} could not be defined: {'; '.join(errors)}")

    def _free_number(self, defined: frozenset[int], in_use: Collection[Program]) -> int:
        for number in range(1, self._numbers_max + 1):
            if number not in defined:
                return number
        for number, held in self._programs.items():
            if held not in in_use:
                return number
        detail = f"all its {self._numbers_max} sequences are in use: cells with equal orders share one"
        raise DeviceFault(self._mainframe.device, detail)

    async def _define(self, number: int, program: Program, unless: Callable[[], bool]) -> list[str]:
        """What is wrong with it."""
        link, device = self._mainframe.link, self._mainframe.device
        await link.write(say.CLEAR_ERRORS, Priority.ORDER, unless=unless)
        for at, step in enumerate(program.steps, 1):
            for message in step.definition(number, at):
                await link.write(message, Priority.ORDER, unless=unless)
        wrong: list[str] = []
        for at, step in enumerate(program.steps, 1):
            question = f"SEQ:STEP:DEF? {number},{at}"
            text = await link.query(question, Priority.ORDER, unless=unless)
            if not step.confirmed_by(*replies.step(device, text)):
                wrong.append(f"{question} says {text}, sent was {step.definition(number, at)[0]}")
        # Tests cannot be read back: that none was refused is all that can be known of them.
        return wrong + await self._mainframe.errors()
