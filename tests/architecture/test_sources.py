"""Rules for our own files that no other tool checks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("cycler", "drivers", "sims")
MODULES = sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
CLOCK = "cycler/service/clock.py"  # the one place that reads the computer's clock, for whoever injects it

# What the distribution `cycler`, which installs into the same folder, holds or may come to hold.
TAKEN_NAMES = {
    "__init__",
    "add",
    "cast",
    "concat",
    "copy",
    "cycle",
    "cycler",
    "mul",
    "overload",
    "product",
    "py",
    "reduce",
}

WRITTEN = (
    "*.md",
    "*.toml",
    "Makefile",
    ".ci/*",
    *(f"{folder}/**/*" for folder in (*FOLDERS, "tests", "deploy", "docs", "recipes")),
)
REGISTRY_HOSTS = re.compile(rb"pypi[.](org|io)|pythonhosted[.]org|anaconda[.](org|com)", re.IGNORECASE)


def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def imports_of(module: str) -> Iterator[str]:
    """`package` for `import package`, `package.name` for `from package import name`."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes_of(module: str) -> Iterator[str]:
    """`owner.name` for each attribute that is used, with the last word of the owner alone."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            yield f"{owner}.{node.attr}"


def test_a_module_says_what_it_is_for() -> None:
    assert [module for module in MODULES if not ast.get_docstring(tree_of(module))] == []


def test_time_comes_from_the_loop_and_from_the_utcnow_that_is_given() -> None:
    assert [module for module in MODULES if "time" in {name.partition(".")[0] for name in imports_of(module)}] == []
    assert [module for module in MODULES if CLOCKS & set(attributes_of(module))] == [CLOCK]


def test_nothing_lives_on_cycler_itself() -> None:
    ours = {path.name for path in (ROOT / "cycler").iterdir() if path.is_dir()}
    imported = {(module, *name.split(".")[:2]) for module in MODULES for name in imports_of(module)}
    assert [each for each in imported if each[1] == "cycler" and each[-1] not in ours] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_top_folders_are_namespaces_that_others_may_share(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
    assert not TAKEN_NAMES & {path.stem for path in (ROOT / folder).iterdir()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_package_is_one_and_shows_its_types(folder: str) -> None:
    packages = {path.parent for path in (ROOT / folder).glob("*/**/*.py")}
    assert [str(package) for package in packages if not (package / "__init__.py").exists()] == []
    shows = {ROOT / folder / package.relative_to(ROOT / folder).parts[0] / "py.typed" for package in packages}
    assert [str(path) for path in shows if not path.exists()] == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    files = {path for pattern in WRITTEN for path in ROOT.glob(pattern) if path.is_file()}
    assert [str(path) for path in files if REGISTRY_HOSTS.search(path.read_bytes())] == []
