"""The driver that docs/writing-a-driver.md writes keeps the contract, as it stands on the page."""

import re
import sys
from importlib.abc import SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from cycler.contract.suite.temperature import TemperatureContract

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-driver.md"
FILE = re.compile(r"^## [^\n]*`(\w+)\.py`$.*?^```python$\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGE = "acme_t4"


class OnThePage(SourceLoader):
    """Loads a module from between the fences."""

    def __init__(self, source: str) -> None:
        self._source = source

    def get_filename(self, fullname: str) -> str:
        return f"{PAGE}:{fullname}"

    def get_data(self, path: str | bytes) -> bytes:
        return self._source.encode()


def written() -> dict[str, ModuleType]:
    """The page's modules, by their names."""
    sys.modules[PACKAGE] = package = ModuleType(PACKAGE)
    package.__path__ = []
    modules = {}
    for name, source in FILE.findall(PAGE.read_text(encoding="utf-8")):
        full = f"{PACKAGE}.{name}"
        loader = OnThePage(source)
        module = module_from_spec(ModuleSpec(full, loader))
        sys.modules[full] = module
        setattr(package, name, module)
        loader.exec_module(module)
        modules[name] = module
    return modules


MODULES = written()
TestAcmeT4: type[TemperatureContract] = MODULES["test_acme_t4"].TestAcmeT4


def test_its_three_files_are_as_small_as_the_page_says() -> None:
    lines = {name: len(source.splitlines()) for name, source in FILE.findall(PAGE.read_text(encoding="utf-8"))}
    assert list(lines) == ["registers", "driver", "simulator", "test_acme_t4"]
    assert lines["driver"] <= 70
