"""A wall clock for tests: it stands at a fixed date when the loop is made, and runs with it."""

import asyncio
from datetime import UTC, datetime, timedelta

BEGINNING_UTC = datetime(2026, 1, 1, tzinfo=UTC)


def utcnow() -> datetime:
    return BEGINNING_UTC + timedelta(seconds=asyncio.get_running_loop().time())
