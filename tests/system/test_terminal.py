"""On a terminal: a bar that goes away when the run is over, and lines that fit."""

import fcntl
import os
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from command_line import SHORT_RECIPE
from programs import CYCLER, PATIENCE_S

pytestmark = pytest.mark.system

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def typed(arguments: list[str], *, columns: int, folder: Path) -> str:
    """All that a terminal of this width was sent."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        environment.pop(name, None)
    with subprocess.Popen(
        [CYCLER, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment
    ) as process:
        os.close(theirs)
        sent = b""
        try:
            while part := os.read(ours, 65536):
                sent += part
        except OSError:  # how a terminal says that nobody is at its other end any more
            pass
        finally:
            os.close(ours)
        assert process.wait(PATIENCE_S) == 0
    return sent.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_every_line_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    (tmp_path / "short.yaml").write_text(SHORT_RECIPE)
    # Empty cells fail by the recipe's own limit, which takes a long sentence.
    sent = typed(["simulate", "short.yaml", "--cells", "3"], columns=columns, folder=tmp_path)
    lines = [CONTROL.sub("", line) for line in re.split(r"[\r\n]+", sent)]
    assert max(map(len, lines)) <= columns
    assert any("sim-0003" in line and "fail" in line for line in lines)


def test_the_bar_shows_step_rest_and_end_and_goes_away(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT_RECIPE)
    arguments = ["simulate", "short.yaml", "--start", "formed@40%"]
    sent = typed(arguments, columns=100, folder=tmp_path)
    bar, _, results = sent.partition("Run 2026")
    assert re.search(r"S01.*%.*of 1 run.*left.*ETA", CONTROL.sub("", bar))
    assert "\x1b[1A\x1b[2K" in bar.rpartition("ETA")[2]  # one line up, and cleared
    assert "ETA" not in results
