"""Changes one thing at a time in what keeps cells safe, and looks whether a test fails.

mutate.py [--jobs 2] [--only protections] [--every 1]

Works on copies of the tree; a test that never ends notices, too. What survives and is not known as equivalent
(`equivalent.txt`: module, change and reason) is listed, and ends it with 1.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Literal

from mutations import Mutation, mutations

ROOT = Path(__file__).parents[2]
MUTANT_S = 120.0
EQUIVALENT = Path(__file__).with_name("equivalent.txt")

MACHINE = (
    "tests/control/test_protections.py",
    "tests/control/test_conditions.py",
    "tests/control/test_phases.py",
    "tests/control/test_step_edges.py",
    "tests/control/test_latch.py",
    "tests/control/test_lost_contact.py",
    "tests/control/test_step_machine.py",
    "tests/control/test_quiet_bounds.py",
    "tests/control/test_held_phases.py",
    "tests/control/test_calm.py",
    "tests/control/test_trains.py",
    "tests/control/test_variables.py",
)
TESTS: dict[str, tuple[str, ...]] = {
    "cycler/safety/protections.py": (
        "tests/safety/test_guards_at_the_start.py",
        *MACHINE,
        "tests/service/test_start.py",
    ),
    "cycler/safety/catalogue.py": ("tests/safety/test_catalogue.py",),
    "cycler/safety/start_checks.py": (
        "tests/safety/test_guards_at_the_start.py",
        "tests/safety/test_ledger_checks.py",
        "tests/service/test_start.py",
        "tests/control/test_rack_controller.py",
    ),
    "cycler/safety/interlocks.py": ("tests/safety/test_interlocks.py", "tests/control/test_interlocks.py"),
    "cycler/safety/frozen.py": ("tests/control/test_frozen.py",),
    "cycler/safety/soak_watch.py": ("tests/safety/test_soak_watch.py", "tests/control/test_soaking.py"),
    "cycler/safety/contact_check.py": ("tests/safety", "tests/control/test_contact.py"),
    "cycler/safety/contact_bay.py": ("tests/safety", "tests/control/test_contact.py"),
    "cycler/safety/contact_measures.py": ("tests/safety", "tests/control/test_contact.py"),
    "cycler/safety/contact_subject.py": ("tests/safety", "tests/control/test_contact.py"),
    "cycler/control/guard_watch.py": MACHINE,
    "cycler/control/guard_rail.py": MACHINE,
    "cycler/control/condition_watch.py": MACHINE,
    "cycler/control/current_watch.py": MACHINE,
    "cycler/control/present.py": MACHINE,
    "cycler/control/step_machine.py": MACHINE,
}
"""By module, the fast tests that concern it, those that find most first."""

Verdict = Literal["killed", "survived"]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Whether the tests would notice.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="modules with this in their path")
    parser.add_argument("--every", type=int, default=1, help="every so manieth mutant")
    options = parser.parse_args()
    work = [
        (module, mutation)
        for module in TESTS
        if options.only in module
        for mutation in list(mutations((ROOT / module).read_text(encoding="utf-8")))[:: options.every]
    ]
    known = equivalents()
    survived, killed, equivalent = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copies: Queue[Path] = Queue()
        for number in range(options.jobs):
            copies.put(copied(Path(folder) / str(number)))
        with ThreadPoolExecutor(options.jobs) as pool:
            for (module, mutation), verdict in zip(
                work, pool.map(lambda item: tried(copies, *item), work), strict=True
            ):
                if verdict == "killed":
                    killed += 1
                elif (module, unnumbered(mutation)) in known:
                    equivalent += 1
                else:
                    survived.append(mutation)
                    print(f"{verdict}: {module}:{mutation.name}", flush=True)
    print(f"{len(work)} mutants: {killed} killed, {equivalent} known as equivalent, {len(survived)} survived")
    return int(bool(survived))


def tried(copies: "Queue[Path]", module: str, mutation: Mutation) -> Verdict:
    """In one of the copies, which is as it was afterwards."""
    copy = copies.get()
    target = copy / module
    original = target.read_text(encoding="utf-8")
    try:
        target.write_text(mutation.source, encoding="utf-8")
        return verdict_of(copy, TESTS[module])
    finally:
        target.write_text(original, encoding="utf-8")
        copies.put(copy)


def verdict_of(copy: Path, tests: Sequence[str]) -> Verdict:
    """Whether a test fails there."""
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--hypothesis-seed=1",
        *tests,
    ]
    running = subprocess.Popen(
        command,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return "survived" if running.wait(MUTANT_S) == 0 else "killed"
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        return "killed"  # a test that never ends is noticed, too


def copied(folder: Path) -> Path:
    """The tree, as far as tests need it."""
    skip = shutil.ignore_patterns("__pycache__", ".hypothesis", ".venv*", ".git", "*.egg-info")
    for name in ("cycler", "drivers", "sims", "tests", "recipes", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def unnumbered(mutation: Mutation) -> str:
    """Its name without the line's number, which other changes move."""
    return mutation.name.partition(": ")[2]


def equivalents() -> set[tuple[str, str]]:
    """Each is three lines: the module, the change, and the reason; a blank line parts them."""
    if not EQUIVALENT.exists():
        return set()
    found = set()
    for block in EQUIVALENT.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.strip().splitlines() if not line.startswith("#")]
        if len(lines) >= 2:
            found.add((lines[0].strip(), lines[1].strip()))
    return found


if __name__ == "__main__":
    sys.exit(main())
