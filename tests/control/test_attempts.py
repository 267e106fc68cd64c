"""How often a device may fail."""

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from cycler.control.attempts import BACK_OFF_S_MAX, BACK_OFF_S_MIN, RestartIntensity
from sims.loop import run_virtual


def test_three_losses_within_a_minute_are_too_many() -> None:
    intensity = RestartIntensity(random.Random(1))
    assert [intensity.lost(now_s) for now_s in (0.0, 30.0, 60.0)] == [False, False, True]


def test_three_losses_in_more_than_a_minute_are_not() -> None:
    intensity = RestartIntensity(random.Random(1))
    assert [intensity.lost(now_s) for now_s in (0.0, 30.0, 60.1, 120.2)] == [False] * 4


@given(st.lists(st.floats(0.1, 100.0), max_size=30))
def test_too_many_means_that_the_last_three_lie_within_a_minute(gaps_s: list[float]) -> None:
    intensity, at_s = RestartIntensity(random.Random(1)), [0.0]
    intensity.lost(0.0)
    for gap_s in gaps_s:
        at_s.append(at_s[-1] + gap_s)
        assert intensity.lost(at_s[-1]) is (len(at_s) >= 3 and at_s[-1] - at_s[-3] <= 60.0)


def test_each_wait_is_longer_up_to_a_limit_and_jittered() -> None:
    async def waits() -> list[float]:
        intensity, found = RestartIntensity(random.Random(1)), []
        clock = asyncio.get_running_loop().time
        for _ in range(10):
            began_s = clock()
            await intensity.back_off()
            found.append(clock() - began_s)
        return found

    for number, waited_s in enumerate(run_virtual(waits())):
        middle_s = min(BACK_OFF_S_MIN * 2**number, BACK_OFF_S_MAX)
        assert 0.5 * middle_s <= waited_s <= 1.5 * middle_s


def test_after_a_quiet_minute_the_waits_begin_anew() -> None:
    async def wait() -> float:
        intensity = RestartIntensity(random.Random(1))
        clock = asyncio.get_running_loop().time
        for _ in range(4):
            intensity.lost(clock())
            await intensity.back_off()
        await asyncio.sleep(61.0)
        intensity.lost(clock())
        began_s = clock()
        await intensity.back_off()
        return clock() - began_s

    assert run_virtual(wait()) <= 1.5 * BACK_OFF_S_MIN
