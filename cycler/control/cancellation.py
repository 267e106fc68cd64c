"""A cancellation that must not get lost behind an error that came with it."""

import asyncio


def cancellations() -> int:
    """How often this task has been cancelled. In Python 3.11 a task group that failed leaves the count raised."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def raise_if_cancelled(*, known: int = 0) -> None:
    """For whoever catches a device's error and goes on: raises `CancelledError` if this task has been cancelled.

    A wire that is given up while it is cancelled reports the wire; going on then would be going on for ever. A task
    that runs task groups says how many `cancellations` it knew of before.
    """
    if cancellations() > known:
        raise asyncio.CancelledError
