"""The lines that tell how far a run is, where nobody sits at a terminal."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from cycler.cli.progress import shown_progress
from cycler.service.progress import BayProgress

NOW = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(("hours", "eta"), [(0.5, "ETA 17:00"), (23.5, "ETA 16:00"), (30.0, "ETA Tue 24 22:30")])
def test_an_end_that_is_more_than_a_day_away_is_told_with_its_day(
    hours: float, eta: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bay = BayProgress(
        bay="B01",
        cells=2,
        ended=0,
        step="rest 1",
        elapsed_s=10.0,
        remaining_s=hours * 3600,
        eta_utc=NOW + timedelta(hours=hours),
    )
    with shown_progress(Console(file=StringIO())) as show:
        show([bay])
    assert capsys.readouterr().err.rstrip().endswith(eta)
