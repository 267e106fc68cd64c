"""Lines of text of which every one is answered by one line."""

from collections.abc import Callable

from cycler.contract.plugin import Resource
from drivers.links.access import Access
from drivers.links.endpoint import Endpoint, endpoint_of
from drivers.links.lines import Conversation, Message, line_end, text_of
from drivers.links.queue import Priority


class AsciiLink:
    """Errors are those of `Access`; replies that are no ASCII, or too long, are `ProtocolError`s."""

    def __init__(
        self,
        device: str,
        endpoint: Endpoint,
        *,
        end: bytes = b"\r\n",
        reply_end: bytes | None = None,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 1.0,
        reply_bytes_max: int = 4096,
    ) -> None:
        """`end` closes what is sent, `reply_end` what comes back, where that differs."""
        self._end = end
        self._timeout_s = timeout_s
        self._reply = line_end(reply_end or end, bytes_max=reply_bytes_max)
        self._access: Access[Message, bytes] = Access(
            device,
            endpoint,
            "text",
            Conversation,
            numbered=False,
            gap_s=gap_s,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
        )

    @classmethod
    def to(
        cls,
        device: str,
        resource: Resource,
        *,
        default_port: int,
        line_end: bytes = b"\r\n",
        reply_end: bytes | None = None,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 1.0,
    ) -> "AsciiLink":
        """`ascii-tcp://host:port`, `serial:///dev/...?baud=...`. Raises `ValueError` for a bad resource."""
        if resource.scheme not in ("ascii-tcp", "serial"):
            raise ValueError(f"{resource.text!r} is no line of text; schemes are ascii-tcp and serial")
        return cls(
            device,
            endpoint_of(resource, default_port=default_port),
            end=line_end,
            reply_end=reply_end,
            gap_s=gap_s,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
        )

    async def exchange(
        self,
        text: str,
        priority: Priority,
        *,
        unless: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Send one line and wait for the one that answers it; without its end. `unless`: see `Access.transact`."""
        within_s = self._timeout_s if timeout_s is None else timeout_s
        message = Message(text.encode("ascii") + self._end, self._reply, within_s)
        return await self._access.transact(
            message, priority, text_of, what=repr(text), unless=unless, timeout_s=within_s
        )

    def close(self) -> None:
        """Let go of the connection; the next message opens it again. See `Access.close`."""
        self._access.close()
