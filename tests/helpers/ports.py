"""Loopback ports that tests running side by side do not fight over."""

import os


def own_port(base: int) -> int:
    """`base`, moved by 200 for each further worker of the test run."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return base + 200 * int(worker.removeprefix("gw"))
