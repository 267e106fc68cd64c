"""Asking several devices at the same time: one that fails keeps nobody else from being asked."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from cycler.contract.errors import DeviceError, LinkError

T = TypeVar("T")


async def together(calls: Mapping[str, Coroutine[Any, Any, T]]) -> dict[str, T | DeviceError]:
    """Each answer under its name, once all have ended."""
    if len(calls) == 1:
        return {name: await _answered(call) for name, call in calls.items()}
    async with asyncio.TaskGroup() as asked:
        tasks = {name: asked.create_task(_answered(call), name=f"asking {name}") for name, call in calls.items()}
    return {name: task.result() for name, task in tasks.items()}


def all_of(answers: Mapping[str, T | DeviceError]) -> dict[str, T]:
    """Raises the error that there is; what a person is called for goes before what may pass."""
    good: dict[str, T] = {}
    errors: list[DeviceError] = []
    for name, answer in answers.items():
        if isinstance(answer, DeviceError):
            errors.append(answer)
        else:
            good[name] = answer
    if errors:
        raise gravest(errors)
    return good


def gravest(errors: list[DeviceError]) -> DeviceError:
    """A lost reply is the least of them."""
    return min(errors, key=lambda error: isinstance(error, LinkError))


async def _answered(call: Coroutine[Any, Any, T]) -> T | DeviceError:
    try:
        return await call
    except DeviceError as error:
        return error
