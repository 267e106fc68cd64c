"""The data files of `sims/cells/data`, as curves and as numbers. Each file names its source and licence."""

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

CIRCUIT_COLUMNS = ("r_ohm_ohm", "i0_a", "r1_ohm", "tau1_s", "lag_s", "lag_tau_s")
SOC_BEYOND = 0.2  # overcharge follows the end's own slope this far; deep discharge to where copper dissolves


@dataclass(frozen=True, slots=True, eq=False)
class OcvTable:
    """Open-circuit voltage over charge, linear between knots, extended at both ends."""

    soc: Column
    ocv_v: Column
    docv_dt: Column  # V/K, 0 where the source gives none
    slope_v: Column  # V per unit of soc: one for each stretch between two knots

    def voltage_v(self, soc: Column) -> Column:
        """At 25 °C and at rest."""
        return np.interp(soc, self.soc, self.ocv_v)

    def entropy_v_per_k(self, soc: Column) -> Column:
        """dU/dT of the full cell."""
        return np.interp(soc, self.soc, self.docv_dt)

    def slope_v_at(self, soc: Column) -> Column:
        """dU/dsoc of the stretch that `soc` lies in."""
        stretch = np.searchsorted(self.soc, soc, side="right") - 1
        return self.slope_v.take(stretch, mode="clip")


@dataclass(frozen=True, slots=True, eq=False)
class CircuitTable:
    """Resistances and time constants at 25 °C of a cell of `capacity_ah`; beyond its range, its ends."""

    capacity_ah: float
    soc: Column
    values: Column  # a row for each of `CIRCUIT_COLUMNS`, a column for each knot
    slopes: Column  # per unit of soc, in the stretch after each knot but the last

    def at(self, soc: Column) -> Column:
        """The six values, a row of each, at each `soc`."""
        inside = np.minimum(np.maximum(soc, self.soc[0]), self.soc[-1])
        stretch = np.minimum(self.soc.searchsorted(inside, side="right"), len(self.soc) - 1) - 1
        values: Column = self.slopes.take(stretch, axis=1)
        values *= inside - self.soc.take(stretch)
        values += self.values.take(stretch, axis=1)
        return values


@cache
def ocv_table(name: str) -> OcvTable:
    """By file name without its ending: `ocv_nmc811_graphite`. Raises `ValueError` for a name that is no such file."""
    columns = read_columns(name, "ocv_")
    soc, ocv_v = columns["soc"], columns["ocv_v"]
    slope_v = np.diff(ocv_v) / np.diff(soc)
    copper_v = number("abuse", "copper_v")
    return OcvTable(
        soc=np.concatenate(([soc[0] + (copper_v - ocv_v[0]) / slope_v[0]], soc, [soc[-1] + SOC_BEYOND])),
        ocv_v=np.concatenate(([copper_v], ocv_v, [ocv_v[-1] + SOC_BEYOND * slope_v[-1]])),
        docv_dt=np.pad(np.nan_to_num(columns["docv_dt"]), 1, mode="edge"),
        slope_v=np.pad(slope_v, 1, mode="edge"),
    )


@cache
def circuit_table(name: str) -> CircuitTable:
    """By file name without its ending: `ecm_nmc811_graphite`. Raises `ValueError` as `ocv_table` does.

    The file's first line says on what cell it was identified: `of a cell of 2.30 Ah`.
    """
    columns = read_columns(name, "ecm_")
    size = re.search(r"\bof a (?:cell of )?([0-9.]+) Ah\b", _text(name))
    if size is None:
        raise ValueError(f"{name} does not say the capacity of the cell that it was identified on")
    values = np.array([columns[key] for key in CIRCUIT_COLUMNS])
    return CircuitTable(
        capacity_ah=float(size[1]),
        soc=columns["soc"],
        values=values,
        slopes=np.diff(values) / np.diff(columns["soc"]),
    )


def nearest(word: str, words: Collection[str]) -> str:
    """For the end of an error message: the word that was perhaps meant, else all there are."""
    close = get_close_matches(word, sorted(words), n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(words))}"


def read_columns(name: str, prefix: str = "") -> dict[str, Column]:
    """All columns of a file of numbers. Raises `ValueError` for a name that is no file with this prefix."""
    folder = files("sims.cells") / "data"
    names = {entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.startswith(prefix)}
    if name not in names:
        raise ValueError(f"no table is named {name!r}: {nearest(name, names)}")
    rows = _rows(name)
    return {key: np.array([float(row[key] or "nan") for row in rows]) for key in rows[0]}


@cache
def row(file: str, name: str) -> Mapping[str, float]:
    """The numbers beside a name in the first column. Raises `ValueError` for a name that is not there."""
    rows = _rows(file)
    key, *others = rows[0]
    named = {row[key]: row for row in rows}
    if name not in named:
        raise ValueError(f"no {key} is named {name!r}: {nearest(name, named)}")
    return {other: float(named[name][other]) for other in others}


@cache
def parameters(file: str, column: str) -> Mapping[str, float]:
    """One column of a file of named numbers. Raises `ValueError` for a column that is not there."""
    rows = _rows(file)
    columns = [key for key in rows[0] if key not in ("parameter", "source")]
    if column not in columns:
        raise ValueError(f"{file} has no {column!r}: {nearest(column, columns)}")
    return {row["parameter"]: float(row[column]) for row in rows}


def number(file: str, parameter: str) -> float:
    """One number of a file that has a single column of them."""
    return parameters(file, "value")[parameter]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in _text(name).splitlines() if not line.startswith("#")))


def _text(name: str) -> str:
    return (files("sims.cells") / "data" / f"{name}.csv").read_text(encoding="utf-8")
