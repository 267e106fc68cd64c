"""The work of `cycler recipe preview`."""

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.logs import quiet_logs
from cycler.cli.lot_table import PIPE_WIDTH
from cycler.cli.progress import shown_progress
from cycler.cli.recipe_check import check_recipe
from cycler.cli.simulate_run import start_state
from cycler.recipe.lookup import given_cell_type
from cycler.recipe.problems import InvalidFile
from cycler.results.prediction import ASSUMPTIONS, Prediction
from cycler.results.prediction_page import page, rows, svg, total
from cycler.service.prediction import NothingToPredict, predict
from cycler.service.recipes import recipe_named

ROWS_MAX: Final = 60
_FORMS: Final = (".svg", ".html")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOptions:
    """The command line, as given."""

    recipe: str
    cell_type: str | None
    start: str | None
    config: Path | None
    out: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """A prediction, and where it was drawn."""

    prediction: Prediction
    out: Path | None

    def document(self) -> dict[str, object]:
        """For programs."""
        return {**self.prediction.document(), "file": None if self.out is None else str(self.out)}

    def show(self) -> None:
        """The table for people, on stdout."""
        predicted, piped = self.prediction, not sys.stdout.isatty()
        console = Console(highlight=False, width=PIPE_WIDTH if piped else None)
        console.print(
            f"[bold]{predicted.recipe} {predicted.version}[/] on {predicted.cell_type}, from {predicted.start}"
        )
        console.print(_table(predicted))
        if predicted.trouble is not None:
            console.print(f"[bold red]the ideal cell does not get through:[/] {escape(predicted.trouble)}")
        console.print(f"[dim]{ASSUMPTIONS}[/]", soft_wrap=piped)
        if self.out is not None:
            sys.stdout.write(f"drawn: {self.out}\n")


def preview_recipe(options: PreviewOptions) -> Previewed:
    """Raises `Failure` and `InvalidFile`, the latter also for a recipe that the rack cannot run."""
    quiet_logs()
    out = options.out
    if out is not None and out.suffix not in _FORMS:
        raise Failure(WRONG_USE, "out", f"--out {out}: what to draw goes by its ending", f"use {' or '.join(_FORMS)}")
    if out is not None and not out.parent.is_dir():
        raise Failure(WRONG_USE, "out", f"--out {out}: there is no folder {out.parent}", "make it first")
    if options.config is not None:
        problems = check_recipe(options.recipe, options.config, options.cell_type).problems
        if problems:
            raise InvalidFile(problems)
    own = None if options.cell_type is None else given_cell_type(options.cell_type, beside=Path.cwd())
    loaded = recipe_named(options.recipe, beside=Path.cwd(), cell_type=own)
    state, start = start_state(options.start, loaded)
    try:
        with shown_progress(Console(stderr=True)) as on_progress:
            prediction = predict(loaded, state=state, start=start, on_progress=on_progress)
    except NothingToPredict as nothing:
        raise Failure(WRONG_USE, "nothing-to-predict", str(nothing), nothing.hint) from None
    if out is not None:
        ours = version("formation-cycler")
        out.write_text(svg(prediction) if out.suffix == ".svg" else page(prediction, version=ours), encoding="utf-8")
    return Previewed(prediction=prediction, out=out)


def _table(prediction: Prediction) -> Table:
    shown, left_out = rows(prediction, most=ROWS_MAX)
    has_turns = any(row.turn for row in shown)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("step", no_wrap=True)
    if has_turns:
        table.add_column("turn", no_wrap=True)
    for name in ("begins", "takes", "in Ah", "out Ah", "in Wh", "out Wh", "end V", "°C"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("ends by", overflow="fold")
    for place, row in enumerate((*shown, total(prediction))):
        if left_out and place == ROWS_MAX // 2:
            table.add_row(f"… {left_out} more")
        if place == len(shown):
            table.add_section()
        table.add_row(
            escape(row.name), *([row.turn] if has_turns else []), row.begins, row.takes, row.charged_ah,
            row.discharged_ah, row.charged_wh, row.discharged_wh, row.end_v, row.warmest, escape(row.ended_by),
        )  # fmt: skip
    return table
