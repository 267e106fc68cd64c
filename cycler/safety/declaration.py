"""What is declared of a protection, and on which positions it is there: where all of its inputs are."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from cycler.model.alarm import AlarmCode
from cycler.model.rack import InterlockScope

Tier = Literal["device", "sample", "rack", "service"]
"""Who judges: the device by itself, every reading of a channel, the rack as a whole, the service around it."""

Input = Literal[
    "voltage", "current", "temperature", "tray temperatures", "output voltage", "second voltage", "device counter",
    "bipolar sense", "moving values", "proven watchdog", "limit read-back", "chamber", "press input",
    "vacuum input", "tray input", "door input", "light-curtain input", "limiter input", "smoke input", "gas input",
    "aspirating input", "heat input", "suppression input", "suppression-fault input", "estop input",
    "building-fire input", "leak input", "cooling-water input", "compressed-air input",
    "probe resistance", "recipe test", "step checksum", "device flags", "link counters", "calibration record",
    "expected serial", "approved firmware", "disk gauge", "loop lateness", "setting read-back", "clock status",
    "gateway",
]  # fmt: skip
"""What a protection is judged by. Those that no position has are still to come."""

Action = Literal["off", "off-latched", "withhold-charge", "hold", "no-start", "warn", "on-controller-loss"]
"""`hold` and `withhold-charge` open the relay, too; the cell has not failed. `on-controller-loss`: what the device is
resolved to do without us."""

Severity = Literal["critical", "high", "medium", "low"]
"""How soon a person must act: at once, within minutes, in this shift, when there is time."""

Reset = Literal["itself", "run", "maintenance", "local"]
"""What ends it: its cause is gone; the run is over, and an engineer decides about the cell; maintenance has checked the
device; its cause is gone, somebody has turned the reset at the rack, and a named person has given the reason."""

Stops = Literal["charge", "discharge", "both", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """Consecutive fresh samples *and* time; a missing or bad sample within them counts for the trip."""

    samples: int = 1
    for_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hard:
    """So far beyond its limit the first sample trips: times the margin that the limit itself has, or in kelvin."""

    beyond: float
    unit: Literal["margin", "K"] = "margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """One of the catalogue. `escalates`: its scope where it persists. `raised_as`: reason codes that stand for it.

    `thermal`: all charging of its bay stops, the heater of its chamber goes off, the neighbours in its zone hold, and
    the bay is watched.
    """

    code: AlarmCode
    name: str
    when: str
    tier: Tier
    needs: tuple[Input, ...]
    debounce: Debounce
    hard: Hard | None
    stops: Stops
    scope: InterlockScope
    escalates: InterlockScope | None
    action: Action
    thermal: bool
    severity: Severity
    reset: Reset
    raised_as: tuple[str, ...]
    remedy: str

    @property
    def latches(self) -> bool:
        """Nothing goes on only because the cause is gone."""
        return self.reset in ("maintenance", "local")

    def missing(self, inputs: Collection[Input]) -> tuple[Input, ...]:
        """Of its inputs, those that are not there; none: the protection is available."""
        return tuple(need for need in self.needs if need not in inputs)


def not_available(
    catalogue: Mapping[AlarmCode, Protection], inputs: Collection[Input]
) -> dict[AlarmCode, tuple[Input, ...]]:
    """What a position with these inputs does not have, and which inputs are missing for it."""
    missing = {code: protection.missing(inputs) for code, protection in catalogue.items()}
    return {code: needs for code, needs in missing.items() if needs}


def in_words(missing: Mapping[AlarmCode, Iterable[Input]]) -> str:
    """For people: `9 (no temperature), 12 (no tray temperatures)`."""
    return ", ".join(f"{int(code)} (no {', no '.join(needs)})" for code, needs in sorted(missing.items()))
