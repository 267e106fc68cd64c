"""How alarms are counted: floods, alarms that chatter, and the rate that a person has to bear."""

from collections.abc import Iterable
from datetime import timedelta

from alarms import RAISED_UTC
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from cycler.safety.alarm_rates import FLOOD_OVER, PERIOD, AlarmRates, Raised, busiest, chatters, rates

DAY = timedelta(days=1)


def at(*seconds: float, code: int = 49, source: str = "psb-01") -> list[Raised]:
    return [Raised(RAISED_UTC + timedelta(seconds=each), code, source) for each in seconds]


def of_a_day(raised: Iterable[Raised]) -> AlarmRates:
    return rates(raised, from_utc=RAISED_UTC, until_utc=RAISED_UTC + DAY)


def test_ten_alarms_in_ten_minutes_are_no_flood_and_eleven_are() -> None:
    assert of_a_day(at(*range(0, 500, 50))).floods == 0
    eleven = of_a_day(at(*range(0, 550, 50)))
    assert (eleven.floods, eleven.busiest) == (1, 11)
    assert eleven.flooded_ratio == approx(500 / DAY.total_seconds())


def test_a_flood_that_goes_on_is_one() -> None:
    long, other = range(0, 3600, 30), range(40_000, 40_600, 30)
    found = of_a_day(at(*long, *other))
    assert (found.floods, found.raised) == (2, 140)
    assert found.flooded_ratio == approx((3570 + 570) / DAY.total_seconds())


def test_an_alarm_chatters_that_comes_three_times_in_less_than_a_minute() -> None:
    quick, slow = at(0, 20, 59, source="door-B01"), at(0, 30, 60, source="door-B02")
    assert of_a_day([*quick, *slow]).chattering == ((49, "door-B01"),)
    assert not chatters([each.utc for each in slow])


def test_the_rate_is_that_of_the_whole_time() -> None:
    found = of_a_day([*at(*range(0, 86_400, 7200)), *at(5, code=60, source="ch-01")])
    assert found.per_period == approx(13 / 144)
    assert found.most_frequent == ((49, "psb-01", 12), (60, "ch-01", 1))


def test_what_was_raised_at_another_time_does_not_count() -> None:
    assert of_a_day(at(-1, 86_401)).raised == 0


@given(st.lists(st.integers(0, 4000), max_size=60))
def test_the_busiest_window_is_the_one_with_most(seconds: list[int]) -> None:
    times = [each.utc for each in sorted(at(*seconds))]
    counts = [sum(begin <= time < begin + PERIOD for time in times) for begin in times]
    assert busiest(times, PERIOD) == max(counts, default=0)
    assert (of_a_day(at(*seconds)).floods > 0) == (max(counts, default=0) > FLOOD_OVER)
