"""A rack's state as a person reads it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from cycler.model.results import NAS_PER_AH


def show_status(found: Mapping[str, Any]) -> None:
    """On stdout."""
    console = Console(highlight=False)
    silent = [device for device in found["devices"] if device["trouble"]]
    console.print(f"rack {found['rack']}, up since {found['since_utc'][:19]} UTC, journal: {found['journal']}")
    answering = len(found["devices"]) - len(silent)
    console.print(f"{answering} of {len(found['devices'])} devices answer")
    for device in silent:
        console.print(f"  {device['trouble']}", style="red", markup=False, soft_wrap=True)
    for alarm in found["alarms"]:
        where = f" ({', '.join(alarm['positions'])})" if alarm["positions"] else ""
        told = (
            f"  alarm {alarm['alarm']}, {alarm['severity']}, {alarm['state']}: {alarm['name']}{where}: {alarm['text']}"
        )
        console.print(told, style="red", markup=False, soft_wrap=True)
    for bay in found["bays"]:
        console.print()
        console.print(_headline(bay), markup=False, soft_wrap=True)
        if bay["positions"]:
            console.print(_table(bay["positions"]))


def _headline(bay: Mapping[str, Any]) -> str:
    parts = [f"bay {bay['bay']}: {bay['state']}"]
    if bay["tray"]:
        parts.append(f"tray {bay['tray']}, {bay['recipe']}")
    if bay["run"]:
        minutes = round(bay["remaining_s"] / 60)
        left = f", {minutes // 60}:{minutes % 60:02} h left" if bay["state"] == "running" else ""
        parts.append(f"run {bay['run']} ({bay['released_as']}), {bay['progress']:.0%}{left}")
    return "; ".join(parts)


def _table(positions: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("position", "cell"):
        table.add_column(heading)
    for heading in ("V", "A", "degC", "Ah in", "Ah out"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    for position in positions:
        table.add_row(position["position"], position["cell"], *_cells(position))
    return table


def _cells(position: Mapping[str, Any]) -> Iterator[str]:
    if "ended" in position:
        code = f" {position['code']}" if position["code"] else ""
        text = f": {position['text']}" if position["text"] else ""
        yield from ("", "", "", "", "", f"{position['ended']}{code}{text}")
        return
    if "voltage_v" not in position:
        yield from [""] * 6
        return
    yield _number(position["voltage_v"], 4)
    yield _number(position["current_a"], 3)
    yield _number(position["temperature_degc"], 1)
    yield f"{position['charged_nas'] / NAS_PER_AH:.4f}"
    yield f"{position['discharged_nas'] / NAS_PER_AH:.4f}"
    step = f"{position['step_type']} {position['step']}" if position["step"] else "starting"
    yield f"{step}{_waiting(position)}"


def _waiting(position: Mapping[str, Any]) -> str:
    """For whom the cell waits, and why: after a restart, or in a step of its recipe."""
    if waits := position.get("waits"):
        return f": waits for {waits['for']}: {waits['text']}"
    return f": waits for a person: {position['waits_for']}" if position["waits_for"] else ""


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
