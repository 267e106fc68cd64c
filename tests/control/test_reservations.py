"""Several bays, one chamber: who shares it, who waits, and who must not be put together at all."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_bench import compare, plan, rest, step, until

from cycler.control.program_cursor import Program
from cycler.control.reservations import Reservations, Segment, conflicts
from cycler.model.rack import BayId
from cycler.recipe.plan import ChamberRule, LoopEnd, LoopStart, PlanPhase, PlanStep

A, B, C = BayId("A"), BayId("B"), BayId("C")


def segment(degc: float) -> Segment:
    return Segment(step_id="soak", rule=ChamberRule(target_degc=degc), tolerance_k=2.0)


def at(degc: float) -> PlanStep:
    held = PlanPhase(direction="rest", held=True)
    return step("chamber", held, chamber=ChamberRule(target_degc=degc))


def course(*degc: float) -> list[Program]:
    return [plan(*(instruction for each in degc for instruction in (at(each), rest(60.0)))).program]


def holders(reservations: Reservations) -> dict[str, float]:
    return {bay: held.target_degc for bay, held in reservations.held.items()}


def test_equal_temperatures_share_the_chamber() -> None:
    reservations = Reservations()
    reservations.ask(A, segment(25.0))
    reservations.ask(B, segment(25.0))
    assert holders(reservations) == {"A": 25.0, "B": 25.0}


def test_another_temperature_waits_until_the_last_one_has_left() -> None:
    reservations = Reservations()
    for bay, degc in ((A, 25.0), (B, 25.0), (C, 45.0)):
        reservations.ask(bay, segment(degc))
    reservations.leave(A)
    assert holders(reservations) == {"B": 25.0}
    assert reservations.is_waiting(C)
    reservations.leave(B)
    assert holders(reservations) == {"C": 45.0}


def test_who_comes_later_does_not_overtake_who_waits_already() -> None:
    reservations = Reservations()
    for bay, degc in ((A, 25.0), (B, 45.0), (C, 25.0)):
        reservations.ask(bay, segment(degc))
    assert holders(reservations) == {"A": 25.0}
    reservations.leave(A)
    assert holders(reservations) == {"B": 45.0}
    reservations.leave(B)
    assert holders(reservations) == {"C": 25.0}


def test_a_bay_keeps_its_temperature_until_it_gets_its_next_one() -> None:
    reservations = Reservations()
    reservations.ask(A, segment(25.0))
    reservations.ask(B, segment(25.0))
    reservations.ask(A, segment(45.0))
    assert holders(reservations) == {"A": 25.0, "B": 25.0}
    reservations.ask(B, segment(45.0))
    assert holders(reservations) == {"A": 45.0, "B": 45.0}


def test_a_bay_that_soaks_again_at_its_own_temperature_does_not_queue_behind_others() -> None:
    reservations = Reservations()
    reservations.ask(A, segment(25.0))
    reservations.ask(B, segment(45.0))
    again = segment(25.0)
    reservations.ask(A, again)
    assert reservations.held_by(A) is again


def test_a_bay_that_moves_on_alone_has_the_chamber_at_once() -> None:
    reservations = Reservations()
    reservations.ask(A, segment(25.0))
    reservations.ask(A, segment(45.0))
    assert holders(reservations) == {"A": 45.0}


def test_two_bays_that_go_on_from_one_temperature_to_different_ones_would_wait_for_ever() -> None:
    (found,) = conflicts({A: course(25.0, 45.0), B: course(25.0, 10.0)})
    assert found == "A and B would wait for each other: from 25 degC A goes on to 45 degC and B to 10 degC"


def test_two_bays_that_take_the_same_temperatures_in_opposite_order_are_not_put_together() -> None:
    (found,) = conflicts({A: course(25.0, 45.0), B: course(45.0, 25.0)})
    assert found == "A and B would wait for each other: A takes 25 degC before 45 degC, B after it"


def test_the_same_recipe_on_two_bays_is_no_conflict_even_where_it_comes_back() -> None:
    assert not list(conflicts({A: course(25.0, 45.0, 25.0), B: course(25.0, 45.0, 25.0)}))


def test_a_recipe_that_leaves_one_temperature_in_two_ways_cannot_have_company() -> None:
    twice = course(25.0, 45.0, 25.0, 10.0)
    assert not list(conflicts({A: twice}))
    assert list(conflicts({A: twice, B: twice}))


def test_a_loop_goes_back_to_where_it_began() -> None:
    looped = [plan(LoopStart(times=3, end=3), at(25.0), at(45.0), LoopEnd(start=0)).program]
    assert list(conflicts({A: looped, B: course(25.0, 45.0, 10.0)}))
    assert not list(conflicts({A: looped, B: course(25.0, 45.0, 25.0)}))


def test_a_goto_may_skip_a_temperature() -> None:
    goto = until(compare("temperature", ">", 30.0), outcome="goto", goto=4)
    skips = step("rest", PlanPhase(direction="rest"), ends=[until(compare("time", ">=", 60.0)), goto])
    jumping = [plan(at(25.0), skips, at(45.0), rest(60.0), at(10.0)).program]
    assert list(conflicts({A: jumping, B: course(25.0, 45.0)}))


COURSES = st.lists(
    st.lists(st.sampled_from([10.0, 25.0, 45.0]), min_size=1, max_size=4), min_size=1, max_size=4
)  # of several bays


@settings(max_examples=300)
@given(courses=COURSES, choices=st.lists(st.integers(0, 11), max_size=60))
def test_no_bay_waits_for_ever_and_none_is_disturbed_where_nothing_spoke_against_it(
    courses: Sequence[Sequence[float]], choices: Sequence[int]
) -> None:
    """Bays start and end their segments in any order; a segment that is not over has its temperature all the time."""
    reservations = Reservations()
    bays = {BayId(str(number)): list(degc) for number, degc in enumerate(courses)}
    agreed = not list(conflicts({bay: course(*degc) for bay, degc in bays.items()}))
    asked: dict[BayId, Segment] = {}
    order = [*choices, *range(1000)]
    while bays:
        able = [bay for bay in bays if bay not in asked or reservations.held_by(bay) is asked[bay]]
        assert able, "all wait for each other"
        bay = able[order.pop(0) % len(able)]  # its segment is over, or it has none yet
        if bays[bay]:
            had = reservations.held
            kept = {other: held for other, held in had.items() if other != bay and not reservations.is_waiting(other)}
            before = dict(had)
            asked[bay] = segment(bays[bay].pop(0))
            reservations.ask(bay, asked[bay])
            assert all(reservations.held_by(other) is held for other, held in kept.items())
            if agreed:
                assert set(before) <= set(reservations.held)
        else:
            del bays[bay]
            reservations.leave(bay)
        assert len({held.target_degc for held in reservations.held.values()}) <= 1
