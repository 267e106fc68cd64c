"""What `cycler status` prints of cells that do not go on."""

from collections.abc import Callable
from typing import Any

import pytest

from cycler.cli.status_table import show_status

Printed = Callable[[dict[str, Any]], str]

CELL: dict[str, Any] = {
    "position": "B01/A1", "cell": "c-1", "voltage_v": 3.7, "current_a": 0.0, "temperature_degc": 25.0,
    "charged_nas": 0, "discharged_nas": 0, "step": "2", "step_type": "charge", "waits_for": None,
}  # fmt: skip


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    monkeypatch.setenv("COLUMNS", "200")

    def show(cell: dict[str, Any]) -> str:
        show_status(rack_with(cell))
        return capsys.readouterr().out

    return show


def rack_with(cell: dict[str, Any]) -> dict[str, Any]:
    bay = {
        "bay": "B01", "state": "running", "tray": "T1", "recipe": "short 1.0.0", "run": "20260101-001",
        "released_as": "trial", "progress": 0.5, "remaining_s": 60.0, "positions": [cell],
    }  # fmt: skip
    return {
        "rack": "R1", "since_utc": "2026-01-01T00:00:00", "journal": "durable", "devices": [], "alarms": [],
        "bays": [bay],
    }  # fmt: skip


def test_a_cell_that_a_restart_keeps_waiting_says_for_whom_and_why(printed: Printed) -> None:
    waits = {"for": "engineer", "text": "its device may have gone on alone", "then": "inside"}
    assert "charge 2: waits for engineer: its device may have gone on alone" in printed({**CELL, "waits": waits})


def test_a_hold_says_what_it_asks(printed: Printed) -> None:
    assert "charge 2: waits for a person: is the tray seated" in printed({**CELL, "waits_for": "is the tray seated"})


def test_who_goes_on_waits_for_nobody(printed: Printed) -> None:
    assert "waits" not in printed(CELL)
