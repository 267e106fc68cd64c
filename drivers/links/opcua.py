"""OPC UA over asyncua's client: one transaction at a time, in sessions that are built anew after every loss."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from asyncua import ua

from cycler.contract.errors import LinkError, ProtocolError
from cycler.contract.overtaking import Withdrawn
from drivers.links import opcua_services as services
from drivers.links.opcua_errors import LOST, NONSENSE, error_of, name_of
from drivers.links.opcua_nodes import Argument, Child, NodeRef, Path, Value
from drivers.links.opcua_security import Security
from drivers.links.opcua_session import OpcUaSession
from drivers.links.queue import Priority, TransactionQueue

T = TypeVar("T")

# What asyncua logs it also raises, and so do we: without a handler it would write to stderr beside the program.
logging.getLogger("asyncua").addHandler(logging.NullHandler())


class OpcUaLink:
    """One session with one server, opened by the first question and anew after every loss.

    A transaction ends within `connect_timeout_s + timeout_s` of its turn. It raises `LinkError` for silence, for
    refused, closed and forgotten sessions, `ProtocolError` for answers that make no sense or show another kind of
    server, and `Refused`, a `DeviceFault`, for what the server declines. After a `LinkError` or an answer that makes
    no sense the session is dropped.
    """

    def __init__(
        self,
        device: str,
        url: str,
        security: Security,
        *,
        timeout_s: float = 1.0,
        connect_timeout_s: float = 3.0,
    ) -> None:
        self.sent_s = 0.0  # when the last request was sent, by the loop's clock: the caller's own until its next await
        self._device = device
        self._url = url
        self._security = security
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._queue = TransactionQueue()
        self._session: OpcUaSession | None = None
        self._sessions = 0

    @property
    def session(self) -> int:
        """The number of the session that is open, 0 where none is: what a server keeps for one is gone with it."""
        return self._sessions if self._session is not None and not self._session.is_over else 0

    @property
    def application_uri(self) -> str:
        """Who the server takes us for."""
        return self._security.application_uri

    async def read(self, nodes: Sequence[NodeRef], priority: Priority) -> tuple[Value, ...]:
        """The values of variables, good or not, all in one request."""
        asked = tuple(nodes)
        return await self._transact(
            f"the read of {_listed(asked)}", priority, lambda session: services.read(session, asked)
        )

    async def browse_name(self, node: NodeRef, priority: Priority) -> str:
        """The name that its type's documents give to a node."""
        return await self._transact(
            f"the read of the name of {node}", priority, lambda session: services.browse_name(session, node)
        )

    def demand(self, value: Value) -> Any:
        """Its content. Raises where its status is not good."""
        if not value.is_good:
            raise error_of(self._device, f"the read of {value.node}", value.status)
        return value.content

    def number(self, value: Value) -> float:
        """Its content as one. Raises as `demand`, and `ProtocolError` where it is none."""
        content = self.demand(value)
        if isinstance(content, bool) or not isinstance(content, int | float):
            raise ProtocolError(self._device, f"{value.node} holds {content!r:.60}, not a number")
        return float(content)

    async def write(
        self,
        values: Sequence[tuple[NodeRef, Argument]],
        priority: Priority,
        *,
        unless: Callable[[], bool] | None = None,
    ) -> None:
        """Write variables, in this order, in one request; raises for the first that is not taken.

        `unless` is asked in the instant before sending, when all waiting is over: where it says yes, nothing is sent
        and `Withdrawn` is raised.
        """
        what = f"the write of {_listed([node for node, _ in values])}"
        await self._transact(what, priority, lambda session: services.write(session, values), unless)

    async def call(
        self,
        owner: NodeRef,
        method: NodeRef,
        arguments: Sequence[Argument],
        priority: Priority,
        *,
        unless: Callable[[], bool] | None = None,
    ) -> tuple[Any, ...]:
        """Call a method of an object; what it gives back. `unless` as with `write`."""
        return await self._transact(
            f"the call of {method}", priority, lambda session: services.call(session, owner, method, arguments), unless
        )

    async def find(self, start: NodeRef, paths: Sequence[Path], priority: Priority) -> tuple[NodeRef | None, ...]:
        """Where these paths lead, `None` where there is nothing."""
        return await self._transact(
            f"the search beneath {start}", priority, lambda session: services.find(session, start, paths)
        )

    async def children(self, node: NodeRef, priority: Priority) -> tuple[Child, ...]:
        """The objects beneath it, in the server's order."""
        return await self._transact(
            f"the search beneath {node}", priority, lambda session: services.children(session, node)
        )

    async def supertype(self, node: NodeRef, priority: Priority) -> NodeRef | None:
        """Of a type."""
        return await self._transact(
            f"the search above {node}", priority, lambda session: services.supertype(session, node)
        )

    def drop(self) -> None:
        """Break the session off. The next transaction opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            session.drop()

    async def aclose(self) -> None:
        """End the session in order, where its server still answers. Raises nothing."""
        await self._queue.enter(Priority.ORDER)
        try:
            session, self._session = self._session, None
            if session is not None:
                try:
                    async with asyncio.timeout(self._timeout_s):
                        await session.close()
                except (OSError, *NONSENSE):
                    pass  # it ends all the same
                finally:
                    session.drop()
        finally:
            self._queue.leave()

    async def _transact(
        self,
        what: str,
        priority: Priority,
        ask: Callable[[OpcUaSession], Awaitable[T]],
        unless: Callable[[], bool] | None = None,
    ) -> T:
        await self._queue.enter(priority)
        try:
            session = await self._current()
            if unless is not None and unless():
                raise Withdrawn
            self.sent_s = asyncio.get_running_loop().time()
            answer = await self._bounded(lambda: ask(session), what, self._timeout_s)
            session.heard()
            return answer
        finally:
            self._queue.leave()

    async def _current(self) -> OpcUaSession:
        session = self._session
        if session is not None and not session.is_over:
            if session.is_ageing:
                await self._bounded(session.renew, "the renewal of the channel", self._timeout_s)
            return session
        self.drop()
        patience_s = self._connect_timeout_s + self._timeout_s
        session = self._session = OpcUaSession(self._device, self._url, self._security, patience_s=patience_s)
        is_open = False
        try:
            await self._bounded(session.open, f"the opening of a session with {self._url}", self._connect_timeout_s)
            is_open = True
        finally:
            if not is_open:
                self.drop()
        self._sessions += 1
        return session

    async def _bounded(self, work: Callable[[], Awaitable[T]], what: str, within_s: float) -> T:
        """The time limit, and device errors for whatever else goes wrong."""
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        try:
            async with asyncio.timeout(within_s):
                result = await work()
        except TimeoutError:
            self.drop()
            raise LinkError(self._device, f"no answer to {what} within {within_s:g} s") from None
        except OSError as error:
            self.drop()
            raise LinkError(self._device, f"the connection broke during {what}: {error}") from None
        except ua.UaStatusCodeError as error:
            status = name_of(error.code)
            if status in LOST:
                self.drop()
            raise error_of(self._device, what, status) from None
        except NONSENSE as error:
            self.drop()
            raise ProtocolError(self._device, f"{what} was answered by what makes no sense: {error!r:.120}") from None
        if task is not None and task.cancelling() > cancelled_before:
            # asyncio.wait_for, inside the stack, loses a cancellation that comes together with the reply.
            raise asyncio.CancelledError
        return result


def _listed(nodes: Sequence[NodeRef]) -> str:
    return ", ".join(str(node) for node in nodes)
