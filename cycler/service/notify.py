"""What systemd is told of a service, over the datagram socket that it names."""

import socket

import structlog

log = structlog.get_logger()


class Notifier:
    """`READY=1`, `STATUS=…`, `WATCHDOG=1`. Without an address nobody is told; one that is gone costs nothing."""

    def __init__(self, address: str | None) -> None:
        """`address`: of `NOTIFY_SOCKET`; `@` begins one that lies in no folder."""
        self._is_heard = True
        self._address = None if address is None else address.replace("@", "\0", 1)

    def tell(self, *lines: str) -> None:
        """In one message, and without waiting."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto("\n".join(lines).encode(), self._address)
            self._is_heard = True
        except OSError as error:
            if self._is_heard:
                log.warning("notify.failed", reason=str(error))
            self._is_heard = False
