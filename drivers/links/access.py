"""One device's use of a wire: its turns and time limits, and what follows from a lost reply."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from cycler.contract.overtaking import Withdrawn
from drivers.links.breaker import Breaker
from drivers.links.endpoint import Endpoint
from drivers.links.queue import Priority
from drivers.links.wire import Heard, Said, Speaker, Wire, wire_to

T = TypeVar("T")

ARRIVAL_S = 0.05
"""What a converter has kept for the next connection comes at once."""


class Noise(Exception):
    """What came was damaged on its way."""


class Nonsense(Exception):
    """What came is no answer to what was asked."""


class Access(Generic[Said, Heard]):
    """A transaction ends within `connect_timeout_s + timeout_s` of its turn.

    Raises `LinkError` for silence, damage, refused and closed connections, `ProtocolError` for answers that make no
    sense. After each of them the connection is not trusted any more. Where replies carry no number (`numbered`) that
    is so after a cancelled transaction too; the wire is then left in peace for one `timeout_s`, and a new connection
    for `ARRIVAL_S`: a late reply must not be taken for the next one.
    """

    def __init__(
        self,
        device: str,
        endpoint: Endpoint,
        language: str,
        make: Callable[[], Speaker[Said, Heard]],
        *,
        numbered: bool,
        gap_s: float,
        timeout_s: float,
        connect_timeout_s: float,
    ) -> None:
        self.sent_s = 0.0  # when the last message was sent, by the loop's clock: the caller's own until its next await
        self._device = device
        self._endpoint = endpoint
        self._language = language
        self._make = make
        self._numbered = numbered
        self._gap_s = gap_s
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._breaker = Breaker(device)
        self._wire: Wire | None = None

    async def transact(
        self,
        message: Said,
        priority: Priority,
        understand: Callable[[Heard], T],
        *,
        what: str,
        unless: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        """What is understood of the answer; `what` names the message in errors.

        `unless` is asked in the instant before sending, when all waiting is over: where it says yes, nothing is sent
        and `Withdrawn` is raised. Asked any earlier, an off could slip in between.
        """
        clock = asyncio.get_running_loop().time
        self._breaker.check(priority, clock())
        wire = self._wire or self._join()
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        await wire.queue.enter(priority)
        trusted, quiet_s = True, 0.0
        try:
            self._breaker.check(priority, clock())  # again: those before us may have waited in vain
            speaker = wire.speaker(self._language, self._make) or await self._open(wire, priority)
            if unless is not None and unless():
                raise Withdrawn
            self.sent_s = clock()
            trusted = False
            with wire.deadline.within(limit_s):
                heard = await speaker.exchange(message)
            answer = understand(heard)
            trusted = True
        except asyncio.CancelledError:
            trusted = trusted or self._numbered
            raise
        except TimeoutError:
            raise self._failed(
                priority, wire, f"no answer to {what} from {self._endpoint.place} within {limit_s:g} s"
            ) from None
        except OSError as error:
            raise self._failed(priority, wire, f"{self._endpoint.place} gave up during {what}: {error}") from None
        except Noise as noise:
            raise self._failed(priority, wire, f"the answer to {what} was damaged on its way: {noise}") from None
        except Nonsense as nonsense:
            raise ProtocolError(self._device, f"{what}: {nonsense}") from None
        except DeviceError as error:  # understood: that is what it says
            trusted = True
            if isinstance(error, LinkError):
                self._breaker.failed(priority, clock(), alone=wire.is_of_one)
            raise
        else:
            self._breaker.answered()
            return answer
        finally:
            if not trusted:
                wire.distrust()
                quiet_s = 0.0 if self._numbered else limit_s
            wire.queue.leave(quiet_s=quiet_s)
            if wire is not self._wire:  # let go of meanwhile
                wire.leave(self)

    def close(self) -> None:
        """Let go of the wire; who is the last to do so drops the connection. The next message takes it up again.

        It is reset, not closed: a write that a pulled cable has held back must not arrive when the cable is back.
        """
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.leave(self)

    def _join(self) -> Wire:
        try:
            wire = self._wire = wire_to(self._endpoint)
        except ValueError as error:
            raise ProtocolError(self._device, str(error)) from None
        wire.join(self, gap_s=self._gap_s)
        return wire

    async def _open(self, wire: Wire, priority: Priority) -> Speaker[Said, Heard]:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                speaker = await wire.open(self._language, self._make)
        except TimeoutError:
            detail = f"no connection to {self._endpoint.place} within {self._connect_timeout_s:g} s"
            raise self._failed(priority, wire, detail) from None
        except OSError as error:
            raise self._failed(priority, wire, f"no connection to {self._endpoint.place}: {error}") from None
        if wire.is_doubtful and not self._numbered:
            await asyncio.sleep(ARRIVAL_S)
        wire.is_doubtful = False
        return speaker

    def _failed(self, priority: Priority, wire: Wire, detail: str) -> LinkError:
        self._breaker.failed(priority, asyncio.get_running_loop().time(), alone=wire.is_of_one)
        return LinkError(self._device, detail)
