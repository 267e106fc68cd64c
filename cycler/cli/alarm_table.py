"""The alarms as a table: a line each, the worst first, and how many there were."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.lot_table import PIPE_WIDTH
from cycler.cli.out_folder import JOURNAL
from cycler.model.alarm_record import Alarm, in_short
from cycler.record.schema import journal_path
from cycler.safety.alarm_rates import FLOOD_OVER, AlarmRates
from cycler.service.alarm_list import AlarmList, ListedAlarm, alarm_list
from cycler.service.clock import utcnow
from cycler.service.rack_file import load_configuration

_STYLES: Final = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}
_STATES: Final = {
    "unacknowledged": "NEW",
    "acknowledged": "known",
    "returned": "gone, not seen",
    "shelved": "shelved",
    "out-of-service": "out of service",
    "normal": "over",
}


def read_alarms(config: Path, store: Path | None, *, everything: bool) -> AlarmList:
    """Raises `InvalidFile`, `Failure` and `JournalUnusable`."""
    if store is not None:
        inside = store / JOURNAL
        found = inside if journal_path(inside).exists() else store
        return alarm_list(found, now_utc=None, everything=everything)
    configuration = load_configuration(config)
    if configuration.store is None:
        message = f"{configuration.file}: rack {configuration.rack.rack} has no store to keep alarms in"
        raise Failure(WRONG_USE, "no-store", message, "give `store: {path: …}`")
    if not journal_path(configuration.store).exists():
        return AlarmList(alarms=(), rates=None, until_utc=None)
    return alarm_list(configuration.store, now_utc=utcnow(), everything=everything)


def show_alarms(found: AlarmList, *, everything: bool) -> None:
    """On stdout."""
    piped = not sys.stdout.isatty()  # whoever reads a file or a pipe wants whole lines, however wide
    console = Console(highlight=False, width=PIPE_WIDTH if piped else None)
    if found.alarms:
        console.print(_table(found))
    else:
        sys.stdout.write("no alarm was ever raised\n" if everything else "no alarm stands\n")
    if found.rates is not None and found.until_utc is not None:
        console.print(escape(_figures(found.rates, found.until_utc)), style="dim", soft_wrap=True)


def _table(found: AlarmList) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("no.", justify="right", no_wrap=True)
    table.add_column("severity\nstate", no_wrap=True)
    table.add_column("since\n(UTC)", no_wrap=True)
    table.add_column("alarm", overflow="fold", ratio=3)
    table.add_column("positions", overflow="fold", ratio=2)
    table.add_column("what to do", overflow="fold", ratio=3)
    for listed in found.alarms:
        alarm = listed.alarm
        state = f"[bold]{_STATES[alarm.state]}[/]" if alarm.state == "unacknowledged" else _STATES[alarm.state]
        table.add_row(
            str(alarm.number),
            f"[{_STYLES[alarm.severity]}]{alarm.severity}[/]\n{state}",
            f"{alarm.raised_utc:%Y-%m-%d}\n{alarm.raised_utc:%H:%M:%S}",
            f"[bold]{alarm.code} {escape(alarm.name)}[/]\n{escape(_said(listed))}",
            escape(_where(alarm)),
            "" if alarm.is_over else escape(alarm.remedy),
            style="dim" if alarm.is_over or alarm.hidden_by else "",
        )
    return table


def _where(alarm: Alarm) -> str:
    if not alarm.positions:
        return alarm.source
    counted = f" ({len(alarm.positions)})" if len(alarm.positions) > 1 else ""
    return f"{in_short(alarm.positions)}{counted}"


def _said(listed: ListedAlarm) -> str:
    """What came, and what people have said of it."""
    alarm = listed.alarm
    told = [alarm.text.removeprefix(f"{alarm.name}: ")]
    if listed.chatters:
        told.append(f"it chatters: {alarm.raises} times so far")
    elif alarm.raises > 1:
        told.append(f"it came {alarm.raises} times")
    if alarm.hidden_by is not None:
        until = "" if alarm.shelved_until_utc is None else f" until {alarm.shelved_until_utc:%Y-%m-%d %H:%M}"
        told.append(f"{_STATES[alarm.state]}{until} by {alarm.hidden_by}: {alarm.hidden_reason}")
    elif alarm.acknowledged_by is not None:
        told.append(f"acknowledged by {alarm.acknowledged_by}, {alarm.acknowledged_utc:%Y-%m-%d %H:%M}")
    return "\n".join(told)


def _figures(rates: AlarmRates, until_utc: datetime) -> str:
    floods = f"{rates.floods} flood{'' if rates.floods == 1 else 's'} (more than {FLOOD_OVER} in 10 min)"
    chattering = f", {len(rates.chattering)} that chatter" if rates.chattering else ""
    return (
        f"24 h until {until_utc:%Y-%m-%d %H:%M} UTC: {rates.raised} raised, {rates.per_period:.2f} per 10 min, "
        f"at most {rates.busiest} in 10 min, {floods}{chattering}"
    )
