"""Errors as users meet them: one clear message, the right exit code, never a traceback."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import typer

DONE, FAILED, WRONG_USE, UNREACHABLE, REFUSED, REJECTED = range(6)
"""The exit codes: 1 failed, 2 wrong use or invalid file, 3 device or service unreachable, 4 refused by safety,
5 done but cells were rejected (only with `--strict`)."""

TRACEBACK = "CYCLER_TRACEBACK"
"""The environment variable that shows the traceback of a bug."""

INTERRUPTED, TERMINATED = 130, 143  # as shells have it: 128 + the signal's number


class Failure(Exception):
    """A command cannot do what was asked. `hint` says how to mend it."""

    def __init__(self, exit_code: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints errors."""
        return {"file": None, "line": None, "step": None, "code": self.code, "message": self.message, "hint": self.hint}


@contextmanager
def explained(*, as_json: bool = False, store: bool = True) -> Iterator[None]:
    """Turns what may go wrong in a command into a message and an exit code. `store`: whether it may touch one, which
    costs a third of a second of imports."""
    from cycler.contract.errors import DeviceError, LinkError  # noqa: PLC0415 (help must not wait for it)
    from cycler.recipe.problems import InvalidFile  # noqa: PLC0415
    from cycler.service.refusal import Refused  # noqa: PLC0415
    from cycler.service.wiring import NotInstalled  # noqa: PLC0415

    of_store: tuple[type[Exception], ...] = ()
    if store:
        from cycler.record.journal import JournalFailed  # noqa: PLC0415
        from cycler.record.schema import JournalUnusable  # noqa: PLC0415

        of_store = (JournalFailed, JournalUnusable)
    failures: tuple[type[Exception], ...] = (DeviceError, *of_store, NotInstalled, ValueError, OSError)

    try:
        yield
    except InvalidFile as error:
        _report([str(problem) for problem in error.problems], [p.as_json() for p in error.problems], as_json=as_json)
        raise typer.Exit(WRONG_USE) from None
    except Failure as failure:
        raise _ended_by(failure, as_json=as_json) from None
    except Refused as error:
        raise _ended_by(Failure(REFUSED, error.code, error.message, error.hint), as_json=as_json) from None
    except KeyboardInterrupt:
        raise _ended_by(Failure(INTERRUPTED, "interrupted", "interrupted"), as_json=as_json) from None
    except BrokenPipeError:
        raise  # whoever read our output has gone: there is nobody to tell
    except failures as error:
        codes: list[tuple[type[BaseException], int, str]] = [
            (LinkError, UNREACHABLE, "unreachable"),
            (DeviceError, FAILED, "device"),
            *((kind, FAILED, "journal") for kind in of_store),
            (NotInstalled, WRONG_USE, "not-installed"),
            (ValueError, WRONG_USE, "value"),
            (OSError, FAILED, "system"),
        ]
        exit_code, code = next((number, word) for kind, number, word in codes if isinstance(error, kind))
        message = system_text(error) if isinstance(error, OSError) else str(error)
        raise _ended_by(Failure(exit_code, code, message), as_json=as_json) from None


def system_text(error: OSError) -> str:
    """What the operating system said, without its number: `demo: Permission denied`."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


@contextmanager
def ending_in_order() -> Iterator[Callable[[int], int]]:
    """SIGTERM does what Ctrl-C does: outputs are opened, files closed. The call given tells their exit codes apart."""
    received = False

    def interrupt(*_: object) -> None:
        nonlocal received
        received = True
        signal.raise_signal(signal.SIGINT)

    # A script starts its background jobs with SIGINT ignored, and SIGTERM is passed on as one.
    before = signal.signal(signal.SIGTERM, interrupt), signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield lambda code: TERMINATED if received and code == INTERRUPTED else code
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """For a service: within `ending_in_order`, SIGTERM is its normal end and no interruption."""
    received = False

    def stop(*_: object) -> None:
        nonlocal received
        received = True
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        if not received:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)


def explain_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For `sys.excepthook`: what nobody expected is a bug of ours, and is told in one line."""
    place = ""
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    hint = f"set {TRACEBACK}=1 and run it again to see all of it"
    sys.stderr.write(f"error: this is a bug in the program: {kind.__name__} at {place}: {error} ({hint})\n")


def run_and_explain(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run a command; its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = app(args=given, prog_name="cycler", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        if "--json" in given:
            _report([], [Failure(WRONG_USE, "usage", error.format_message()).as_json()], as_json=True)
        else:
            hint = "`cycler --help` lists the commands, `cycler COMMAND --help` their options"
            sys.stderr.write(f"error: {error.format_message()} ({hint})\n")
        return WRONG_USE
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"error: the output cannot be written: {system_text(error)}\n")
        # What is still buffered for stdout would fail once more when Python flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else DONE


def _ended_by(failure: Failure, *, as_json: bool) -> typer.Exit:
    hint = f" ({failure.hint})" if failure.hint else ""
    _report([failure.message + hint], [failure.as_json()], as_json=as_json)
    return typer.Exit(failure.exit_code)


def _report(lines: Sequence[str], documents: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"errors": list(documents)}, indent=2) + "\n")
    else:
        for line in lines:
            sys.stderr.write(f"error: {line}\n")
