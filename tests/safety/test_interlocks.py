"""When an input counts as active: two readings and 0.1 s confirm it, and what cannot be read counts for the trip."""

import pytest

from cycler.model.alarm import AlarmCode
from cycler.model.interlock import alarm_of
from cycler.safety.interlocks import InputWatch

Readings = list[tuple[float, bool | None]]


def changes(*readings: tuple[float, bool | None]) -> list[tuple[float, bool]]:
    """When it trips and clears."""
    watch = InputWatch()
    return [(taken_s, watch.is_tripped) for taken_s, active in readings if watch.take(taken_s, active=active)]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([(0.0, False), (1.0, True)], []),
        ([(0.0, False), (1.0, True), (1.1, True)], [(1.1, True)]),
        ([(0.0, False), (1.0, True), (1.05, True)], []),
        ([(0.0, False), (1.0, True), (1.05, True), (1.1, True)], [(1.1, True)]),
        ([(0.0, False), (1.0, True), (1.1, False), (2.0, True)], []),
        ([(0.0, False), (1.0, True), (1.1, None)], [(1.1, True)]),
        ([(0.0, False), (1.0, None), (1.1, None)], []),
        ([(0.0, True), (0.5, True)], [(0.5, True)]),
        ([(0.0, True), (0.5, True), (1.0, False), (2.0, False)], [(0.5, True), (2.0, False)]),
        ([(0.0, True), (0.5, True), (1.0, False), (1.1, None), (2.0, False)], [(0.5, True)]),
    ],
    ids=[
        "one reading",
        "two readings and the time",
        "two readings too soon",
        "a third one in time",
        "a bounce",
        "one lost while it is to be confirmed",
        "lost while healthy",
        "active from the beginning",
        "healthy again",
        "one lost while it is to be cleared",
    ],
)
def test_samples_and_time_confirm_a_change(readings: Readings, expected: list[tuple[float, bool]]) -> None:
    assert changes(*readings) == expected


def test_a_rack_may_ask_for_more_time() -> None:
    watch = InputWatch(debounce_s=1.0)
    assert not watch.take(0.0, active=False)
    assert [watch.take(at_s, active=True) for at_s in (1.0, 1.5, 1.9, 2.0)] == [False, False, False, True]


def test_an_input_is_healthy_only_while_it_is_read_and_says_so() -> None:
    watch = InputWatch()
    assert not watch.is_healthy
    watch.take(0.0, active=False)
    assert watch.is_healthy
    watch.take(1.0, active=True)
    assert not watch.is_healthy
    watch.take(1.1, active=False)
    watch.lose()
    assert not watch.is_healthy
    assert not watch.is_tripped


@pytest.mark.parametrize(
    ("interlock", "alarm"),
    [
        ("estop", AlarmCode.EMERGENCY_STOP),
        ("door-B01", AlarmCode.DOOR),
        ("suppression-fault", AlarmCode.SUPPRESSION_FAULT),
        ("doorbell", None),
    ],
)
def test_the_id_tells_the_alarm(interlock: str, alarm: AlarmCode | None) -> None:
    assert alarm_of(interlock) == alarm
