"""Writes the catalogue into docs/protections.md: `.venv/bin/python tests/helpers/protections_table.py`."""

from collections.abc import Iterator
from pathlib import Path

from cycler.safety.catalogue import CATALOGUE
from cycler.safety.declaration import Protection

PAGE = Path(__file__).parents[2] / "docs" / "protections.md"
BEGIN, END = "<!-- from the catalogue: begin -->\n", "<!-- from the catalogue: end -->\n"


def updated(text: str) -> str:
    """The page with everything between its marks as it has to be."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n".join(_table()) + "\n" + END + after


def _table() -> Iterator[str]:
    yield "| code | what | needs | debounce | scope and action | severity | reset | what the operator does |"
    yield "|--:|---|---|---|---|---|---|---|"
    for row in CATALOGUE.values():
        cells = [
            str(row.code.value),
            f"**{row.name}**: {row.when}",
            ", ".join(row.needs) or "nothing but a running controller",
            _debounce(row),
            _action(row),
            row.severity,
            row.reset,
            row.remedy,
        ]
        yield f"| {' | '.join(cells)} |"


def _debounce(row: Protection) -> str:
    """Empty where the protection is no matter of readings."""
    if row.tier in ("device", "service"):
        return ""
    samples, for_s = row.debounce.samples, row.debounce.for_s
    text = f"{samples} samples and {for_s:g} s" if samples > 1 else "1 sample"
    if row.hard is None:
        return text
    beyond = f"{row.hard.beyond:g} K" if row.hard.unit == "K" else f"{row.hard.beyond:g} margin"
    return f"{text}; at once from {beyond} beyond"


def _action(row: Protection) -> str:
    parts = [f"{row.scope} {row.action}"]
    if row.escalates is not None:
        parts.append(f"then {row.escalates}")
    if row.thermal:
        parts.append("thermal")
    return ", ".join(parts)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
