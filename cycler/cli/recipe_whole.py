"""What `cycler recipe check` says of a run as a whole: how much it takes, of whom, and who watches over it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from cycler.recipe.canonical import content_hash
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.contradictions import contradictions
from cycler.recipe.expectation import expected_time_s
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.plan import Plan
from cycler.recipe.problems import Problem
from cycler.recipe.who_watches import who_watches
from cycler.recipe.words import in_words
from cycler.recipe.worst_case import PeakPower, Program, WorstCase, peak_power, worst_case
from cycler.service.configuration import Configuration
from cycler.service.recipe_on_rack import BayPower, ChannelKind, bay_powers, channel_kinds, power_problems

_UNKNOWN = "known once connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Of one recipe; `bays` and `kinds` are empty without a rack."""

    steps: Program
    expected_s: float
    worst: WorstCase
    peak: PeakPower
    warnings: tuple[Problem, ...]  # what is doubtful in it
    bays: tuple[BayPower, ...] = ()
    kinds: tuple[ChannelKind, ...] = ()
    power: tuple[Problem, ...] = ()  # of bays that would need more than they may have
    no_bay_can: bool = False  # every bay of the rack is too weak

    def lines(self) -> Iterator[str]:
        """Tables for people."""
        worst, peak = self.worst, self.peak
        yield ""
        rows = [("one cell", "expected", "at most", "")]
        about_s = self.expected_s if self.expected_s < 3600 else 60 * round(self.expected_s / 60)
        rows.append(("time", _text(about_s, "s"), _text(worst.time_s, "s"), "pauses and waiting not counted"))
        for name, ah, wh in (
            ("charged", worst.charge_ah, worst.charge_wh),
            ("discharged", worst.discharge_ah, worst.discharge_wh),
        ):
            rows.append((name, "", _text(ah, "Ah"), _text(wh, "Wh")))
        for name, power_w, step in (
            ("power in", peak.charge_w, peak.charge_step),
            ("power out", peak.discharge_w, peak.discharge_step),
        ):
            rows.append((name, "", _text(power_w, "W"), f"in step {step}" if step else ""))
        yield from _columns(rows)
        if self.bays:
            yield ""
            yield from _columns([("bay", "cells", "power in", "power out", "power_limit"), *map(_bay, self.bays)])
        if self.kinds:
            yield ""
            yield from _columns(self._watching())

    def document(self) -> Mapping[str, object]:
        """For programs."""
        return {
            "expected_s": self.expected_s,
            "worst_case": asdict(self.worst),
            "peak_power": asdict(self.peak),
            "warnings": [problem.as_json() for problem in self.warnings],
            "bays": [asdict(bay) for bay in self.bays],
            "watched": [
                {
                    "driver": kind.driver,
                    "devices": list(kind.devices),
                    "bounds": None if kind.keeps is None else [asdict(w) for w in who_watches(self.steps, kind.keeps)],
                }
                for kind in self.kinds
            ],
        }

    def _watching(self) -> list[tuple[str, ...]]:
        known = [who_watches(self.steps, kind.keeps) if kind.keeps is not None else None for kind in self.kinds]
        bounds = next((watched for watched in known if watched is not None), [])
        rows = [("who watches", *(_shortened(kind.devices) for kind in self.kinds))]
        for place, watched in enumerate(bounds):
            rows.append((watched.bound, *(_UNKNOWN if each is None else each[place].by for each in known)))
        return rows


def whole(loaded: LoadedRecipe, configuration: Configuration | None) -> Whole:
    """Raises `NotInstalled` and `ValueError` for devices of the rack that cannot be."""
    recipe, cell_type = loaded.recipe, loaded.cell_type
    steps = program(recipe.steps, lowering_of(recipe, cell_type, None))
    plan = Plan(
        recipe=recipe.recipe,
        version=recipe.version,
        recipe_hash=content_hash(recipe),
        cell_type=cell_type,
        from_states=recipe.from_state,
        to_state=recipe.to_state,
        program=steps,
    )
    peak = peak_power(steps)
    bays = [] if configuration is None else bay_powers(configuration, peak)
    weak = [] if configuration is None else [list(power_problems(configuration, bay, peak)) for bay in bays]
    return Whole(
        steps=steps,
        expected_s=expected_time_s(plan),
        worst=worst_case(steps),
        peak=peak,
        warnings=tuple(each.problem for each in contradictions(steps, cell_type, file=recipe.file) if not each.certain),
        bays=tuple(bays),
        kinds=() if configuration is None else tuple(channel_kinds(configuration)),
        power=tuple(problem for of_bay in weak for problem in of_bay),
        no_bay_can=bool(weak) and all(weak),
    )


def _bay(bay: BayPower) -> tuple[str, ...]:
    limit = "none" if bay.limit_w is None else _text(bay.limit_w, "W")
    return (bay.bay, str(bay.cells), _text(bay.charge_w, "W"), _text(bay.discharge_w, "W"), limit)


def _text(value: float, unit: str) -> str:
    """In times nothing is rounded away; of others three digits say enough."""
    return in_words(value if unit == "s" else float(f"{value:.3g}"), unit)


def _shortened(devices: Sequence[str]) -> str:
    return ", ".join(devices) if len(devices) <= 2 else f"{devices[0]} … {devices[-1]}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A ruled line under the first row; as wide as what stands in them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "─" * (sum(widths) + 2 * (len(widths) - 1))
