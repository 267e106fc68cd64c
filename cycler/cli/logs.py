"""What a command says of its work while it works: warnings on stderr, nothing of what goes well."""

import logging
import sys

import structlog


def quiet_logs() -> None:
    """Warnings and errors as one plain line each, on stderr."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
