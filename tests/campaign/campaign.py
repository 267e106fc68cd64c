"""Deterministic simulation of whole racks with seeded faults, and an observer who looks at the physics.

campaign.py [--seeds 500] [--from 1] [--jobs 1] [--library 0.1]     runs many
campaign.py --seed N [--library 0.1]                                replays one

Ends with 1 where anything was violated.
"""

import argparse
import logging
import sys
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

import structlog
from campaign_run import Ran, run_seed

TWICE_EVERY = 20  # so many seeds run twice, and must end alike


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Racks at random, and whatever happens to them.")
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--library", type=float, default=0.1, help="share of bays with a recipe of many hours")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    ran: list[Ran] = []
    broken = 0
    with ProcessPoolExecutor(options.jobs, initializer=silence) as pool:
        pending = {pool.submit(attempt, seed, library=options.library): seed for seed in seeds}
        for future in as_completed(pending):
            seed, result = pending[future], future.result()
            if isinstance(result, str):
                broken += 1
                print(f"seed {seed}: {result}", flush=True)
                continue
            ran.append(result)
            print(f"seed {seed}: {result.channel_hours:.1f} channel-hours in {result.cpu_s:.1f} CPU s", flush=True)
            for line in result.violations:
                print(f"  {line}", flush=True)
            if len(ran) % 25 == 0:
                print(told(ran), flush=True)
    print(told(ran))
    return int(broken > 0 or any(each.violations for each in ran))


def silence() -> None:
    """Whatever goes wrong here is meant to."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable()


def attempt(seed: int, *, library: float) -> Ran | str:
    """What came of it, or what broke."""
    try:
        ran = run_seed(seed, library=library)
        if seed % TWICE_EVERY == 0 and run_seed(seed, library=library).digest != ran.digest:
            return "it does not end as it did before"
    except Exception:  # noqa: BLE001 (whatever it is, the seed has to be told)
        return "".join(traceback.format_exc().splitlines(keepends=True)[-12:])
    return ran


def told(ran: list[Ran]) -> str:
    """In figures."""
    hours, cpu_s = sum(each.channel_hours for each in ran), sum(each.cpu_s for each in ran)
    ends = sum((Counter(each.ends) for each in ran), Counter())
    return (
        f"{len(ran)} seeds, {hours:.0f} channel-hours, "
        f"{sum(each.energised_hours for each in ran):.0f} of them energised, "
        f"{hours / max(cpu_s, 1e-9):.1f} channel-hours per CPU second, {sum(each.faults for each in ran)} faults and "
        f"defects, {sum(bool(each.violations) for each in ran)} seeds with violations; cells ended {dict(ends)}"
    )


if __name__ == "__main__":
    sys.exit(main())
