"""What simulated devices can do wrong, as a declaration says it; and what is wrong with one of them now."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cycler.contract.world import SimulatedDevice
from cycler.model.rack import Bay, ChannelRef, Rack
from cycler.model.world import FAULTS_OF_THE_PC, Fault, WorldError
from sims.cells.tables import nearest
from sims.seeds import generator

OVERFLOW = 9.9e37  # what instruments give as a number when they have none
SPELT_ALIKE = 0.75  # faults that are another driver's are no misspelt ones
SCALE = 10.0

_LINK = ("no-reply", "refused", "exception")
_READINGS = ("frozen", "nan", "out-of-range", "scale-10", "drift")
_RELAYS = frozenset({"off-ignored", "not-applied", "stuck-closed", "stuck-open", "pressure-loss"})
_LINES = _RELAYS | {"restart", "frozen", "input-active"}
_CHAMBER = frozenset(
    {*_READINGS, "exception", "restart", "off-ignored", "not-applied", "sensor-break", "chamber-fail", "door-open"}
)
CHAMBERS = frozenset({"espec_p300", "lads_thermal", "modbus_map chamber", "sim_chamber", "watlow_f4t"})
"""Sorts of devices that are one chamber each, and have no channels."""

POSSIBLE: Mapping[str, frozenset[str]] = {
    "ea_psb": frozenset({"exception", "restart", "off-ignored", "not-applied", "frozen", "word-order", "two-masters"}),
    "espec_p300": _CHAMBER,
    "lads_thermal": _CHAMBER,
    "hioki_bt3562": frozenset({*_READINGS, "restart"}),
    "keithley_2450": frozenset({*_READINGS, "restart", "off-ignored", "not-applied"}),
    "keysight_bt2200": frozenset({*_READINGS, "restart", "off-ignored", "not-applied"}),
    "modbus_map chamber": _CHAMBER,
    "modbus_map cycler": frozenset({"exception", "restart", "off-ignored", "not-applied"}),
    "modbus_map digital-io": _LINES | {"exception"},
    "modbus_map temperature": frozenset({*_READINGS, "exception", "restart", "sensor-break"}),
    "moxa_iologik": _LINES | {"exception"},
    "sim_chamber": _CHAMBER.union(_LINK),
    "sim_cycler": frozenset({*_LINK, *_READINGS, "restart", "off-ignored", "not-applied"}),
    "sim_io": _LINES.union(_LINK),
    "sim_meter": frozenset({*_LINK, *_READINGS}),
    "sim_temperature": frozenset({*_LINK, *_READINGS, "sensor-break"}),
    "watlow_f4t": _CHAMBER | {"word-order"},
}
"""By sort: what the device itself does wrong. A device inside this process has its link here too."""

_ANY_WIRE = frozenset({"no-reply", "late", "duplicate", "truncated", "extra-bytes", "byte-by-byte", "refused"})
_CONNECTIONS = frozenset({"late-after-reconnect", "half-open", "reset"})
POSSIBLE_ON_WIRE: Mapping[str, frozenset[str]] = {
    "ascii-tcp": _ANY_WIRE | _CONNECTIONS,
    "modbus-rtu": _ANY_WIRE | {"swapped-units", "crc"},
    "modbus-rtu-tcp": _ANY_WIRE | _CONNECTIONS | {"swapped-units", "crc"},
    "modbus-tcp": _ANY_WIRE | _CONNECTIONS | {"swapped-units"},
    "opc.tcp": _ANY_WIRE | _CONNECTIONS,
    "scpi-tcp": _ANY_WIRE | _CONNECTIONS,
    "serial": _ANY_WIRE,
}
"""By the scheme of the resource: what happens to bytes between any device and its host."""

WHOLE = frozenset({*_LINK, "restart", "chamber-fail", "door-open", "two-masters", "word-order"}).union(
    *POSSIBLE_ON_WIRE.values()
)
"""They strike a device, not one channel of it."""

DRIFTS: Mapping[str, Mapping[str, float]] = {
    "hioki_bt3562": {"offset_per_s": 1e-3 / 86400, "gain_per_s": 0.0},
    "keithley_2450": {"offset_per_s": 1e-3 / 86400, "gain_per_s": 0.0},
    "keysight_bt2200": {"offset_per_s": 1e-3 / 86400, "gain_per_s": 0.0},
    "modbus_map temperature": {"offset_per_s": 1.0 / 3600, "gain_per_s": 0.0},
    "sim_cycler": {"offset_per_s": 1e-3 / 86400, "gain_per_s": 0.0},
    "sim_meter": {"offset_per_s": 1e-3 / 86400, "gain_per_s": 0.0},
    "sim_temperature": {"offset_per_s": 1.0 / 3600, "gain_per_s": 0.0},
    **{chamber: {"offset_per_s": 1.0 / 3600} for chamber in sorted(CHAMBERS)},
}
"""The numbers of a drift where the declaration does not give them: V/s or K/s, and a share a second."""

NUMBERS: Mapping[str, Mapping[str, float]] = {
    "late": {"delay_s": 0.8},
    "off-ignored": {"times": math.inf},
    "not-applied": {"times": math.inf},
    "pressure-loss": {"over_s": 1800.0},
    "clock-step": {"step_s": 3600.0},
}
"""The same of other faults."""


@dataclass(slots=True, kw_only=True, eq=False)
class ActiveFault:
    """`channel` is `None` where it strikes all. `first` is what was shown when it began."""

    fault: str
    channel: str | None
    since_s: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    first: NDArray[np.float64] | None = None
    counted: NDArray[np.float64] | None = None  # … and what its counters showed
    ignored: int = 0


class Faults:
    """One device's. It asks what is wrong whenever that matters; `active` is nearly always empty."""

    def __init__(self, seed: str = "", *, low_at_rest: Collection[str] = ()) -> None:
        """`low_at_rest`: the inputs that are low when all is well."""
        self.active: list[ActiveFault] = []
        self._low_at_rest = frozenset(low_at_rest)
        self.random = Random(seed)  # for what in a fault is left to chance
        self._on_restart: Callable[[], None] = lambda: None
        self._rows: Mapping[str, int] = {}
        self._listeners: list[Callable[[str, bool], None]] = []

    def wire(self, channels: Sequence[str], on_restart: Callable[[], None] = lambda: None) -> None:
        """The device says which rows its channels are, and how it restarts."""
        self._rows = {channel: row for row, channel in enumerate(channels)}
        self._on_restart = on_restart

    def listen(self, changed: Callable[[str, bool], None]) -> None:
        """Be told of each fault that begins (True) or ends (False)."""
        self._listeners.append(changed)

    def begin(
        self, fault: str, channel: str | None = None, *, now_s: float = 0.0, numbers: Mapping[str, float] | None = None
    ) -> ActiveFault:
        """A device that comes back from a restart is silent until the fault ends."""
        begun = ActiveFault(
            fault=fault, channel=channel, since_s=now_s, numbers={**NUMBERS.get(fault, {}), **(numbers or {})}
        )
        self.active.append(begun)
        if fault == "restart":
            self._on_restart()
        for listener in self._listeners:
            listener(fault, True)
        return begun

    def end(self, fault: ActiveFault) -> None:
        """What it did is not undone."""
        self.active.remove(fault)
        for listener in self._listeners:
            listener(fault.fault, False)

    def strikes(self, fault: str, row: int | None = None) -> bool:
        """Whether it strikes this row, or without a row the device at all."""
        return bool(self.active) and any(
            active.fault == fault and (row is None or active.channel is None or self._rows[active.channel] == row)
            for active in self.active
        )

    def ignores(self, fault: Literal["off-ignored", "not-applied"], row: int | None = None) -> bool:
        """Whether the order to this row that came just now is ignored; it counts as one of the fault's `times`."""
        for active in self.active:
            if active.fault == fault and (row is None or active.channel is None or self._rows[active.channel] == row):
                active.ignored += 1
                if active.ignored <= active.numbers["times"]:
                    return True
        return False

    def inverts(self, line: str) -> bool:
        """Whether an input is other than high, which it is at rest where nobody says otherwise."""
        struck = any(active.fault == "input-active" and active.channel == line for active in self.active)
        return struck != (line in self._low_at_rest)

    def number(self, fault: str, name: str) -> float | None:
        """Of the fault that began first; `None` as long as there is none."""
        return next((active.numbers[name] for active in self.active if active.fault == fault), None)

    def drifted(self, row: int, *, now_s: float) -> float:
        """By how much more than the truth a drift's offset makes this row show."""
        return sum(
            fault.numbers["offset_per_s"] * (now_s - fault.since_s)
            for fault in self.active
            if fault.fault == "drift" and (fault.channel is None or self._rows[fault.channel] == row)
        )

    def distort(
        self,
        shown: NDArray[np.float64],
        *,
        now_s: float,
        drifting: Collection[int] = (0,),
        counted: NDArray[np.float64] | None = None,
    ) -> None:
        """Do to readings, in place, what the faults of readings do: a row per quantity, a column per channel.

        Offsets drift in the `drifting` quantities only, gains in all. What the device has `counted` is right, but for
        standing still with all the rest.
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
                        fault.first, fault.counted = shown.copy(), None if counted is None else counted.copy()
                    shown[:, struck] = fault.first[:, struck]
                    if counted is not None and fault.counted is not None:
                        counted[:, struck] = fault.counted[:, struck]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFault:
    """A fault that will come, with all its numbers."""

    declared: Fault
    numbers: Mapping[str, float]
    stream: str  # of chance: when it comes and goes


def drawn_faults(
    faults: Sequence[Fault], devices: Sequence[SimulatedDevice], rack: Rack, *, seed: int
) -> tuple[DrawnFault, ...]:
    """Raises `WorldError` for what cannot be."""
    known = {device.device: device for device in devices}
    drawn = []
    for index, fault in enumerate(faults):
        if fault.fault in FAULTS_OF_THE_PC:
            numbers = _numbers_of_the_pc(fault)
        elif fault.device not in known:
            raise WorldError(
                f"{fault.fault}: the rack has no device {fault.device!r}: {nearest(fault.device, known)}",
                line=fault.line,
            )
        else:
            interlocks = [each.input for each in rack.interlocks if each.input.device == fault.device]
            numbers = _numbers(fault, known[fault.device], {each.channel for each in interlocks})
        if fault.fault == "pressure-loss" and not bays_pressed_by(rack, fault):
            presses = sorted(str(bay.press) for bay in rack.bays.values() if bay.press is not None)
            raise _error(fault, f"name a bay's press: {', '.join(presses) or 'no bay has one'}")
        stream = f"fault:{index}:{fault.device}"
        if generator(seed, stream).random() < fault.probability:
            drawn.append(DrawnFault(declared=fault, numbers=numbers, stream=f"{stream}:times"))
    return tuple(drawn)


def bays_pressed_by(rack: Rack, fault: Fault) -> tuple[Bay, ...]:
    """The bays whose press is the output that the fault strikes."""
    press = None if fault.channel is None else ChannelRef(device=fault.device, channel=fault.channel)
    return tuple(bay for bay in rack.bays.values() if press is not None and bay.press == press)


def _numbers_of_the_pc(fault: Fault) -> Mapping[str, float]:
    if fault.device:
        raise _error(fault, "it strikes the PC and no device of the rack: leave `device` out")
    return _checked_numbers(fault, NUMBERS.get(fault.fault, {}))


def _numbers(fault: Fault, device: SimulatedDevice, interlocks: Collection[str]) -> Mapping[str, float]:
    """`interlocks`: the device's inputs that are some."""
    on_wire = POSSIBLE_ON_WIRE.get(device.resource.scheme, frozenset())
    possible = POSSIBLE.get(device.sort, frozenset()) | on_wire
    if fault.fault not in possible:
        words = f"possible are {', '.join(sorted(possible))}" if possible else "none is"
        if misspelt := get_close_matches(fault.fault, sorted(possible), n=1, cutoff=SPELT_ALIKE):
            words = f"did you mean {misspelt[0]!r}?"
        raise _error(fault, f"this fault is not simulated on it: {words}")
    if fault.fault == "input-active":
        digital = sorted(line for line in interlocks if not line.startswith("AI"))
        if fault.channel not in digital:
            those = ", ".join(f"{fault.device}/{line}" for line in digital)
            raise _error(fault, f"name an interlock's digital input: {those or 'it has none'}")
    elif fault.channel is not None:
        if fault.fault in WHOLE or device.sort in CHAMBERS:
            raise _error(fault, f"it strikes the whole device: write {fault.device}")
        if fault.channel not in device.channels:
            hint = nearest(fault.channel, device.channels)
            raise _error(fault, f"no position of the rack uses its channel {fault.channel}: {hint}")
    elif fault.fault.startswith("stuck-"):
        raise _error(fault, f"name the contactor, like {fault.device}/{(*device.channels, 'DO0')[0]}")
    return _checked_numbers(fault, DRIFTS[device.sort] if fault.fault == "drift" else NUMBERS.get(fault.fault, {}))


def _checked_numbers(fault: Fault, known: Mapping[str, float]) -> Mapping[str, float]:
    """`known`: what numbers it has, as they are where the declaration does not give them."""
    if not 0 <= fault.probability <= 1:
        raise _error(fault, f"a probability of {fault.probability:g} cannot be")
    if unknown := sorted(set(fault.numbers) - set(known)):
        raise _error(fault, f"takes {'only ' + ', '.join(known) if known else 'no numbers'}, not {', '.join(unknown)}")
    if fault.numbers.get("delay_s", 0.0) < 0:
        raise _error(fault, "nothing is answered before it is asked: give a delay of 0 or more")
    if fault.numbers.get("over_s", 1.0) <= 0:
        raise _error(fault, "a press loses its force over some time: give more than 0 s")
    if fault.fault == "drift" and fault.numbers:
        return {name: fault.numbers.get(name, 0.0) for name in known}
    return {**known, **fault.numbers}


def _error(fault: Fault, message: str) -> WorldError:
    return WorldError(f"{fault.device or 'the PC'}: {fault.fault}: {message}", line=fault.line)
