"""The command line as a user meets it, in this process: what was typed, the exit code, and both streams."""

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from cycler.cli.main import main

SHORT_RECIPE = """\
recipe: short
version: 1.0.0
cell_type: nmc811-21700
record: {every: 10 s}
steps:
  - charge: {id: up, current: C/2, until: [time >= 60 s], fail: [capacity > 10 %, voltage > 4.1 V]}
  - rest: {time: 30 s}
  - discharge: {id: down, current: C/2, until: [time >= 60 s], fail: [capacity > 10 %, voltage < 2.6 V]}
  - rest: {time: 20 s}
"""
"""Three virtual minutes: a real charge and discharge, each too short to hurt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What a command with `--json` could not do."""
        errors: list[dict[str, Any]] = self.document["errors"]
        return errors


def cycler(*arguments: str | Path) -> Answer:
    """Type `cycler …`. Anything but a clean exit is raised."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            exit_code = end.code
    assert isinstance(exit_code, int)
    return Answer(exit_code=exit_code, out=out.getvalue(), err=err.getvalue())
