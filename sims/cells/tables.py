"""The data files of `sims/cells/data`, as curves over the state of charge. Each file names its source and licence."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

SOC_BEYOND = 0.2  # overcharge and deep discharge follow the end's own slope this far
CIRCUIT_CAPACITY_AH = 5.15  # of the cell that the circuit tables were identified on


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
    """Resistances and time constants at 25 °C of a cell of `CIRCUIT_CAPACITY_AH`; beyond its range, its ends."""

    soc: Column
    columns: tuple[Column, ...]  # r_ohm_ohm, i0_a, r1_ohm, tau1_s, r2_ohm, tau2_s

    def at(self, soc: Column) -> tuple[Column, ...]:
        """The six columns at each `soc`."""
        return tuple(np.interp(soc, self.soc, column) for column in self.columns)


@cache
def ocv_table(name: str) -> OcvTable:
    """By file name without its ending: `ocv_nmc811_graphite`. Raises `ValueError` for a name that is no such file."""
    columns = _read(name, "ocv_")
    soc, ocv_v = columns["soc"], columns["ocv_v"]
    slope_v = np.diff(ocv_v) / np.diff(soc)
    return OcvTable(
        soc=np.concatenate(([soc[0] - SOC_BEYOND], soc, [soc[-1] + SOC_BEYOND])),
        ocv_v=np.concatenate(([ocv_v[0] - SOC_BEYOND * slope_v[0]], ocv_v, [ocv_v[-1] + SOC_BEYOND * slope_v[-1]])),
        docv_dt=np.pad(np.nan_to_num(columns["docv_dt"]), 1, mode="edge"),
        slope_v=np.pad(slope_v, 1, mode="edge"),
    )


@cache
def circuit_table(name: str) -> CircuitTable:
    """By file name without its ending: `ecm_2rc_nmc811_graphite`. Raises `ValueError` as `ocv_table` does."""
    columns = _read(name, "ecm_2rc_")
    return CircuitTable(
        soc=columns["soc"],
        columns=tuple(columns[key] for key in ("r_ohm_ohm", "i0_a", "r1_ohm", "tau1_s", "r2_ohm", "tau2_s")),
    )


def nearest(word: str, words: Collection[str]) -> str:
    """For the end of an error message: the word that was perhaps meant, else all there are."""
    close = get_close_matches(word, sorted(words), n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(words))}"


def _read(name: str, prefix: str) -> dict[str, Column]:
    folder = files("sims.cells") / "data"
    names = {entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.startswith(prefix)}
    if name not in names:
        raise ValueError(f"no table is named {name!r}: {nearest(name, names)}")
    lines = (folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {key: np.array([float(row[key] or "nan") for row in rows]) for key in rows[0]}
