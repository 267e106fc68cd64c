"""A command that is cut short, by a person, a power cut or a reader that goes away, leaves nothing broken behind."""

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest
from programs import CYCLER, running

from cycler.record.reader import Reader

pytestmark = pytest.mark.system


def samples(out: Path) -> int:
    """How many a journal holds."""
    with Reader(out / "journal") as reader:
        return sum(len(curve.elapsed_s) for run in reader.runs() for curve in reader.curves(run.run_id).values())


def test_a_demo_that_is_killed_leaves_its_journal_and_makes_way_for_the_next(tmp_path: Path) -> None:
    out = tmp_path / "demo"

    async def scenario() -> None:
        async with running("demo", "--out", out) as first:
            await first.line(first.err, "B01   10%")
            first.send(signal.SIGKILL)
            code, _, _ = await first.ended()
            assert code == -signal.SIGKILL
        assert samples(out) > 1000
        async with running("demo", "--out", out, "--seed", "8") as second:
            await second.line(second.err, "B01")
            second.send(signal.SIGINT)
            code, said, complaint = await second.ended(within_s=2.0)
        assert (code, said) == (130, "")
        assert complaint.splitlines()[-1] == "error: interrupted"
        assert "Traceback" not in complaint
        samples(out)
        assert sorted(file.name for file in out.iterdir()) == ["journal"]

    asyncio.run(scenario())


def test_a_reader_that_goes_away_ends_a_command_quietly() -> None:
    with subprocess.Popen([CYCLER, "recipe", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(timeout=30), process.stderr.read()) == (1, b"")


@pytest.mark.parametrize("command", ["drivers list", "recipe check nowhere.yaml --json"])
def test_a_closed_stdout_is_no_reason_for_a_traceback(command: str) -> None:
    done = subprocess.run(["sh", "-c", f'"$0" {command} >&-', CYCLER], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 2}
    assert done.stderr == ""


def test_a_full_disk_under_stdout_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([CYCLER, "drivers", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("error: ")
    assert line.endswith("No space left on device")


def test_a_terminal_without_the_letters_that_are_needed_gets_others() -> None:
    command = [CYCLER, "recipe", "show", "nmc811-21700-grading"]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=True)
    assert done.stdout.isascii()
    assert done.stderr == b""


def test_a_background_job_of_a_script_ends_on_sigterm(tmp_path: Path) -> None:
    """A script starts its background jobs with SIGINT ignored."""
    script = f"{CYCLER} demo --out {tmp_path / 'out'} & job=$!; read go; kill -TERM $job; wait $job; echo ended with $?"
    with subprocess.Popen(
        ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr is not None
        job.stderr.readline()  # the first line of progress: it is at work
        out, _ = job.communicate("go\n", timeout=20)
    assert out.endswith("ended with 143\n")
