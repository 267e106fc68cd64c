"""What simulated devices can do wrong, as a declaration says it; and what is wrong with one of them now."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from cycler.contract.world import SimulatedDevice
from cycler.model.world import Fault, WorldError
from sims.cells.tables import nearest
from sims.seeds import generator

OVERFLOW = 9.9e37  # what instruments give as a number when they have none
SPELT_ALIKE = 0.75  # faults that are another driver's are no misspelt ones
SCALE = 10.0

_LINK = ("no-reply", "refused", "exception")
_READINGS = ("frozen", "nan", "out-of-range", "scale-10", "drift")
POSSIBLE: Mapping[str, frozenset[str]] = {
    "sim_cycler": frozenset({*_LINK, *_READINGS, "restart", "off-ignored", "not-applied"}),
    "sim_temperature": frozenset({*_LINK, *_READINGS, "sensor-break"}),
    "sim_chamber": frozenset(
        {*_LINK, *_READINGS, "restart", "off-ignored", "not-applied", "sensor-break", "chamber-fail", "door-open"}
    ),
    "sim_io": frozenset({*_LINK, "restart", "off-ignored", "not-applied", "frozen", "stuck-closed", "stuck-open"}),
    "ea_psb": frozenset({"no-reply"}),
}
"""By driver. What only bytes on a wire can suffer does not happen to a device that has none."""

WHOLE = frozenset({*_LINK, "restart", "chamber-fail", "door-open"})
"""They strike a device, not one channel of it."""

DRIFTS: Mapping[str, Mapping[str, float]] = {
    "sim_cycler": {"offset_per_s": 1e-3 / 86400, "gain_per_s": 0.0},
    "sim_temperature": {"offset_per_s": 1.0 / 3600, "gain_per_s": 0.0},
    "sim_chamber": {"offset_per_s": 1.0 / 3600},
}
"""The numbers of a drift where the declaration does not give them: V/s or K/s, and a share a second."""


@dataclass(slots=True, kw_only=True, eq=False)
class ActiveFault:
    """`channel` is `None` where it strikes all. `first` is what was shown when it began."""

    fault: str
    channel: str | None
    since_s: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    first: NDArray[np.float64] | None = None


class Faults:
    """One device's. It asks what is wrong whenever that matters; `active` is nearly always empty."""

    def __init__(self) -> None:
        self.active: list[ActiveFault] = []
        self._on_restart: Callable[[], None] = lambda: None
        self._rows: Mapping[str, int] = {}

    def wire(self, channels: Sequence[str], on_restart: Callable[[], None] = lambda: None) -> None:
        """The device says which rows its channels are, and how it restarts."""
        self._rows = {channel: row for row, channel in enumerate(channels)}
        self._on_restart = on_restart

    def begin(
        self, fault: str, channel: str | None = None, *, now_s: float = 0.0, numbers: Mapping[str, float] | None = None
    ) -> ActiveFault:
        """A device that comes back from a restart is silent until the fault ends."""
        begun = ActiveFault(fault=fault, channel=channel, since_s=now_s, numbers=numbers or {})
        self.active.append(begun)
        if fault == "restart":
            self._on_restart()
        return begun

    def end(self, fault: ActiveFault) -> None:
        """What it did is not undone."""
        self.active.remove(fault)

    def strikes(self, fault: str, row: int | None = None) -> bool:
        """Whether it strikes this row, or without a row the device at all."""
        return any(
            active.fault == fault and (row is None or active.channel is None or self._rows[active.channel] == row)
            for active in self.active
        )

    def drifted(self, row: int, *, now_s: float) -> float:
        """By how much more than the truth a drift's offset makes this row show."""
        return sum(
            fault.numbers["offset_per_s"] * (now_s - fault.since_s)
            for fault in self.active
            if fault.fault == "drift" and (fault.channel is None or self._rows[fault.channel] == row)
        )

    def distort(self, shown: NDArray[np.float64], *, now_s: float, drifting: Collection[int] = (0,)) -> None:
        """Do to readings, in place, what the faults of readings do: a row per quantity, a column per channel.

        Offsets drift in the `drifting` quantities only, gains in all.
        """
        for fault in self.active:
            row = None if fault.channel is None else self._rows[fault.channel]
            struck = slice(None) if row is None else slice(row, row + 1)
            match fault.fault:
                case "nan" | "sensor-break":
                    shown[:, struck] = np.nan
                case "out-of-range":
                    shown[:, struck] = OVERFLOW
                case "scale-10":
                    shown[:, struck] *= SCALE
                case "drift":
                    passed_s = now_s - fault.since_s
                    shown[:, struck] *= 1.0 + fault.numbers["gain_per_s"] * passed_s
                    for quantity in drifting:
                        shown[quantity, struck] += fault.numbers["offset_per_s"] * passed_s
                case "frozen":
                    if fault.first is None:
                        fault.first = shown.copy()
                    shown[:, struck] = fault.first[:, struck]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFault:
    """A fault that will come, with all its numbers."""

    declared: Fault
    numbers: Mapping[str, float]
    stream: str  # of chance: when it comes and goes


