"""The beat of a device: a grid, a faster one, and what interrupts the wait."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cycler.control.beat import Beat
from sims.loop import run_virtual


def times(beats: int, test: Callable[[Beat, int], Coroutine[Any, Any, None]], **grid: float) -> list[float]:
    """When the beats come if `test` runs after each."""

    async def main() -> list[float]:
        beat = Beat(**{"period_s": 1.0, "fast_s": 0.1, "offset_s": 0.0, **grid})
        found = []
        for number in range(beats):
            await beat.next()
            found.append(round(asyncio.get_running_loop().time(), 6))
            await test(beat, number)
        return found

    return run_virtual(main())


async def nothing(_beat: Beat, _number: int) -> None:
    pass


def test_beats_lie_on_a_grid() -> None:
    assert times(3, nothing) == [1.0, 2.0, 3.0]


def test_devices_are_staggered_by_their_offsets() -> None:
    assert times(2, nothing, offset_s=0.25) == [1.25, 2.25]


def test_a_sweep_that_took_too_long_skips_beats_and_never_catches_up() -> None:
    async def slow(_beat: Beat, number: int) -> None:
        await asyncio.sleep(2.5 if number == 0 else 0.0)

    assert times(3, slow) == [1.0, 4.0, 5.0]


def test_it_hurries_and_comes_back_to_its_grid() -> None:
    async def hurry(beat: Beat, number: int) -> None:
        beat.hurry(fast=number < 3)

    assert times(6, hurry) == [1.0, 1.1, 1.2, 1.3, 2.0, 3.0]


def test_a_wake_brings_one_beat_at_once() -> None:
    async def wake(beat: Beat, number: int) -> None:
        if number == 0:
            asyncio.get_running_loop().call_later(0.4, beat.wake)

    assert times(3, wake) == [1.0, 1.4, 2.0]


def test_the_fast_rate_is_never_slower_than_the_period() -> None:
    async def hurry(beat: Beat, _number: int) -> None:
        beat.hurry(fast=True)

    assert times(3, hurry, period_s=0.5, fast_s=2.0) == [0.5, 1.0, 1.5]


def test_while_nothing_is_expected_beats_are_rare_and_the_first_thing_due_is_in_time() -> None:
    async def calm(beat: Beat, _number: int) -> None:
        beat.calm(until_s=12.3)

    assert times(6, calm, calm_s=5.0) == [1.0, 5.0, 10.0, 12.3, 13.0, 14.0]


def test_a_calm_beat_hurries_as_soon_as_it_is_told_to() -> None:
    async def calm(beat: Beat, number: int) -> None:
        beat.calm(until_s=100.0)
        beat.hurry(fast=number == 1)

    assert times(4, calm, calm_s=5.0) == [1.0, 5.0, 5.1, 10.0]


def test_a_calm_beat_is_never_faster_than_the_usual_one() -> None:
    async def calm(beat: Beat, _number: int) -> None:
        beat.calm(until_s=100.0)

    assert times(3, calm, calm_s=0.2) == [1.0, 2.0, 3.0]
