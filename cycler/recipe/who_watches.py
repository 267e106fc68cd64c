"""Of all that holds a run within bounds: what a device keeps by itself, and what only the software watches.

An order carries the trips of its step to the device, the highest current, charge and time, and the times within a
pulse. All other ends of a step are the software's, and every bound is watched by it as well. A limit of the device that
nobody has proven counts as none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cycler.contract.capabilities import DeviceProtection, Keeps
from cycler.recipe.bounds import trip_v
from cycler.recipe.plan import PlanStep
from cycler.recipe.words import in_words
from cycler.recipe.worst_case import Program

SOFTWARE = "software"
BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One bound, and who watches it."""

    bound: str
    by: str


def who_watches(program: Program, keeps: Keeps) -> list[Watched]:
    """In the order of what hurts most. The bounds are the same for every device."""
    steps = [step for step in program if isinstance(step, PlanStep)]
    driven = [step for step in steps if any(p.direction != "rest" for v in step.variants for p in v.different)]
    found = [Watched(bound="set current and voltage", by="device")] if driven else []
    found += [Watched(bound=bound, by=_protected(name, keeps)) for bound, name in _trips(driven)]
    timed = [step for step in steps if step.pulse is not None or step.train is not None]
    held = max((len(v.phases) for step in timed for v in step.variants), default=0)
    if held > 1:
        found.append(Watched(bound="edges within a pulse", by=_edges(held, keeps)))
    tested = sorted({t.quantity for step in steps for v in step.variants for c in (*v.until, *v.fail) for t in c.tests})
    if tested:
        found.append(Watched(bound=f"ends and fails by {', '.join(tested)}", by=SOFTWARE))
    found.append(Watched(bound="temperature of each cell", by=SOFTWARE))
    found.append(Watched(bound="silence of this computer", by=_silence(keeps)))
    return found


def _trips(driven: list[PlanStep]) -> Iterator[tuple[str, DeviceProtection]]:
    if not driven:
        return
    highest_v = {trip_v(step.envelope, "charge") for step in driven}
    lowest_v = {trip_v(step.envelope, "discharge") for step in driven}
    most_ah = {step.envelope.capacity_ah for step in driven}
    yield f"trip above {_span(highest_v, 'V')}", "over_voltage"
    yield f"trip below {_span(lowest_v, 'V')}", "under_voltage"
    yield "current above the set one", "over_current"
    yield f"charge of a step, {_span(most_ah, 'Ah')}", "over_charge"
    yield "time of a step", "time"


def _protected(name: DeviceProtection, keeps: Keeps) -> str:
    if name not in keeps.protections:
        return SOFTWARE
    return f"{SOFTWARE} (device not proven)" if keeps.limit_readback == "no" else BOTH


def _edges(held: int, keeps: Keeps) -> str:
    if keeps.phases_max == 1 or "time_s" not in keeps.ends:
        return SOFTWARE
    return "device" if held <= keeps.phases_max else f"device, {keeps.phases_max} phases at a time"


def _silence(keeps: Keeps) -> str:
    if keeps.watchdog is None or keeps.watchdog.watches != "host":
        return "nobody: needs a contactor"
    proven = "" if keeps.watchdog.proven else " (not proven)"
    return f"device, {in_words(keeps.watchdog.timeout_s, 's')}{proven}"


def _span(values: set[float], unit: str) -> str:
    return " or ".join(in_words(value, unit) for value in sorted(values))
