"""Loopback ports that nobody else on the machine listens on."""

import socket


def free_port() -> int:
    """Free a moment ago; the system gives the same one to nobody else for a while."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
