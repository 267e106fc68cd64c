"""Whatever the wire or the device does: a call ends in its time, in a right answer or in an error.

A subject that can be troubled has one more member, `troubles`: by name, what begins a trouble and gives what ends it.
Each promise is kept under each of them. They are those that framing, checks and reading back can tell.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar, cast

import pytest

from cycler.contract.errors import DeviceError
from cycler.contract.suite.subject import Subject

T = TypeVar("T")

Trouble = Callable[[], Callable[[], None]]
"""Begins it; the answer ends it."""

ROUNDS = 4
TRIES = 12
RETRY_S = 1.0
MOMENTS = (0, 1, 3)  # transactions after which a trouble begins


class Troubled(Protocol):
    """A subject whose wire and device can be troubled."""

    @property
    def troubles(self) -> Mapping[str, Trouble]:
        """What can happen to it."""


class TroublePromises:
    """Gives each test that takes a `trouble` all those that the subject can have."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "trouble" in metafunc.fixturenames:
            metafunc.parametrize("trouble", tuple(getattr(self.make_subject(), "troubles", ())))

    def make_subject(self) -> Subject:
        """A fresh one with each call."""
        raise NotImplementedError


def begin(subject: Subject, trouble: str) -> Callable[[], None]:
    """The call that ends it."""
    return cast(Troubled, subject).troubles[trouble]()


async def endured(subject: Subject, call: Awaitable[T]) -> T | DeviceError:
    """An error is an answer, too, if it comes in time."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    try:
        return await call
    except DeviceError as error:
        return error
    finally:
        assert loop.time() - began_s <= subject.call_s_max


async def again(subject: Subject, call: Callable[[], Awaitable[T]]) -> T:
    """Once the trouble is over, a device may need some tries to come back, each of them an error."""
    for _ in range(TRIES):
        answer = await endured(subject, call())
        if not isinstance(answer, DeviceError):
            return answer
        await asyncio.sleep(RETRY_S)
    pytest.fail(f"all is well again, and yet: {answer}")


class Moment:
    """A hook that begins a trouble after so many transactions, if they come before it is over."""

    def __init__(self, subject: Subject, trouble: str, number: int) -> None:
        self._subject = subject
        self._trouble = trouble
        self._left = number
        self._end: Callable[[], None] | None = None
        if number == 0:
            self._end = begin(subject, trouble)
        else:
            subject.watch(self)

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._end = begin(self._subject, self._trouble)

    def is_over(self) -> None:
        """Ended, or never to begin."""
        self._left = 0
        if self._end is not None:
            self._end()
