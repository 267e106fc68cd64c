"""What one channel and reading costs in the step machine, beside the bare integration of the same readings."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import machine_bench as words

from cycler.contract.sweep import Sweep
from cycler.control.step_machine import StepMachine
from cycler.recipe.plan import Plan, RecordRule

READINGS = 100_000


def main() -> None:
    """Print the figures: microseconds a channel and tick, the best of five rounds."""
    rule = RecordRule(every_s=10.0, voltage_v=0.005, current_a=0.02, temperature_k=0.5)
    recipe = words.plan(
        words.charge(
            0.05,
            words.until(words.compare("current", "<=", 0.02)),
            cv=True,
            fails=[
                words.until(words.compare("capacity", ">", 5.5), outcome="fail"),
                words.until(words.compare("time", ">", 200_000.0), outcome="fail"),
            ],
            record=rule,
            time_s_max=200_000.0,
        )
    )
    machine = words.machine_for(recipe)
    bench = words.Bench(machine, soc=0.1).start()
    bench.run(20)
    saved = machine.save()
    sweeps = [bench.measure() for _ in range(READINGS)]
    bare_us = min(_timed(lambda: _integrate(sweeps)) for _ in range(5))
    machine_us = min(_timed(lambda: _advance(recipe, saved, sweeps)) for _ in range(5))
    print(f"bare integration {bare_us:.2f} us, step machine {machine_us:.2f} us a channel and tick (target 0.8)")


def _timed(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) / READINGS * 1e6


def _integrate(sweeps: list[Sweep]) -> None:
    charge = energy = 0
    last_s = last_a = last_w = 0.0
    for sweep in sweeps:
        voltage_v, current_a, taken_s = sweep.voltage_v[0], sweep.current_a[0], sweep.taken_s
        half_ns = (taken_s - last_s) * 5e8
        power_w = voltage_v * current_a
        charge += int((current_a + last_a) * half_ns)
        energy += int((power_w + last_w) * half_ns)
        last_s, last_a, last_w = taken_s, current_a, power_w


def _advance(recipe: Plan, saved: bytes, sweeps: list[Sweep]) -> None:
    machine: StepMachine = words.machine_for(recipe)
    machine.restore(saved)
    advance = machine.advance
    for sweep in sweeps:
        advance(sweep, 0, 25.0)


if __name__ == "__main__":
    main()
