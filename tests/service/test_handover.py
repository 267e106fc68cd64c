"""The list of what may run on: whoever opens the rest believes it only where nothing contradicts it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cycler.contract.sweep import Running
from cycler.service.handover import FILE, Finishing, Handover, NoHandover, confirms, read_handover, write_handover

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LISTED = Finishing(device="bt-01", channel="101", order_id=7, step_time_s=100.0, until_utc=NOW + timedelta(hours=1))
HANDOVER = Handover(config_hash="abc", written_utc=NOW, channels=(LISTED,))


def why_not(folder: Path, *, config_hash: str = "abc", now_utc: datetime = NOW) -> str:
    with pytest.raises(NoHandover) as caught:
        read_handover(folder, config_hash=config_hash, now_utc=now_utc)
    return str(caught.value)


def test_a_list_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_handover(tmp_path, HANDOVER)
    assert read_handover(tmp_path, config_hash="abc", now_utc=NOW) == HANDOVER


def test_a_list_that_is_missing_damaged_foreign_or_to_come_is_none(tmp_path: Path) -> None:
    assert why_not(tmp_path).endswith("is not there")
    write_handover(tmp_path, HANDOVER)
    assert why_not(tmp_path, config_hash="abd").endswith("was written under another rack file")
    assert "which is to come" in why_not(tmp_path, now_utc=NOW - timedelta(minutes=1))
    text = (tmp_path / FILE).read_text()
    for damaged in (text[:-9], text.replace("order_id", "order"), text.replace('"bt-01"', "5"), "", "[]"):
        (tmp_path / FILE).write_text(damaged)
        assert "cannot be read" in why_not(tmp_path)
    (tmp_path / FILE).write_text(text.replace("00Z", "00"))
    assert why_not(tmp_path).endswith("gives a time without its zone")


def test_a_channel_whose_step_must_have_ended_is_not_on_the_list_any_more(tmp_path: Path) -> None:
    write_handover(tmp_path, HANDOVER)
    assert read_handover(tmp_path, config_hash="abc", now_utc=NOW + timedelta(hours=1)).channels == ()


@pytest.mark.parametrize(
    ("order_id", "step_time_s", "energised", "confirmed"),
    [
        (7, None, True, True),
        (8, 160.0, True, False),
        (7, None, False, False),
        (0, 160.0, True, True),
        (0, 166.0, True, False),
        (0, 60.0, True, False),
        (0, None, True, False),
    ],
)
def test_a_device_confirms_the_order_by_its_number_or_by_the_time_in_its_step(
    order_id: int, step_time_s: float | None, energised: bool, confirmed: bool
) -> None:
    running = Running(energised=energised, regulation="cc", order_id=order_id, step_time_s=step_time_s)
    assert confirms(running, LISTED, passed_s=60.0) is confirmed
