"""Plants defects over many seeds, counts what the checks make of them, and keeps the tables of docs/simulation.md.

detect.py [--seeds 20] [--jobs 1]

Ends with 1 where a defect of its default size has passed, or a good cell was rejected.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from demo_trays import look_at_demo
from kinds import look_at_kinds
from micro_shorts import COPIES, SIZES_OHM, Rejected, find_shorts
from trays import Looked

from cycler.cli.logs import quiet_logs
from cycler.recipe.compile import LoadedRecipe
from cycler.service.recipes import recipe_named

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
BEGIN, END = "<!-- written by make detect: begin -->", "<!-- written by make detect: end -->"
RECIPES = ("nmc811-21700-formation-fast", "lco-pouch-formation", "lfp-26650-formation")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="How well planted defects are found.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    with ProcessPoolExecutor(options.jobs, initializer=quiet_logs) as pool:
        demos, kinds = pool.map(demo, seeds), pool.map(every_kind, seeds)
        scanned = list(product(RECIPES, seeds[::COPIES]))
        scans = pool.map(micro_shorts, *zip(*scanned, strict=True))
        looked = [each for tray in (*told(demos), *told(kinds)) for each in tray]
        shorts: dict[str, Counter[tuple[float, bool]]] = defaultdict(Counter)
        for (recipe, seed), found in zip(scanned, scans, strict=True):
            print(f"{recipe}, seed {seed}: micro-shorts", flush=True)
            shorts[recipe].update(found)
    text = f"{summary(looked, options.seeds)}\n\n{kinds_table(looked)}\n\n{shorts_table(shorts)}"
    print(text)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    return int(any(each.rejected is (each.planted is None) for each in looked))


def demo(seed: int) -> Sequence[Looked]:
    return look_at_demo(seed=seed)


def every_kind(seed: int) -> Sequence[Looked]:
    """Each seed has another recipe."""
    return look_at_kinds(loaded(RECIPES[seed % len(RECIPES)]), seed=seed)


def micro_shorts(recipe: str, seed: int) -> Rejected:
    return find_shorts(loaded(recipe), seed=seed)


def loaded(recipe: str) -> LoadedRecipe:
    return recipe_named(recipe, beside=PAGE.parent)


def told(trays: Iterable[Sequence[Looked]]) -> Iterable[Sequence[Looked]]:
    """Says at once what is not as it should be."""
    for looked in trays:
        print(f"{looked[0].tray}, seed {looked[0].seed}: {len(looked)} positions", flush=True)
        for each in looked:
            if not each.is_right:
                print(f"  {each.position} {each.planted or 'good'}: {each.verdict} {' '.join(each.codes)}", flush=True)
        yield looked


def summary(looked: Sequence[Looked], seeds: int) -> str:
    good, bad = [x for x in looked if x.planted is None], [x for x in looked if x.planted is not None]
    return (
        f"{seeds} seeds: {sum(x.rejected for x in good)} of {len(good)} good cells were rejected, "
        f"{sum(not x.rejected for x in bad)} of {len(bad)} planted defects passed."
    )


def kinds_table(looked: Sequence[Looked]) -> str:
    rows = ["| planted, of its default size | times | rejected | for the right reason |", "|---|---|---|---|"]
    for kind in sorted({each.planted for each in looked if each.planted is not None}):
        of_kind = [each for each in looked if each.planted == kind]
        rejected, right = sum(each.rejected for each in of_kind), sum(each.is_right for each in of_kind)
        rows.append(f"| {kind} | {len(of_kind)} | {rejected} | {right} |")
    return "\n".join(rows)


def shorts_table(shorts: Mapping[str, Mapping[tuple[float, bool], int]]) -> str:
    sizes = " | ".join(f"{size / 1000:g} kΩ" for size in SIZES_OHM)
    rows = [f"| recipe | {sizes} |", "|---" * (len(SIZES_OHM) + 1) + "|"]
    for recipe, found in shorts.items():
        counts = [(found.get((size, True), 0), found.get((size, False), 0)) for size in SIZES_OHM]
        rows.append(f"| {recipe} | {' | '.join(f'{yes} of {yes + no}' for yes, no in counts)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
