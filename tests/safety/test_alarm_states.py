"""The life of an alarm: what people may do in each of its states, and that nothing of it is forgotten."""

from datetime import timedelta
from typing import get_args

import pytest
from alarms import RAISED_UTC, raised
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cycler.model.alarm_record import Alarm, AlarmAct, AlarmState
from cycler.safety.alarm_states import BY_PEOPLE, REFUSALS, SHELVED_MAX, WAYS, AlarmRefused, changed

LATER_UTC = RAISED_UTC + timedelta(minutes=5)
AN_HOUR_ON_UTC = LATER_UTC + timedelta(hours=1)


def act(alarm: Alarm, what: AlarmAct, *, by: str | None = "Ann Lee", reason: str = "the fan is being changed") -> Alarm:
    return changed(alarm, what, utc=LATER_UTC, by=by, reason=reason, until_utc=AN_HOUR_ON_UTC)


def test_each_act_in_each_state_either_leads_somewhere_or_is_refused_with_a_reason() -> None:
    every = {(state, what) for state in get_args(AlarmState) for what in get_args(AlarmAct)}
    assert WAYS.keys() | REFUSALS.keys() == every
    assert not WAYS.keys() & REFUSALS.keys()
    assert {what for _, what in REFUSALS} <= BY_PEOPLE  # what happens by itself is never refused


def test_an_alarm_that_was_acknowledged_while_its_cause_was_there_is_over_with_it() -> None:
    acknowledged = act(raised(), "acknowledge")
    assert (acknowledged.state, acknowledged.acknowledged_by) == ("acknowledged", "Ann Lee")
    assert act(acknowledged, "clear").is_over


def test_an_alarm_whose_cause_has_gone_waits_for_somebody_to_see_it() -> None:
    returned = act(raised(), "clear")
    assert (returned.state, returned.is_active, returned.returned_utc) == ("returned", False, LATER_UTC)
    assert act(returned, "acknowledge").is_over


def test_an_acknowledged_alarm_that_reaches_more_positions_has_to_be_seen_again() -> None:
    acknowledged = act(raised(), "acknowledge")
    assert act(acknowledged, "raise").state == "acknowledged"
    assert act(acknowledged, "spread").state == "unacknowledged"


def test_a_shelved_alarm_comes_back_as_its_cause_is_by_then() -> None:
    shelved = act(raised(), "shelve")
    assert (shelved.state, shelved.hidden_by, shelved.shelved_until_utc) == ("shelved", "Ann Lee", AN_HOUR_ON_UTC)
    assert act(shelved, "unshelve").state == "unacknowledged"
    assert act(act(shelved, "clear"), "unshelve").state == "normal"


def test_time_alone_unshelves_an_alarm_but_not_too_early() -> None:
    shelved = act(raised(), "shelve")
    with pytest.raises(AlarmRefused, match="say who you are"):
        changed(shelved, "unshelve", utc=AN_HOUR_ON_UTC - timedelta(seconds=1))
    assert changed(shelved, "unshelve", utc=AN_HOUR_ON_UTC).state == "unacknowledged"


@pytest.mark.parametrize("what", ["shelve", "remove"])
def test_a_safety_trip_is_never_hidden(what: AlarmAct) -> None:
    with pytest.raises(AlarmRefused, match=r"alarm 1 \(60 chamber off its set value, ch-01\): it is a safety trip"):
        act(raised(is_trip=True), what)


@pytest.mark.parametrize("what", ["shelve", "remove"])
def test_hiding_an_alarm_takes_a_reason(what: AlarmAct) -> None:
    with pytest.raises(AlarmRefused, match="say why it may be hidden"):
        act(raised(), what, reason=" ")


@pytest.mark.parametrize("what", sorted(BY_PEOPLE))
def test_nobody_acts_without_a_name(what: AlarmAct) -> None:
    begun = {"unshelve": "shelve", "restore": "remove"}
    alarm = act(raised(), begun[what]) if what in begun else raised()  # type: ignore[arg-type]
    with pytest.raises(AlarmRefused, match="say who you are"):
        act(alarm, what, by=" ")


@pytest.mark.parametrize(
    ("length", "why"),
    [
        (timedelta(0), "say for how long"),
        (SHELVED_MAX + timedelta(seconds=1), "nothing is shelved for more than 12 h; take it out of service instead"),
    ],
    ids=["no time", "too long"],
)
def test_shelving_is_bounded(length: timedelta, why: str) -> None:
    with pytest.raises(AlarmRefused, match=why):
        changed(raised(), "shelve", utc=LATER_UTC, by="Ann Lee", reason="noise", until_utc=LATER_UTC + length)


class AlarmLife(RuleBasedStateMachine):
    """Whatever happens to an alarm, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.alarm, self.utc = raised(), RAISED_UTC
        self.cause_is_there = True
        self.came = 1

    def do(self, what: AlarmAct) -> None:
        self.utc += timedelta(minutes=1)
        until = self.utc + timedelta(hours=2) if what == "shelve" else None
        before = self.alarm
        try:
            self.alarm = changed(before, what, utc=self.utc, by="Ann Lee", reason="the fan", until_utc=until)
        except AlarmRefused:
            assert (before.state, what) in REFUSALS
        else:
            assert (before.state, what) in WAYS

    @rule(what=st.sampled_from(["raise", "spread"]))
    def comes(self, what: AlarmAct) -> None:
        self.came += not self.cause_is_there
        self.cause_is_there = True
        self.do(what)

    @rule()
    def goes(self) -> None:
        self.cause_is_there = False
        self.do("clear")

    @rule(what=st.sampled_from(sorted(BY_PEOPLE)))
    def somebody_acts(self, what: AlarmAct) -> None:
        self.do(what)

    @precondition(lambda self: self.alarm.state == "shelved")
    @rule()
    def its_time_is_over(self) -> None:
        self.utc = self.alarm.shelved_until_utc or self.utc
        self.alarm = changed(self.alarm, "unshelve", utc=self.utc)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        alarm = self.alarm
        assert alarm.is_active == self.cause_is_there
        assert alarm.raises == self.came
        if alarm.is_active:
            assert alarm.state not in ("normal", "returned")
        else:
            assert alarm.state not in ("unacknowledged", "acknowledged")
        assert (alarm.hidden_by is not None) == (alarm.state in ("shelved", "out-of-service"))
        assert (alarm.shelved_until_utc is not None) == (alarm.state == "shelved")


TestAlarmLife = AlarmLife.TestCase
TestAlarmLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
