"""What a recipe costs: to check it, to judge one condition of it, and to be in the middle of its longest loop."""

import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import machine_bench as bench_words
import recipe_texts as words

from cycler.control.condition_watch import ConditionWatch, Now
from cycler.control.program_cursor import first, following
from cycler.recipe.compile import check, compile_plan
from cycler.recipe.plan import Condition

STEPS = 254  # what the longest programs of bench cyclers hold
JUDGEMENTS = 200_000
TURNS = 65_535


def main() -> None:
    """Print the figures, the best of five rounds."""
    tagged = words.DISCHARGE.replace("{", "{tag: cap, ")
    cycle = (words.CHARGE, "rest: {time: 10 min}", tagged, "set: {kept: cap / 5 Ah, fail: [kept < 20 % -> fail]}")
    loaded = words.load(*(cycle[number % len(cycle)] for number in range(STEPS)))
    check_ms = 1e3 * min(_seconds(lambda: check(loaded.recipe, loaded.cell_type, words.CHANNEL)) for _ in range(5))
    print(f"check of {STEPS} steps {check_ms:.1f} ms (target 50)")

    end = bench_words.until(bench_words.compare("voltage", ">=", 4.2), samples=2)
    judge_ns = 1e9 / JUDGEMENTS * min(_seconds(lambda: _judge(end)) for _ in range(5))
    print(f"one condition {judge_ns:.0f} ns (target 100)")

    loop = words.load(f"loop: {{times: {TURNS}, steps: [rest: {{time: 1 s}}]}}")
    plan = compile_plan(loop.recipe, loop.cell_type, words.CHANNEL)
    tracemalloc.start()
    cursor = first(plan.program)
    for _ in range(TURNS - 1):
        after = following(plan.program, cursor)
        assert after is not None  # the loop has turns left
        cursor = after
    peak = tracemalloc.get_traced_memory()[1]
    print(f"a loop of {cursor.turns[-1].turn + 1} turns {peak / 1000:.1f} kB at most")


def _judge(condition: Condition) -> None:
    now = Now(direction="charge", voltage=3.9)
    judge = ConditionWatch(condition, tapers=False, at_window_s=2.0).judge
    for _ in range(JUDGEMENTS):
        judge(now)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
