"""What is built is whole, and lives in one environment with the distribution `cycler`, matplotlib's helper.

Both install into the folder `cycler` of site-packages: ours are sub-packages there, theirs is the `__init__.py`.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from build import ProjectBuilder
from pyproject_hooks import quiet_subprocess_runner

pytestmark = [
    pytest.mark.system,
    pytest.mark.filterwarnings("ignore:Editable installation"),  # setuptools' own advice on every one of them
]

ROOT = Path(__file__).parents[2]
FOLDERS = ("cycler", "drivers", "sims")

OURS_WORKS = """
import importlib.util
import cycler.contract.devices, cycler.model.cell, drivers.ea_psb, sims.wire
assert importlib.util.find_spec("cycler.cli") and importlib.util.find_spec("drivers.links")
"""
THEIRS_WORKS = """
from cycler import cycler as cycle
assert list(cycle(colour=["red", "blue"])) == [{"colour": "red"}, {"colour": "blue"}]
"""


def pip(*arguments: str | Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


class Environment:
    """A fresh virtual environment; the packages in it have none of their dependencies."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self._folder = folder
        self._python = folder / "bin/python"

    def install(self, *wheels: Path) -> None:
        for wheel in wheels:
            pip("--python", self._python, "install", "--no-deps", "--no-index", wheel)

    def uninstall(self, name: str) -> None:
        pip("--python", self._python, "uninstall", "--yes", name)

    def complaint(self, program: str, *, within: Path | None = None) -> str:
        """How the program fails, empty if it does not; by default in a folder that holds nothing to import."""
        run = subprocess.run(
            [self._python, "-W", "error", "-c", program],
            cwd=within or self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return run.stderr

    def has_command(self, name: str) -> bool:
        return (self._folder / "bin" / name).exists()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that nothing is built in the tree we work in."""
    folder = tmp_path_factory.mktemp("source") / "project"
    shutil.copytree(
        ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "demo")
    )
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = ProjectBuilder(source, runner=quiet_subprocess_runner)
    return Path(builder.build("wheel", tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def editable(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `pip install -e` installs, in setuptools' default mode."""
    builder = ProjectBuilder(source, runner=quiet_subprocess_runner)
    return Path(builder.build("editable", tmp_path_factory.mktemp("editable")))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("theirs")
    pip("download", "--no-deps", "--dest", folder, "cycler>=0.12")
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(params=["wheel", "editable"])
def ours(request: pytest.FixtureRequest) -> Path:
    built: Path = request.getfixturevalue(request.param)
    return built


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


ABUSE = "cycler/recipe/library/abuse"


def test_the_wheel_holds_every_file_of_our_packages_but_recipes_that_abuse_cells(wheel: Path, source: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for folder in FOLDERS for path in (source / folder).rglob("*") if path.is_file())
    names = {path.relative_to(source).as_posix() for path in files}
    assert packed == {name for name in names if not name.startswith(f"{ABUSE}/")}
    assert any(name.startswith(f"{ABUSE}/") for name in names)


def test_the_wheel_brings_the_licence_and_the_command(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        brought = {name.partition(".dist-info/")[2]: archive.read(name) for name in archive.namelist()}
    assert brought["licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"[console_scripts]\ncycler = " in brought["entry_points.txt"]


def test_alone_it_works_from_anywhere(environment: Environment, ours: Path) -> None:
    environment.install(ours)
    assert environment.complaint(OURS_WORKS) == ""
    assert environment.has_command("cycler")


def test_installed_before_their_package_both_work(
    environment: Environment, ours: Path, theirs: Path, source: Path
) -> None:
    environment.install(ours, theirs)
    assert environment.complaint(OURS_WORKS + THEIRS_WORKS) == ""
    assert environment.complaint(THEIRS_WORKS + OURS_WORKS, within=source) == ""


def test_installed_after_their_package_both_work(
    environment: Environment, ours: Path, theirs: Path, source: Path
) -> None:
    environment.install(theirs, ours)
    assert environment.complaint(OURS_WORKS + THEIRS_WORKS) == ""
    assert environment.complaint(THEIRS_WORKS + OURS_WORKS, within=source) == ""


def test_when_their_package_goes_ours_stays(environment: Environment, ours: Path, theirs: Path) -> None:
    environment.install(theirs, ours)
    environment.uninstall("cycler")
    assert environment.complaint(OURS_WORKS) == ""
    assert "cannot import name 'cycler'" in environment.complaint(THEIRS_WORKS)


def test_when_ours_goes_their_package_stays(environment: Environment, ours: Path, theirs: Path) -> None:
    environment.install(ours, theirs)
    environment.uninstall("formation-cycler")
    assert environment.complaint(THEIRS_WORKS) == ""
    assert "No module named 'cycler.contract'" in environment.complaint(OURS_WORKS)
