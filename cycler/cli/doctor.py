"""`cycler doctor`: who opens each output when control dies, what has to be mended, and proof tests on dummy loads."""

import json as json_module
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cycler.cli.errors import FAILED, explained

if TYPE_CHECKING:
    from rich.console import Console

    from cycler.service.configuration import Configuration
    from cycler.service.doctor import Diagnosis, OutputCare

PIPE_WIDTH = 200
STYLES = {"fine": "green", "look": "yellow", "mend": "bold red"}


def doctor(  # noqa: PLR0917 (typer gives them by name)
    config: Annotated[Path, typer.Option(help="The rack file.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    proof_test: Annotated[
        str | None, typer.Option(help="A channel like bt-01/101: trip what its device keeps by itself.")
    ] = None,
    on_dummy_load: Annotated[bool, typer.Option("--on-dummy-load", help="There is a dummy load, and no cell.")] = False,
    by: Annotated[str | None, typer.Option(help="Who stands beside the device.")] = None,
    current: Annotated[str | None, typer.Option(help="What the dummy load bears, like 0.5 A.")] = None,
    store: Annotated[bool, typer.Option("--store", help="Read the whole store: is it as it was written?")] = False,
    record: Annotated[Path | None, typer.Option(help="Where the record goes; else DEVICE-proof.yaml.")] = None,
) -> None:
    """Say who opens each output when control is lost, and what has to be mended; 1 if there is something.

    It looks at the rack file and at this computer, with --store at all that is recorded, and connects to no device.
    Only --proof-test does: it has the device alone, drives a small current both ways through a dummy load that holds a
    voltage, trips each limit, and writes the dated record that the rack file names by `proof_test`; 1 if something did
    not open.
    """
    with explained(as_json=json):
        if proof_test is not None:
            from cycler.cli.proof_test import prove  # noqa: PLC0415 (help must not wait for it)

            opened = prove(
                config,
                proof_test,
                on_dummy_load=on_dummy_load,
                by=by,
                current=current,
                record=record,
                as_json=json,
            )
            if not opened:
                raise typer.Exit(FAILED)
            return
        from cycler.service.clock import utcnow  # noqa: PLC0415 (help must not wait for it)
        from cycler.service.doctor import diagnose  # noqa: PLC0415
        from cycler.service.rack_file import load_configuration  # noqa: PLC0415

        configuration = load_configuration(config)
        diagnosis = diagnose(configuration, utcnow().date())
        if store:
            from cycler.service.stores import store_checks, store_of  # noqa: PLC0415

            diagnosis = replace(diagnosis, checks=(*diagnosis.checks, *store_checks(store_of(configuration))))
        if json:
            sys.stdout.write(json_module.dumps(_document(diagnosis), indent=2) + "\n")
        else:
            _show(configuration, diagnosis)
        if not diagnosis.is_fine:
            raise typer.Exit(FAILED)


def _show(configuration: "Configuration", diagnosis: "Diagnosis") -> None:
    from rich.console import Console  # noqa: PLC0415 (half the commands never draw)
    from rich.markup import escape  # noqa: PLC0415

    from cycler.service.protection_check import protection_lines  # noqa: PLC0415

    piped = not sys.stdout.isatty()
    console = Console(highlight=False, width=PIPE_WIDTH if piped else None)
    console.print(f"[bold]If control of rack {escape(configuration.rack.rack)} died now[/]")
    _show_outputs(console, diagnosis)
    for each in diagnosis.outputs:
        for obstacle in each.obstacles:
            style, word = ("yellow", "overridden") if each.overridden else ("bold red", "mend")
            where = escape(f"{each.bay} {each.device}: {obstacle.reason}")
            then = "" if each.overridden else escape(f" ({obstacle.remedy})")
            console.print(f"[{style}]{word:<10}[/] {where}{then}", soft_wrap=piped)
    for check in diagnosis.checks:
        remedy = f" ({check.remedy})" if check.remedy else ""
        text = escape(f"{check.about}: {check.text}{remedy}")
        console.print(f"[{STYLES[check.verdict]}]{check.verdict:<10}[/] {text}", soft_wrap=piped)
    for line in protection_lines(configuration.rack):
        console.print(escape(line), style="dim", soft_wrap=piped)
    sys.stdout.write("nothing has to be mended\n" if diagnosis.is_fine else "there is something to mend\n")


def _show_outputs(console: "Console", diagnosis: "Diagnosis") -> None:
    from rich import box  # noqa: PLC0415 (half the commands never draw)
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("bay", "device", "outputs", "then", "opened by", "after", "limits", "second path"):
        table.add_column(name, overflow="fold")
    for each in diagnosis.outputs:
        table.add_row(
            escape(each.bay),
            escape(each.device),
            escape(_span(each)),
            str(each.rule),
            "\n".join(
                escape(opener.by) + ("" if opener.is_proven else " [yellow](not proven)[/]")
                for opener in each.opened_by
            )
            or "only the device tells",
            "\n".join("end of step" if o.within_s is None else f"{o.within_s:g} s" for o in each.opened_by),
            f"[yellow]{each.limits}[/]" if each.limits.startswith("not") else escape(each.limits),
            f"[yellow]{each.second_path}[/]" if each.second_path == "none" else escape(each.second_path),
        )
    console.print(table)


def _span(care: "OutputCare") -> str:
    first, last = care.positions[0], care.positions[-1]
    return first if first == last else f"{first} to {last} ({len(care.positions)})"


def _document(diagnosis: "Diagnosis") -> object:
    return {
        "fine": diagnosis.is_fine,
        "outputs": [
            {
                "bay": each.bay,
                "device": each.device,
                "positions": list(each.positions),
                "on_controller_loss": str(each.rule),
                "opened_by": [asdict(opener) for opener in each.opened_by],
                "limits": each.limits,
                "second_path": each.second_path,
                "obstacles": [asdict(obstacle) for obstacle in each.obstacles],
                "overridden": each.overridden,
            }
            for each in diagnosis.outputs
        ],
        "checks": [asdict(check) for check in diagnosis.checks],
    }
