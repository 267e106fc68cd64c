"""Whether a store still holds what was put into it, from the first frame to the last document."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cycler.record.frame import FrameDamaged
from cycler.record.reader import Reader
from cycler.record.segment import Segment, check_segment


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """What there is; `damages` names each part that is not as it was written, or not there."""

    runs: int
    frames: int
    segments: int
    samples: int
    damages: tuple[str, ...]


def verify_store(store: Path) -> StoreReport:
    """Reads all of it, whether control runs or not. Raises `JournalUnusable`."""
    with Reader(store) as reader:
        damages = [*reader.broken_pages()]
        segments, frames = reader.inventory()
        samples = sum(segment.rows for segment in segments) + sum(rows for _, rows in frames)
        damages += _missing(segments, [(frame.epoch, frame.sequence) for frame, _ in frames])
        for segment in segments:
            try:
                check_segment(store, segment)
            except FrameDamaged as error:
                damages.append(str(error))
        for frame, _ in frames:
            try:
                reader.frame(frame)
            except FrameDamaged as error:
                damages.append(str(error))
            except KeyError:  # sealed since then
                continue
        runs = 0
        for run_id in reader.run_ids():
            runs += 1
            try:
                reader.record(run_id)
            except msgspec.DecodeError as error:
                damages.append(f"run {run_id}: {error}")
    return StoreReport(runs=runs, frames=len(frames), segments=len(segments), samples=samples, damages=tuple(damages))


def _missing(segments: tuple[Segment, ...], frames: list[tuple[int, int]]) -> Iterator[str]:
    """In each epoch frames are numbered from 1; a segment holds all from its first to its last."""
    spans = [(segment.first, segment.last) for segment in segments] + [(frame, frame) for frame in frames]
    epoch, expected = 0, 1
    for (first_epoch, first), (last_epoch, last) in spans:
        if first_epoch != epoch:
            epoch, expected = first_epoch, 1
        if first != expected:
            yield f"frame {epoch}/{expected} is missing" + (f", up to {epoch}/{first - 1}" * (first - 1 > expected))
        epoch, expected = last_epoch, last + 1
