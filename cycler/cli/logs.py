"""What a command says of its work while it works, on stderr: people get errors only, a service's journal all of it."""

import logging
import sys

import structlog

from cycler.service.clock import utcnow


def quiet_logs() -> None:
    """Warnings and errors as one plain line each, on stderr."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def json_logs() -> None:
    """One JSON object a line on stderr, from `info` on: what a service says of its work."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _stamped,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _stamped(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["utc"] = utcnow().isoformat(timespec="milliseconds")
    return event
