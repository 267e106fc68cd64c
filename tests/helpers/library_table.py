"""Writes what the library's recipes do into docs/recipes.md: `.venv/bin/python tests/helpers/library_table.py`.

Every recipe is run; a minute of work. What a recipe is for, and where its numbers come from, stands in its own head.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from library_runs import SHORTENED, LibraryRun, run_library

from cycler.model.results import NAS_PER_AH, PulsePoint
from cycler.recipe.describe import worst_case_s
from cycler.results.metrics import acir_ohm, capacity_step, dcir_ohm, first_cycle_efficiency, k_v_per_h

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "recipes.md"
BEGIN, END = "<!-- from the library: begin -->\n", "<!-- from the library: end -->\n"

PARTS = ("", "Numbers: ", "May be changed: ")
"""How the paragraphs of a recipe's head begin: what it is for, whence its numbers are, what a user may change."""


AT_REST_A = 1e-3


def updated(text: str, runs: Mapping[str, LibraryRun]) -> str:
    """The page with everything between its marks as it has to be."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n".join(_section(runs)) + "\n" + END + after


def head(path: Path) -> tuple[str, ...]:
    """The paragraphs of `PARTS`, without the words that they begin with. Raises `ValueError` where one is missing."""
    text = path.read_text(encoding="utf-8")
    lines = [line.removeprefix("#").strip() for line in text[: text.index("\nrecipe:") + 1].splitlines()]
    starts = [next((n for n, line in enumerate(lines) if line.startswith(part)), -1) for part in PARTS]
    if starts != sorted(starts) or -1 in starts:
        raise ValueError(f"{path.name}: its head does not say what it is for, `Numbers:` and `May be changed:`")
    ends = [*starts[1:], len(lines)]
    paragraphs = (" ".join(lines[start:end]) for start, end in zip(starts, ends, strict=True))
    return tuple(text.removeprefix(part) for text, part in zip(paragraphs, PARTS, strict=True))


def _section(runs: Mapping[str, LibraryRun]) -> Iterator[str]:
    yield "| recipe | cells | takes | at most | in, Ah | out, Ah | in, Wh | out, Wh | left in it | yields |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|---|"
    for name, run in runs.items():
        recipe, rated_ah = run.loaded.recipe, run.loaded.cell_type.rated_capacity_ah
        moved = (run.charged_ah, run.discharged_ah, run.charged_wh, run.discharged_wh)
        left_ah = run.soc * (run.loaded.cell_type.simulation.capacity_ah or rated_ah)
        cells = [
            f"`{name}`{' ¹' if name in SHORTENED else ''}",
            f"{' or '.join(recipe.from_state)}{f' → {recipe.to_state}' if recipe.to_state else ''}",
            _hours(run.duration_s),
            _hours(worst_case_s(recipe, run.loaded.cell_type)),
            *(f"{value:.2f}" if value >= 0.005 else "" for value in moved),
            f"{100 * left_ah / rated_ah:.0f} %",
            ", ".join(_yields(run)),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "¹ as run for this table: " + "; ".join(_shortened())
    yield ""
    for name, run in runs.items():
        purpose, numbers, changes = head(Path(run.loaded.recipe.file))
        yield f"**`{name}`** {purpose} *Numbers:* {numbers} *May be changed:* {changes}"
        yield ""


def _yields(run: LibraryRun) -> Iterator[str]:
    steps = run.steps
    capacity = capacity_step(steps)
    if capacity is not None and capacity.tag is not None:
        tagged = [step for step in steps if step.tag == capacity.tag and step.is_valid]
        found = list(dict.fromkeys(f"{step.moved.discharged_nas / NAS_PER_AH:.2f}" for step in tagged))
        yield f"capacity {' · '.join(found)} Ah"
    efficiency = first_cycle_efficiency(steps, "filled") if run.start == "filled" else None
    if efficiency is not None:
        yield f"first-cycle efficiency {100 * efficiency:.1f} %"
    retained = [step for step in steps if step.tag == "retained"]
    if retained:
        yield f"retained {retained[-1].moved.discharged_nas / NAS_PER_AH:.2f} Ah"
    k = k_v_per_h(steps)
    if k is not None:
        yield f"K {24e3 * k:.2f} mV/d"
    if dcir_ohm(steps) is not None:
        longest = [max(step.pulse, key=lambda point: point.nominal_s) for step in steps if step.pulse]
        yield f"DCIR of {longest[0].nominal_s:g} s: {_resistances(longest)}"
    edges = [point for step in steps for point in step.train if abs(point.reference.current_a) < AT_REST_A]
    if edges:
        yield f"resistance at the ends of {len(edges)} pulses from rest: {_resistances(edges)}"
    measured = [step for step in steps if step.ocv_v is not None]
    if measured:
        yield f"OCV {measured[-1].ocv_v:.4f} V"
    at_1_khz = acir_ohm(steps)
    if at_1_khz is not None:
        yield f"ACIR {1e3 * at_1_khz:.1f} mΩ"
    if run.loaded.recipe.to_state in {"shipped", "recycled", "precharged"} or "storage" in run.loaded.recipe.recipe:
        yield f"{steps[-1].end_voltage_v:.2f} V at rest"


def _resistances(points: Sequence[PulsePoint]) -> str:
    lowest, highest = (f"{1e3 * f(point.resistance_ohm for point in points):.1f}" for f in (min, max))
    return f"{lowest} mΩ" if lowest == highest else f"{lowest} to {highest} mΩ"


def _hours(seconds: float) -> str:
    return f"{seconds / 86400:.0f} d" if seconds > 10 * 86400 else f"{seconds / 3600:.1f} h"


def _shortened() -> Iterator[str]:
    for name, changes in SHORTENED.items():
        yield f"`{name}` with " + ", ".join(f"`{new}` for `{old}`" for old, new in changes.items())


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8"), run_library()), encoding="utf-8")
