"""The rows at a step's edges: the curve says of each step exactly what its result says."""

from collections.abc import Iterator
from itertools import groupby, pairwise

import pytest
from machine_bench import Bench, charge, compare, discharge, plan, pulse, rest, started, until

from cycler.model.results import Sample
from cycler.recipe.plan import RecordRule

A_MINUTE = until(compare("time", ">=", 60))
DENSE = RecordRule(every_s=1.0)
THERE_AND_BACK = plan(charge(2.5, A_MINUTE), rest(20), discharge(3.6, A_MINUTE, record=DENSE), pulse(5.0, 10.0, (1.0,)))

BENCHES = pytest.mark.parametrize("counter", [False, True], ids=["set points", "a counter"])
DELAYS = pytest.mark.parametrize("order_takes", [1, 4], ids=["at once", "with delay"])


def by_step(bench: Bench) -> Iterator[list[Sample]]:
    return (list(group) for _, group in groupby(bench.samples, key=lambda sample: sample.step_count))


def check_edges(bench: Bench) -> None:
    steps = list(by_step(bench))
    for result, samples in zip(bench.results, steps, strict=True):
        assert samples[-1].counters - samples[0].counters == result.moved
        assert samples[0].step_time_s == 0.0
        assert samples[0].elapsed_s == result.started_s
        assert samples[-1].step_time_s >= result.duration_s
        assert all(a.elapsed_s < b.elapsed_s for a, b in pairwise(samples))
        assert {sample.cycle for sample in samples} == {result.cycle}
    for before, after in pairwise(steps):
        assert before[-1].counters == after[0].counters
        assert before[-1].elapsed_s == after[0].elapsed_s


@BENCHES
@DELAYS
def test_the_rows_of_a_step_span_what_its_result_says(counter: bool, order_takes: int) -> None:
    bench = started(THERE_AND_BACK, counter=counter, order_takes=order_takes).run()
    assert bench.over.end == "completed"
    assert len(bench.results) == 4
    check_edges(bench)


@BENCHES
@DELAYS
def test_a_steps_last_row_shows_the_cell_as_the_step_left_it(counter: bool, order_takes: int) -> None:
    bench = started(THERE_AND_BACK, counter=counter, order_takes=order_takes).run()
    assert [samples[-1].current_a for samples in by_step(bench)] == [2.5, 0.0, -3.6, -5.0]


@BENCHES
def test_the_counters_of_the_first_row_are_zero_although_its_current_has_begun_to_flow(counter: bool) -> None:
    first = started(THERE_AND_BACK, counter=counter).run().samples[0]
    assert first.current_a == 2.5
    assert (first.counters.charged_nas, first.counters.charged_nws) == (0, 0)


@BENCHES
def test_a_step_that_ends_with_its_first_reading_has_a_row_at_both_edges(counter: bool) -> None:
    always = until(compare("voltage", ">", 0.0))
    bench = started(plan(charge(2.5, always), rest(5)), counter=counter).run()
    assert len(next(by_step(bench))) == 2
    check_edges(bench)


@BENCHES
@DELAYS
def test_a_step_that_was_cut_short_has_its_closing_row_too(counter: bool, order_takes: int) -> None:
    for cut_short in ("trip", "stop"):
        bench = started(THERE_AND_BACK, counter=counter, order_takes=order_takes)
        bench.run(30.5)
        if cut_short == "trip":
            bench.temperature_degc = 90.0
        else:
            bench.take(bench.machine.stop("all-off", "somebody asked"))
        bench.run()
        assert bench.over.end != "completed"
        check_edges(bench)


@BENCHES
def test_a_lost_device_leaves_no_row_twice(counter: bool) -> None:
    bench = started(THERE_AND_BACK, counter=counter)
    bench.run(30.5)
    bench.take(bench.machine.stop("stale", "no reading", end="tripped"))
    bench.take(bench.machine.close())
    check_edges(bench)


@BENCHES
def test_what_flows_until_a_weld_is_given_up_is_in_the_last_row(counter: bool) -> None:
    bench = started(THERE_AND_BACK, counter=counter)
    bench.run(30)
    bench.order_takes = 1000  # the off
    bench.take(bench.machine.stop("all-off", "somebody asked"))
    bench.run(20)
    bench.take(bench.machine.close())
    check_edges(bench)
    assert bench.samples[-1].elapsed_s == pytest.approx(bench.time_s)
