"""Whether the cells of a bay have soaked: cells are judged, not the air around them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from statistics import median
from typing import Literal

from cycler.model.rack import PositionId
from cycler.recipe.plan import ChamberRule, SoakRule

SoakState = Literal["waiting", "soaked", "timed-out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakJudgement:
    """`outside` are the cells that are not near enough to the set value, or to their middle, at this moment."""

    state: SoakState
    outside: tuple[PositionId, ...]
    text: str


class SoakWatch:
    """Follows one soak of one bay. Pure: whoever has the temperatures hands them in, with the loop's time."""

    def __init__(self, rule: SoakRule, chamber: ChamberRule, started_s: float) -> None:
        """`started_s`: when the chamber was the bay's and had its set value; what came before is not recipe time."""
        self._rule = rule
        self._target_degc = chamber.target_degc
        self._started_s = started_s
        self._within_since_s: float | None = None

    def take(self, taken_s: float, temperatures_degc: Mapping[PositionId, float]) -> SoakJudgement:
        """The cells that still run, NaN for a sensor that is broken or stale. Without cells all have soaked."""
        rule = self._rule
        outside = self._outside(temperatures_degc)
        if outside:
            self._within_since_s = None
        elif self._within_since_s is None:
            self._within_since_s = taken_s
        if not temperatures_degc or (
            self._within_since_s is not None and taken_s - self._within_since_s >= rule.hold_s
        ):
            text = f"within {rule.within_k:g} K of {self._target_degc:g} degC and of their middle for {rule.hold_s:g} s"
            return SoakJudgement(state="soaked", outside=(), text=text)
        text = "; ".join(f"{position} at {temperatures_degc[position]:.4g} degC" for position in outside)
        timed_out = taken_s - self._started_s >= rule.timeout_s
        return SoakJudgement(state="timed-out" if timed_out else "waiting", outside=outside, text=text)

    def _outside(self, temperatures_degc: Mapping[PositionId, float]) -> tuple[PositionId, ...]:
        """Off the set value, or off the middle of those that are not: two sensors that are each good to 1 K may well
        show 2 K between them.
        """
        within_k = self._rule.within_k
        near = [degc for degc in temperatures_degc.values() if abs(degc - self._target_degc) <= within_k]  # NaN is not
        middle_degc = median(near) if near else nan
        return tuple(
            position
            for position, degc in temperatures_degc.items()
            if not (abs(degc - self._target_degc) <= within_k and abs(degc - middle_degc) <= within_k)
        )
