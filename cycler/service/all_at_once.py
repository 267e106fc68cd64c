"""Work on many devices at once, none of which may hold up or end the others."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from cycler.contract.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one piece of work."""

    result: Any = None
    error: BaseException | None = None

    @property
    def text(self) -> str:
        """Why it failed."""
        if isinstance(self.error, DeviceError):
            return self.error.detail
        return "" if self.error is None else str(self.error) or type(self.error).__name__


async def all_at_once(work: Mapping[str, Coroutine[Any, Any, Any]], *, until_s: float) -> Mapping[str, Outcome]:
    """All at once. What one of them runs into, a bug of ours included, is no matter to the others; what has not ended
    by then is given up and left behind."""
    if not work:
        return {}
    tasks = {name: asyncio.create_task(each, name=name) for name, each in work.items()}
    left_s = until_s - asyncio.get_running_loop().time()
    await asyncio.wait(tasks.values(), timeout=max(left_s, 0.0))
    outcomes = {}
    for name, task in tasks.items():
        if not task.done():
            task.cancel()
            outcomes[name] = Outcome(error=TimeoutError("no answer in time"))
        elif task.cancelled():
            outcomes[name] = Outcome(error=TimeoutError("given up"))
        elif (error := task.exception()) is not None:
            outcomes[name] = Outcome(error=error)
        else:
            outcomes[name] = Outcome(result=task.result())
    return outcomes
