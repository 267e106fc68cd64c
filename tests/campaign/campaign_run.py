"""One seed, run from the first connection to the last outcome; and what must be true when it is over."""

import hashlib
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from unittest.mock import patch

from failing_disk import failing_disk
from observer import Observer
from scenario import Scenario, scenario
from watched_devices import watched
from watched_world import WatchedWorld

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, Event
from cycler.record.journal import JournalFailed
from cycler.service import running_rack
from cycler.service.session import run_session
from cycler.service.story import RunStory, stories
from cycler.service.wiring import open_devices, simulated_devices
from sims.world import BEGINNING_UTC, CellTruth

SHM = Path("/dev/shm")  # noqa: S108 (a folder of its own in it: what is lost with the power does not matter here)
LIMIT_S = 40 * 86400.0
CHARGE_RATIO, CHARGE_AH = 0.01, 0.002
ORDERLY = frozenset({"voltage", "current", "capacity", "energy", "power", "time", "completed"})
LOST_S = 30.0  # of current for each interruption whose last readings are missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a seed. `channel_hours`: cells times hours from their start to their end."""

    seed: int
    violations: tuple[str, ...]
    channel_hours: float
    energised_hours: float
    cpu_s: float
    digest: str
    faults: int
    ends: dict[str, int]


def run_seed(seed: int, *, library: float = 0.0) -> Ran:
    """Everything of it."""
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        drawn = scenario(seed, Path(folder), library=library)
        return _run(drawn, Path(folder) / "journal", began_s)


def _run(drawn: Scenario, store: Path, began_s: float) -> Ran:
    world = WatchedWorld(
        drawn.declaration, drawn.configuration.rack, simulated_devices(drawn.configuration), wire="memory"
    )
    observer = Observer(drawn, world)
    world.witness = observer
    world.loop.call_at(LIMIT_S, lambda: signal.raise_signal(signal.SIGINT))

    def opened(*arguments: Any) -> Any:
        return watched(open_devices(*arguments), observer)

    disk = (
        nullcontext()
        if drawn.disk_fails_s is None
        else failing_disk(lambda: world.loop.time() >= (drawn.disk_fails_s or inf))
    )
    violations, failed = observer.violations, ""
    # The rack makes its devices itself; here somebody listens in between.
    with patch.object(running_rack, "open_devices", opened), disk:
        try:
            run_session(drawn.configuration, world, drawn.jobs, store=store, seed=drawn.seed)
        except JournalFailed as error:
            failed = str(error)
        except KeyboardInterrupt:
            violations.append(f"after {LIMIT_S / 86400:g} days it is not over")
    told = stories(store)
    if failed and drawn.disk_fails_s is None:
        violations.append(f"the journal failed on a good disk: {failed}")
    hours, ends = 0.0, {}
    for story in told:
        violations += _of_story(drawn, story, world, observer, whole=not failed)
        for position, outcome in story.outcomes.items():
            ends[outcome.ended] = ends.get(outcome.ended, 0) + 1
            hours += _ended_s(story.events, position) / 3600
    violations += _left_on(world, told, failed=bool(failed))
    digest = hashlib.sha256()
    for story in told:
        digest.update(story.event_hash.encode())
    for position, truth in sorted((world.left or {}).items()):
        digest.update(f"{position} {truth}".encode())
    return Ran(
        seed=drawn.seed,
        violations=tuple(violations),
        channel_hours=hours,
        energised_hours=sum(spot.energised_total_s for spot in observer.spots.values()) / 3600,
        cpu_s=time.process_time() - began_s,
        digest=digest.hexdigest(),
        faults=len(drawn.declaration.faults) + len(drawn.declaration.defects),
        ends=ends,
    )


def _of_story(
    drawn: Scenario, story: RunStory, world: WatchedWorld, observer: Observer, *, whole: bool
) -> Iterator[str]:
    stepped_s = max([0.0, *(-f.numbers["step_s"] for f in drawn.declaration.faults if f.fault == "clock-step")])
    for position in story.run.cells:
        outcome = story.outcomes.get(position)
        spot = observer.spots[position]
        if outcome is None:
            if whole:
                yield f"{position}: it has no outcome"
            continue
        if outcome.ended not in {"completed"} and not (outcome.code or outcome.detail):
            yield f"{position}: {outcome.ended}, and nobody knows why"
        ended_s = stepped_s + max(
            (_at_s(e) for e in story.events if e.event == "cell.ended" and e.position == position), default=inf
        )
        for ordered_s, channel, energises in observer.orders.get(spot.device, ()):
            if channel == spot.channel and energises and ordered_s > ended_s + 1e-3:
                yield f"{position}: an order at {ordered_s:.3f} s, and the cell was over at {ended_s:.3f} s"
                break
        if whole and world.left is not None and observer.reads_well(spot):
            yield from _of_charge(position, story, spot.cell_type, world.left[position])
    latched: dict[str | None, float] = {}
    for event in story.events:
        if event.event == "device.latched":
            latched.setdefault(event.device, stepped_s + _at_s(event))
    for device, latched_s in latched.items():
        for ordered_s, channel, _ in observer.orders.get(device or "", ()):
            if ordered_s > latched_s + 1e-3:
                yield f"{device}/{channel}: an order at {ordered_s:.3f} s, latched at {latched_s:.3f} s"
                break


def _of_charge(position: PositionId, story: RunStory, cell_type: CellType, truth: CellTruth) -> Iterator[str]:
    """What is recorded has flowed, and once. While nothing was read, as much as its current allows may be missing."""
    steps = story.steps.get(position, ())
    if any(step.charge_source == "unknown" for step in steps):
        return
    envelope = cell_type.envelopes["formed"]
    most_a = max(envelope.charge_current_a, envelope.discharge_current_a)
    unread_s = sum(step.gap_s + (0.0 if step.stop_reason in ORDERLY else LOST_S) for step in steps)
    for way, true_ah in (("charged", truth.charged_ah), ("discharged", truth.discharged_ah)):
        recorded_ah = sum(getattr(step.moved, f"{way}_nas") for step in steps) / NAS_PER_AH
        bound_ah = CHARGE_AH * (1 + len(steps)) + CHARGE_RATIO * true_ah
        if not true_ah - bound_ah - most_a * unread_s / 3600 <= recorded_ah <= true_ah + bound_ah:
            yield f"{position}: {way} {recorded_ah:.5f} Ah by its record, and {true_ah:.5f} Ah in truth"


def _at_s(event: Event) -> float:
    """By the PC's clock; where that is set back, it shows too little."""
    return (event.utc - BEGINNING_UTC).total_seconds()


def _ended_s(events: tuple[Event, ...], position: str) -> float:
    return max((e.elapsed_s for e in events if e.event == "cell.ended" and e.position == position), default=0.0)


def _left_on(world: WatchedWorld, told: tuple[RunStory, ...], *, failed: bool) -> Iterator[str]:
    """An output that is on at the end was one that nothing could open, and the record says so."""
    if world.left is None:
        yield "nobody looked at the end"
        return
    given_up = {event.device for story in told for event in story.events if event.event == "off.no_way_left"}
    for position, truth in world.left.items():
        if truth.is_energised and not given_up and not failed:
            yield f"{position}: its output is on at the end, and no record says that nothing opens it"
