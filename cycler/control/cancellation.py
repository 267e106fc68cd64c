"""A cancellation that must not get lost behind an error that came with it."""

import asyncio


def raise_if_cancelled() -> None:
    """For whoever catches a device's error and goes on: raises `CancelledError` if this task has been cancelled.

    A wire that is given up while it is cancelled reports the wire; going on then would be going on for ever. Not for
    a task that runs task groups: Python 3.11 leaves the count of one that failed raised.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
