"""SCPI text, one transaction at a time: over TCP and serial ports natively, over all else through VISA."""

from collections.abc import Callable
from typing import TypeVar

from cycler.contract.plugin import Resource
from drivers.links.access import Access
from drivers.links.endpoint import Endpoint, endpoint_of
from drivers.links.lines import Conversation, End, Message, block_content, block_end, line_end, text_of
from drivers.links.queue import Priority
from drivers.links.visa import OPEN_S_MAX, VisaConversation, VisaEndpoint, visa_endpoint_of

T = TypeVar("T")


class ScpiLink:
    """Lines end with LF, both ways. When to ask for the error queue is the driver's decision: on some devices the
    question changes something.

    Errors are those of `Access`; replies that are no single line of ASCII, or too long, are `ProtocolError`s.
    """

    def __init__(
        self,
        device: str,
        endpoint: Endpoint,
        *,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 1.0,
        reply_bytes_max: int = 4096,
    ) -> None:
        visa = isinstance(endpoint, VisaEndpoint)
        self._access: Access[Message, bytes] = Access(
            device,
            endpoint,
            "text",
            VisaConversation if visa else Conversation,
            numbered=False,
            gap_s=gap_s,
            timeout_s=timeout_s,
            connect_timeout_s=max(connect_timeout_s, OPEN_S_MAX) if visa else connect_timeout_s,
        )
        self._timeout_s = timeout_s
        self._line = line_end(b"\n", bytes_max=reply_bytes_max)

    @classmethod
    def to(
        cls,
        device: str,
        resource: Resource,
        *,
        default_port: int = 5025,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 1.0,
        reply_bytes_max: int = 4096,
    ) -> "ScpiLink":
        """`scpi-tcp://host:port`, `serial:///dev/...?baud=...`, `visa:TCPIP0::host::inst0::INSTR`.

        Raises `ValueError` for a bad resource.
        """
        if resource.scheme not in ("scpi-tcp", "serial", "visa"):
            raise ValueError(f"{resource.text!r} is no SCPI; schemes are scpi-tcp, serial and visa")
        return cls(
            device,
            visa_endpoint_of(resource)
            if resource.scheme == "visa"
            else endpoint_of(resource, default_port=default_port),
            gap_s=gap_s,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
            reply_bytes_max=reply_bytes_max,
        )

    @property
    def sent_s(self) -> float:
        """When the last message was sent, by the loop's clock: the caller's own until its next await."""
        return self._access.sent_s

    async def query(
        self,
        text: str,
        priority: Priority,
        *,
        unless: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Send one line and wait for the line that answers it; without its end. `unless`: see `Access.transact`."""
        return await self._say(text, self._line, text_of, priority, unless=unless, timeout_s=timeout_s)

    async def write(self, text: str, priority: Priority, *, unless: Callable[[], bool] | None = None) -> None:
        """Send one line that has no answer: that it was sent is all that is known."""
        await self._say(text, None, bytes, priority, unless=unless)

    async def query_block(
        self, text: str, priority: Priority, *, bytes_max: int, timeout_s: float | None = None
    ) -> bytes:
        """Send one line and wait for the definite-length block that answers it; what is in it."""
        end = block_end(bytes_max=bytes_max)
        return await self._say(text, end, block_content, priority, timeout_s=timeout_s)

    async def _say(
        self,
        text: str,
        end: End | None,
        understand: Callable[[bytes], T],
        priority: Priority,
        *,
        unless: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        within_s = self._timeout_s if timeout_s is None else timeout_s
        message = Message(text.encode("ascii") + b"\n", end, within_s)
        return await self._access.transact(
            message, priority, understand, what=repr(text), unless=unless, timeout_s=within_s
        )

    def close(self) -> None:
        """Let go of the connection; the next message opens it again. See `Access.close`."""
        self._access.close()