def drawn_faults(
    faults: Sequence[Fault], devices: Sequence[SimulatedDevice], *, wire_in_memory: bool, seed: int
) -> tuple[DrawnFault, ...]:
    """Raises `WorldError` for what cannot be."""
    known = {device.device: device for device in devices}
    drawn = []
    for index, fault in enumerate(faults):
        if fault.device not in known:
            raise WorldError(
                f"{fault.fault}: the rack has no device {fault.device!r}: {nearest(fault.device, known)}",
                line=fault.line,
            )
        numbers = _numbers(fault, known[fault.device], wire_in_memory=wire_in_memory)
        stream = f"fault:{index}:{fault.device}"
        if generator(seed, stream).random() < fault.probability:
            drawn.append(DrawnFault(declared=fault, numbers=numbers, stream=f"{stream}:times"))
    return tuple(drawn)


def _numbers(fault: Fault, device: SimulatedDevice, *, wire_in_memory: bool) -> Mapping[str, float]:
    possible = POSSIBLE.get(device.driver, frozenset())
    if not device.resource.in_process and not wire_in_memory:
        possible = frozenset()  # there the kernel carries the bytes
    if fault.fault not in possible:
        words = f"possible are {', '.join(sorted(possible))}" if possible else "none is, behind this wire"
        if misspelt := get_close_matches(fault.fault, sorted(possible), n=1, cutoff=SPELT_ALIKE):
            words = f"did you mean {misspelt[0]!r}?"
        raise _error(fault, f"this fault is not simulated on it: {words}")
    if not 0 <= fault.probability <= 1:
        raise _error(fault, f"a probability of {fault.probability:g} cannot be")
    if fault.channel is not None:
        if fault.fault in WHOLE or device.driver == "sim_chamber":
            raise _error(fault, f"it strikes the whole device: write {fault.device}")
        if fault.channel not in device.channels:
            hint = nearest(fault.channel, device.channels)
            raise _error(fault, f"no position of the rack uses its channel {fault.channel}: {hint}")
    elif fault.fault.startswith("stuck-"):
        raise _error(fault, f"name the contactor, like {fault.device}/{(*device.channels, 'DO0')[0]}")
    known = DRIFTS[device.driver] if fault.fault == "drift" else {}
    if unknown := sorted(set(fault.numbers) - set(known)):
        raise _error(fault, f"takes {'only ' + ', '.join(known) if known else 'no numbers'}, not {', '.join(unknown)}")
    if not fault.numbers:
        return known
    return {name: fault.numbers.get(name, 0.0) for name in known}


def _error(fault: Fault, message: str) -> WorldError:
    return WorldError(f"{fault.device}: {fault.fault}: {message}", line=fault.line)
