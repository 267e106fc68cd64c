"""The wall clock, for records only. In a simulation the world has its own."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """The only place where the computer's clock is read."""
    return datetime.now(UTC)  # noqa: TID251 (this is the one that is injected)
