"""The import-linter contracts of pyproject.toml refuse what they are there to refuse, and nothing else."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REFUSED = {
    ("cycler.contract", "cycler.model"),
    ("cycler.contract", "sims.wire"),
    ("cycler.model", "cycler.recipe"),
    ("cycler.recipe", "cycler.record"),
    ("cycler.record", "cycler.results"),
    ("cycler.record", "cycler.safety"),
    ("cycler.results", "cycler.recipe"),
    ("cycler.safety", "cycler.control"),
    ("cycler.control", "cycler.service"),
    ("cycler.service", "cycler.cli"),
    ("cycler.service", "drivers.ea_psb"),
    ("cycler.cli", "cycler.control"),
    ("drivers.ea_psb", "cycler.model"),
    ("drivers.links", "sims.wire"),
    ("sims.wire", "cycler.recipe"),
    ("sims.wire", "cycler.service"),
    ("sims.wire", "drivers.ea_psb"),
    ("sims.testing", "cycler.control"),
}
ALLOWED = {
    ("cycler.control", "cycler.record"),
    ("cycler.cli", "cycler.service"),
    ("drivers.ea_psb", "cycler.contract"),
    ("drivers.ea_psb", "drivers.links"),
    ("sims.wire", "cycler.contract"),
    ("sims.wire", "cycler.model"),
    ("sims.testing", "cycler.service"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy in which somebody wrote all the imports above, and a new part of cycler."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in ("cycler", "drivers", "sims"):
        shutil.copytree(ROOT / package, folder / package)
    for importer, imported in REFUSED | ALLOWED:
        planted = folder / importer.replace(".", "/") / f"planted_{imported.replace('.', '_')}.py"
        planted.write_text(f"import {imported}.goal\n")
        (folder / imported.replace(".", "/") / "goal.py").touch()
    (folder / "cycler/newcomer").mkdir()
    (folder / "cycler/newcomer/__init__.py").touch()
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout


def test_each_import_against_the_direction_is_reported_and_no_other(report: str) -> None:
    assert set(re.findall(r"(\S+)\.planted_\S+ -> (\S+)\.goal ", report)) == REFUSED


def test_a_new_part_of_cycler_has_to_find_its_layer(report: str) -> None:
    assert re.search(r"not listed as layers:\s+- cycler\.newcomer", report)


@pytest.mark.parametrize(("outsider", "known"), [("drivers", {"contract"}), ("sims", {"contract", "model"})])
def test_drivers_and_simulators_are_told_of_every_part_that_is_not_theirs(outsider: str, known: set[str]) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each.get("source_modules") == [outsider])
    parts = {folder.name for folder in (ROOT / "cycler").iterdir() if (folder / "__init__.py").exists()}
    assert {f"cycler.{part}" for part in parts - known} <= set(contract["forbidden_modules"])
