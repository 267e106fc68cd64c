"""`make crash`: a recording process is killed at every named point and at random, and what it has stored is judged.

A named point is hit by its name, a random one of its occasions at a time; `kill -9` comes from outside at any instant.
Each trial begins with a new store or with one of a former version, and after the kill another process goes on with it.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
from formed_tray import A10, RUN_ID, record_of
from victim import CHARGED_NAS, SECONDS

from cycler.record.reader import Reader
from cycler.record.schema import JournalUnusable, journal_path
from cycler.record.verify import verify_store

TESTS: Final = Path(__file__).parents[1]
RANDOM: Final = "kill -9 at random"
MIGRATION: Final = "of a former version, "


@dataclass(slots=True)
class Tally:
    """Of the trials at one point. `lost` were acknowledged, or are more than the one commit under way."""

    trials: int = 0
    lost: int = 0
    double: int = 0
    resumed: int = 0


def victim(store: Path, point: str, hit: int = 0) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(TESTS.parent), str(TESTS / "helpers"), str(TESTS / "crash")])
    command = [sys.executable, str(TESTS / "crash" / "victim.py"), str(store), point, str(hit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})


def former_store(store: Path) -> None:
    """One of version 3, without a run."""
    store.mkdir(mode=0o750)
    connection = apsw.Connection(str(journal_path(store)))
    connection.execute((TESTS / "record" / "former" / "3.sql").read_text())
    for table in ("runs", "frames", "frame_runs", "steps", "events", "event_runs", "outcomes", "checkpoints"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 (these names)
    connection.pragma("journal_mode", "wal")
    connection.close()


def points(folder: Path) -> Mapping[str, int]:
    """Every named point, and how often it is hit while nothing happens."""
    found: dict[str, int] = {}
    for begins in ("", MIGRATION):
        store = folder / f"count{bool(begins)}"
        if begins:
            former_store(store)
        with victim(store, "count") as counting:
            out, _ = counting.communicate()
        for line in out.splitlines():
            if line.startswith("point "):
                _, count, name = line.split(" ", 2)
                if not begins or name.startswith("opening"):
                    found[begins + name] = int(count)
    return found


def trial(store: Path, point: str, hit: int, chance: random.Random, tally: Tally) -> None:
    """Kill, judge, go on to the end, judge again."""
    if point.startswith(MIGRATION):
        former_store(store)
    with victim(store, point.removeprefix(MIGRATION), hit) as killed:
        assert killed.stdout is not None
        lines: list[str] = []
        if point == RANDOM:
            lines += [killed.stdout.readline() for _ in range(chance.randrange(SECONDS))]
            killed.kill()
        lines += killed.stdout.read().splitlines()
    assert killed.returncode == -signal.SIGKILL or point == RANDOM  # which may come after the end
    acknowledged = max((int(line) for line in lines if line.strip().isdigit()), default=0)
    tally.trials += 1
    judge(store, acknowledged, tally)
    with victim(store, "none") as another:
        out, _ = another.communicate()
    went_on = out.splitlines()[-1:] in ([str(SECONDS)], [f"kept {SECONDS}"])
    tally.resumed += judge(store, SECONDS, tally) == SECONDS and went_on


def judge(store: Path, acknowledged: int, tally: Tally) -> int:
    """How many seconds there are."""
    try:
        with Reader(store) as reader:
            curve = reader.curves(RUN_ID).get(A10)
        damages = verify_store(store).damages
        checkpoint = record_of(store).checkpoints.get(A10)
    except (JournalUnusable, KeyError):  # killed before there was a store, or a run; or not brought up to date yet
        tally.lost += acknowledged
        return 0
    seconds = [] if curve is None else curve.elapsed_s.tolist()
    charged = [] if curve is None else (curve.charged_ah * 3.6e12).round().tolist()
    whole = [float(number) for number in range(len(seconds))]
    expected = b"%d" % (len(seconds) - 1) if seconds else None
    tally.double += len(seconds) - len(set(seconds))
    tally.lost += max(0, acknowledged - len(seconds)) + len(damages) + (seconds != whole) + (checkpoint != expected)
    tally.lost += charged != [number * CHARGED_NAS for number in range(len(charged))]
    tally.lost += len(seconds) > acknowledged + 1  # nobody gave that
    return len(seconds)


def trials(seed: int, random_trials: int, per_point: int, *, every: int = 1) -> Iterator[tuple[str, Tally]]:
    """By point; of the named ones only each `every`-th."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        wanted = dict([*points(folder).items()][seed % every :: every]) | {RANDOM: 0}
        for point, occasions in wanted.items():
            tally = Tally()
            for number in range(random_trials if point == RANDOM else per_point):
                store = folder / f"{len(list(folder.iterdir()))}-{number}"
                trial(store, point, chance.randint(1, max(1, occasions)), chance, tally)
            yield point, tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=200, help="kills at random instants")
    parser.add_argument("--per-point", type=int, default=3, help="kills at each named point")
    options = parser.parse_args()
    print(f"{'point':<75} trials  lost  double  resumed")
    total = Tally()
    for point, tally in trials(options.seed, options.random, options.per_point):
        print(f"{point:<75} {tally.trials:>6}  {tally.lost:>4}  {tally.double:>6}  {tally.resumed:>7}", flush=True)
        total.trials += tally.trials
        total.lost += tally.lost
        total.double += tally.double
        total.resumed += tally.resumed
    print(f"{'all':<75} {total.trials:>6}  {total.lost:>4}  {total.double:>6}  {total.resumed:>7}")
    sys.exit(total.lost > 0 or total.double > 0 or total.resumed < total.trials)


if __name__ == "__main__":
    main()
