"""Loopback ports that nobody else on the machine listens on, and paths for serial lines that nobody else uses."""

import itertools
import os
import socket
import tempfile

_numbers = itertools.count()


def free_port() -> int:
    """Free a moment ago; the system gives the same one to nobody else for a while."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def line_path() -> str:
    """Where nothing lies."""
    return f"{tempfile.gettempdir()}/serial-line-{os.getpid()}-{next(_numbers)}"
