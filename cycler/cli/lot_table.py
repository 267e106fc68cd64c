"""The lot as a table: one line a cell, the verdict in words."""

import json
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cycler.cli.errors import DONE, REFUSED, REJECTED
from cycler.model.run import Run
from cycler.results.verdict import JudgedCell
from cycler.service.lot import REPORT, Lot

PIPE_WIDTH = 200

_STYLES = {"pass": "green", "fail": "bold red", "quarantine": "bold magenta", "retest": "yellow", "not-run": "dim"}


def show_lot(lot: Lot, out: Path | None, *, as_json: bool) -> None:
    """Results on stdout; the report's path last."""
    if as_json:
        sys.stdout.write(json.dumps(_document(lot, out), indent=2) + "\n")
        return
    piped = not sys.stdout.isatty()  # whoever reads a file or a pipe wants whole lines, however wide
    console = Console(highlight=False, width=PIPE_WIDTH if piped else None)
    for run in lot.runs:
        console.print(f"[bold]Run {run.run_id}[/]  {run.recipe_name} {run.recipe_version}")
    console.print(_table(lot))
    for judged in lot.judged:
        if judged.result.verdict != "pass":
            why = escape(f"{judged.result.cell}: {_why(lot, judged)}")
            console.print(f"[bold]{judged.result.position}[/] {why}", soft_wrap=piped)
    passed = len(lot.cells) - lot.rejected
    sys.stdout.write(f"{passed} of {len(lot.cells)} cells passed; events {lot.event_hash[:16]}\n")
    if out is not None:
        sys.stdout.write(f"report: {out / REPORT}\n")


def exit_code(lot: Lot, *, strict: bool) -> int:
    """4 where no cell could be started; 5 where cells were rejected and that is to be told."""
    if all(cell.verdict == "not-run" for cell in lot.cells):
        return REFUSED
    return REJECTED if strict and lot.rejected else DONE


def _table(lot: Lot) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("position", "cell"):
        table.add_column(name, no_wrap=True)
    first_cycle = any(cell.first_cycle_efficiency is not None for cell in lot.cells)
    for name in ("Ah", *(["1st %"] if first_cycle else []), "eff. %", "mOhm", "end V"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for cell in lot.cells:
        verdict = f"{cell.verdict} {cell.grade}" if cell.grade else cell.verdict
        table.add_row(
            cell.position,
            escape(cell.cell),
            _number(cell.capacity_ah, 3),
            *([_number(_times(cell.first_cycle_efficiency, 100), 1)] if first_cycle else []),
            _number(_times(cell.cycle_efficiency_ratio, 100), 1),
            _number(_times(cell.dcir_ohm, 1000), 1),
            _number(cell.end_voltage_v, 3),
            f"[{_STYLES[cell.verdict]}]{verdict}[/]",
            " ".join(cell.reason_codes),
        )
    return table


def _why(lot: Lot, cell: JudgedCell) -> str:
    """What was expected and what came, in words."""
    found = []
    for finding in lot.findings(cell):
        expected = f"Expected: {finding.expected}" if finding.expected else ""
        found += [f"{finding.title}.", finding.came, expected, finding.to_do]
    return " ".join(part for part in found if part)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _run(run: Run) -> dict[str, str]:
    return {
        "run": run.run_id,
        "recipe": run.recipe_name,
        "version": run.recipe_version,
        "recipe_hash": run.recipe_hash,
    }


def _document(lot: Lot, out: Path | None) -> dict[str, object]:
    return {
        **_run(lot.runs[0]),
        **({"runs": [_run(run) for run in lot.runs]} if len(lot.runs) > 1 else {}),
        "event_hash": lot.event_hash,
        "out": None if out is None else str(out),
        "report": None if out is None else str(out / REPORT),
        "cells": [
            {
                "position": cell.position,
                "cell_id": cell.cell,
                "cell_type": cell.cell_type,
                "verdict": cell.verdict,
                "grade": cell.grade,
                "reason_codes": list(cell.reason_codes),
                "capacity_ah": cell.capacity_ah,
                "first_cycle_efficiency": cell.first_cycle_efficiency,
                "cycle_efficiency": cell.cycle_efficiency_ratio,
                "dcir_ohm": cell.dcir_ohm,
                "acir_ohm": cell.acir_ohm,
                "ocv_v": cell.ocv_v,
                "k_v_per_h": cell.k_v_per_h,
                "end_voltage_v": cell.end_voltage_v,
                "energy_in_wh": cell.energy_in_wh,
                "energy_out_wh": cell.energy_out_wh,
                "detail": lot.outcomes[cell.position].detail,
            }
            for cell in lot.cells
        ],
    }
