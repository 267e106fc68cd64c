"""The command socket as a client sees it: one command, and what became of it."""

import getpass
import socket
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cycler.service.command_lines import (
    PROTOCOL,
    Answer,
    BadLine,
    Hello,
    Request,
    command_socket,
    read_answer,
    read_welcome,
    written,
)

GREETED_S_MAX: Final = 5.0
ANSWERED_S_MAX: Final = 120.0


class Unreachable(Exception):
    """No service answers at that socket."""


def command(
    runtime: Path,
    name: str,
    arguments: Mapping[str, str],
    *,
    reason: str = "",
    on_accepted: Callable[[], None] = lambda: None,
) -> Answer:
    """The last answer: `done`, or `refused`. Raises `Unreachable`; what was accepted then is done nevertheless."""
    path = command_socket(runtime)
    request = Request(id=str(uuid.uuid4()), command=name, arguments=dict(arguments), reason=reason)
    try:
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rwb") as stream:
            connection.settimeout(GREETED_S_MAX)
            connection.connect(str(path))
            stream.write(written(Hello(cycler=PROTOCOL)))
            stream.flush()
            greeting = read_welcome(stream.readline())
            if isinstance(greeting, Answer):
                return greeting
            connection.settimeout(ANSWERED_S_MAX)
            stream.write(written(request))
            stream.flush()
            while (answer := read_answer(stream.readline())).answer == "accepted":
                on_accepted()
            return answer
    except PermissionError:
        raise Unreachable(f"{path}: {getpass.getuser()} may not open it: ask for its group") from None
    except (OSError, BadLine) as error:
        told = error.strerror or str(error) if isinstance(error, OSError) else "the service has gone away"
        raise Unreachable(f"no service answers at {path}: {told}") from None
