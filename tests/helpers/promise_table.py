"""Which driver is proved over which wire, under which troubles: the table in `docs/devices.md`, from the tests.

python tests/helpers/promise_table.py    writes it anew
"""

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from cycler.contract.suite.chamber import ChamberContract
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.digital_io import DigitalIoContract
from cycler.contract.suite.meter import MeterContract
from cycler.contract.suite.temperature import TemperatureContract

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "devices.md"
KINDS: Mapping[str, type] = {
    "cycler": CyclerContract,
    "chamber": ChamberContract,
    "temperature input": TemperatureContract,
    "digital I/O": DigitalIoContract,
    "meter": MeterContract,
}


@dataclass(frozen=True, kw_only=True, order=True)
class Proof:
    """One class of tests."""

    kind: str
    driver: str
    wire: str
    name: str
    troubles: frozenset[str]


def updated(text: str) -> str:
    """The document with everything between its marks as it has to be."""
    for mark, lines in (("tests", _tables()), ("drivers", _open_questions())):
        begin, end = f"<!-- from the {mark} -->\n", f"<!-- end of what is from the {mark} -->\n"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = before + begin + "\n" + "\n".join(lines) + "\n" + end + after
    return text


def _open_questions() -> Iterator[str]:
    """The section about it of each driver's own page, one level lower."""
    for file in sorted((ROOT / "drivers").glob("*/README.md")):
        title, *sections = re.split(r"^## ", file.read_text(), flags=re.MULTILINE)
        yield f"### {title.splitlines()[0].removeprefix('# ')}"
        yield ""
        said = [section for section in sections if "confirmed" in section.splitlines()[0].lower()]
        yield said[0].partition("\n")[2].strip() if said else f"See `drivers/{file.parent.name}/README.md`."
        yield ""


def _tables() -> Iterator[str]:
    found = sorted(_proofs())
    names = sorted(set().union(*(proof.troubles for proof in found)))
    for kind, contract in KINDS.items():
        proofs = [proof for proof in found if proof.kind == kind]
        suffered = [name for name in names if any(name in proof.troubles for proof in proofs)]
        yield f"### {kind[0].upper()}{kind[1:]}s"
        yield ""
        yield "| driver | wire | proved as | " + " | ".join(suffered) + " |"
        yield "|---|---|---" + "|:-:" * len(suffered) + "|"
        for proof in proofs:
            marks = ["✓" if name in proof.troubles else "–" for name in suffered]
            yield f"| `{proof.driver}` | {proof.wire} | {proof.name} | " + " | ".join(marks) + " |"
        yield ""
        yield "Every one of them keeps all of these promises, and those in bold under each trouble:"
        yield ""
        for name in sorted(name for name in dir(contract) if name.startswith("test_")):
            promise = name.removeprefix("test_").replace("_", " ")
            yield f"- **{promise}**" if "trouble" in signature(getattr(contract, name)).parameters else f"- {promise}"
        yield ""


def _proofs() -> Iterator[Proof]:
    for file in sorted((ROOT / "tests" / "contract").glob("test_*.py")):
        if "Contract" not in file.read_text():
            continue
        for name, suite in vars(_module(file)).items():
            kind = next((word for word, contract in KINDS.items() if _is(suite, contract)), None)
            if kind is None or not name.startswith("Test"):
                continue
            subject: Any = suite().make_subject()
            package, driver, *_ = type(subject.open()).__module__.split(".")
            if package not in ("drivers", "sims"):  # the example of how to write one
                continue
            troubles = getattr(subject, "troubles", None)
            yield Proof(
                kind=kind,
                driver=driver if troubles is None else troubles.driver.split()[0],
                wire="?" if troubles is None else troubles.scheme,
                name=re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.removeprefix("Test")),
                troubles=frozenset(troubles or ()),
            )


def _is(found: object, contract: type) -> bool:
    return isinstance(found, type) and issubclass(found, contract) and found is not contract


def _module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"promises_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    FILE.write_text(updated(FILE.read_text()))
