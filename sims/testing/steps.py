"""The steps of a recipe, as a test would say them; each builder gives the text that an author would write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a step ends: `quantity` passes `value` in the direction of the step."""

    quantity: str
    value: str

    def text(self, *, falling: bool) -> str:
        """As a condition of a recipe."""
        down = self.quantity == "current" or (falling and self.quantity == "voltage")
        return f"{self.quantity} {'<=' if down else '>='} {self.value}"


def voltage(volts: float) -> Bound:
    """Reached from below in a charge, from above in a discharge."""
    return Bound("voltage", f"{volts:.6f} V")


def taper(c_rate: float) -> Bound:
    """The current of a CV falls to this."""
    return Bound("current", f"{c_rate:.6f}C")


def amp_hours(amp_hours: float) -> Bound:
    """Moved in this step."""
    return Bound("capacity", f"{amp_hours:.6f} Ah")


def hours(hours: float) -> Bound:
    """In this step."""
    return Bound("time", f"{hours:.6f} h")


def minutes(minutes: float) -> Bound:
    """In this step."""
    return Bound("time", f"{minutes:.6f} min")


def charge(*, c_rate: float, until: Sequence[Bound], cv_v: float | None = None, tag: str | None = None) -> str:
    """CC, or CC-CV where `cv_v` is given."""
    return _drive("charge", c_rate=c_rate, until=until, cv_v=cv_v, tag=tag)


def discharge(*, c_rate: float, until: Sequence[Bound], cv_v: float | None = None, tag: str | None = None) -> str:
    """CC, or CC-CV where `cv_v` is given."""
    return _drive("discharge", c_rate=c_rate, until=until, cv_v=cv_v, tag=tag)


def rest(*, minutes: float) -> str:
    """Relay open."""
    return f"rest: {{time: {minutes:.6f} min}}"


def ocv(*, minutes: float, tag: str | None = None) -> str:
    """Relay open for so long, and then the voltage."""
    return f"ocv: {{time: {minutes:.6f} min{_tagged(tag)}}}"


def acir(*, tag: str | None = None) -> str:
    """The resistance at 1 kHz."""
    return f"acir: {{frequency: 1 kHz{_tagged(tag)}}}"


def pulse(*, c_rate: float, seconds: float, values_s: Sequence[float]) -> str:
    """A `dcir` in discharge, with the resistance at these times after its edge."""
    values = ", ".join(f"{value:g} s" for value in values_s)
    return f"dcir: {{direction: discharge, current: {c_rate:.6f}C, time: {seconds:g} s, values: [{values}]}}"


def soak(*, degc: float, minutes: float = 10.0, timeout_h: float = 3.0) -> str:
    """Until all cells of the bay have been within 2 K of that, and of each other, for so long."""
    return f"soak: {{chamber: {degc:g} degC, cells_within: 2 degC, hold: {minutes:g} min, timeout: {timeout_h:g} h}}"


def chamber(*, degc: float, wait_minutes: float) -> str:
    """The chamber is set, and the cells rest for so long."""
    return f"chamber: {{target: {degc:g} degC, wait: {wait_minutes:g} min}}"


def contact() -> str:
    """The staged check of all cells of the bay."""
    return "contact: {}"


def _tagged(tag: str | None) -> str:
    return "" if tag is None else f", tag: {tag}"


def recipe_text(steps: Sequence[str], *, cell_type: str, states: Iterable[str] = ("formed",)) -> str:
    """A whole recipe, for cells in these states of the ledger."""
    head = f"recipe: test\nversion: 1.0.0\ncell_type: {cell_type}\nfrom_state: [{', '.join(states)}]\n"
    head += "record: {every: 10 s, voltage: 5 mV}\nsteps:\n"
    return head + "".join(f"  - {step}\n" for step in steps)


def _drive(word: str, *, c_rate: float, until: Sequence[Bound], cv_v: float | None, tag: str | None) -> str:
    keys = [f"current: {c_rate:.6f}C"]
    if cv_v is not None:
        keys.append(f"voltage: {cv_v:.6f} V")
    ends = ", ".join(bound.text(falling=word == "discharge") for bound in until)
    keys.append(f"until: [{ends}]")
    if tag is not None:
        keys.append(f"tag: {tag}")
    return f"{word}: {{{', '.join(keys)}}}"
