"""A rack is opened by the file that control runs by, whatever has become of the file since."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cycler.recipe.problems import InvalidFile
from cycler.service.rack_file import load_configuration
from cycler.service.rack_in_force import FILE, configuration_in_force, in_force

RACK = """
rack: {id: R1}
runtime: {path: run}
devices:
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502",
     rated: {voltage: 10 V, current: 15 A, power: 150 W}}
bays:
  - {id: B01, positions: {A1: {channel: psb-01/1}}}
"""
RENAMED = RACK.replace("psb-01", "psb-02")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    (tmp_path / "rack.yaml").write_text(RACK)
    return tmp_path / "rack.yaml"


def running_by(file: Path, troubles: list[str] | None = None) -> AbstractContextManager[None]:
    return in_force(load_configuration(file), on_trouble=[].append if troubles is None else troubles.append)


def devices(file: Path) -> tuple[list[str], str | None]:
    """Of the configuration that a rack is opened by, and what is told about it."""
    configuration, told = configuration_in_force(file)
    return [each.settings.device for each in configuration.devices], told


def test_without_control_the_rack_file_counts(file: Path) -> None:
    assert devices(file) == (["psb-01"], None)


def test_under_control_an_unchanged_file_is_nothing_to_tell(file: Path) -> None:
    with running_by(file):
        assert devices(file) == (["psb-01"], None)


@pytest.mark.parametrize("text", ["rack: {id: R1", RACK.replace("ea_psb", "ea_pbs"), ""])
def test_a_file_that_was_broken_meanwhile_keeps_no_output_on(file: Path, text: str) -> None:
    with running_by(file):
        file.write_text(text)
        found, told = devices(file)
    assert found == ["psb-01"]
    assert told is not None
    assert told.startswith(f"{file}") and told.endswith(
        f"going by {file.parent / 'run' / FILE}, by which control runs or ran"
    )


def test_a_file_that_went_away_keeps_no_output_on(file: Path) -> None:
    with running_by(file):
        file.unlink()
        assert devices(file)[0] == ["psb-01"]


def test_a_file_that_was_edited_meanwhile_is_not_what_is_energised(file: Path) -> None:
    with running_by(file):
        file.write_text(RENAMED)
        found, told = devices(file)
    assert found == ["psb-01"]
    assert told is not None and "has changed since control read it" in told


def test_a_control_that_was_killed_leaves_its_copy_and_one_that_ends_in_order_takes_it_away(file: Path) -> None:
    copy = file.parent / "run" / FILE
    with pytest.raises(RuntimeError), running_by(file):
        raise RuntimeError
    assert copy.read_text() == RACK
    with running_by(file):
        assert copy.read_text() == RACK
    assert not copy.exists()


def test_without_a_copy_a_broken_file_is_told_as_it_is(file: Path) -> None:
    file.write_text(RACK.replace("ea_psb", "ea_pbs"))
    with pytest.raises(InvalidFile, match="ea_pbs"):
        configuration_in_force(file)


def test_a_copy_that_cannot_be_used_counts_as_none(file: Path) -> None:
    (file.parent / "run").mkdir()
    (file.parent / "run" / FILE).write_text("rack: [")
    assert devices(file) == (["psb-01"], None)


def test_a_copy_that_cannot_be_written_is_no_reason_not_to_run(file: Path) -> None:
    (file.parent / "run").write_text("this is no folder")
    troubles: list[str] = []
    with running_by(file, troubles):
        assert devices(file) == (["psb-01"], None)
    assert len(troubles) == 1
