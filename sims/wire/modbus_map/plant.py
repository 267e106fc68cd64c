"""What stands behind the registers of a map, by the names of its entries: sensors, lines, a chamber, or supplies."""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from cycler.contract.register_map import EntryKey, MappedBit, RegisterMap
from sims.chamber import Chamber
from sims.faults import Faults
from sims.terminal import Column
from sims.wire.modbus import ILLEGAL_VALUE, ModbusException


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Numbers in base units, NaN for none. Who sets or switches raises `ModbusException` for what cannot be.

    What is in neither `set_number` nor `switch` can only be read.
    """

    number: Mapping[EntryKey, Callable[[], float]] = field(default_factory=dict)
    set_number: Mapping[EntryKey, Callable[[float], None]] = field(default_factory=dict)
    state: Mapping[EntryKey, Callable[[], bool]] = field(default_factory=dict)
    switch: Mapping[EntryKey, Callable[[bool], None]] = field(default_factory=dict)
    all_off: Callable[[], None] = lambda: None  # its power went, or its watchdog has heard of nobody


def thermometers(register_map: RegisterMap, sensors: Callable[[], Column], faults: Faults) -> Plant:
    """`sensors` gives a column in the order of the map's registers."""

    shown, shown_s = [0.0], -math.inf

    def look(row: int) -> float:
        nonlocal shown, shown_s
        now_s = asyncio.get_running_loop().time()
        if now_s > shown_s:  # one request reads many
            column = sensors().copy()
            faults.distort(column[np.newaxis], now_s=now_s)
            shown, shown_s = column.tolist(), now_s
        return shown[row]

    return Plant(
        number={
            register.key: lambda row=row: look(row)  # type: ignore[misc]
            for row, register in enumerate(register_map.registers)
        }
    )


class Lines:
    """Inputs are high when all is well; `moved(line, closed)` hears of every output that really moves."""

    def __init__(self, register_map: RegisterMap, moved: Callable[[str, bool], None], faults: Faults) -> None:
        outputs = [bit for bit in register_map.bits if can_be_written(bit)]
        self.inputs = {str(bit.channel): True for bit in register_map.bits if bit not in outputs}
        self.outputs = {str(bit.channel): False for bit in outputs}
        self._keys = {str(bit.channel): bit.key for bit in register_map.bits}
        self._rows = {line: row for row, line in enumerate(self.outputs)}
        self._moved = moved
        self._faults = faults
        self._shown = self._now()

    def plant(self) -> Plant:
        """The lines as bits."""
        return Plant(
            state={
                key: lambda line=line: self._look(line)  # type: ignore[misc]
                for line, key in self._keys.items()
            },
            switch={
                self._keys[line]: lambda on, line=line: self._move(line, on)  # type: ignore[misc]
                for line in self.outputs
            },
            all_off=self._all_off,
        )

    def _look(self, line: str) -> bool:
        if not self._faults.strikes("frozen"):
            self._shown = self._now()
        return self._shown[line]

    def _now(self) -> dict[str, bool]:
        return {line: high != self._faults.inverts(line) for line, high in self.inputs.items()} | self.outputs

    def _all_off(self) -> None:
        for line in self.outputs:
            self._move(line, False)

    def _move(self, line: str, on: bool) -> None:
        if self.outputs[line] is not on and not self._is_held(self._rows[line], on):
            self.outputs[line] = on
            self._moved(line, on)

    def _is_held(self, row: int, on: bool) -> bool:
        if on:
            return self._faults.strikes("stuck-open", row) or self._faults.ignores("not-applied", row)
        return self._faults.strikes("stuck-closed", row) or self._faults.ignores("off-ignored", row)


class ChamberPlant:
    """A chamber's controller: what it is told beyond its range it refuses."""

    def __init__(self, register_map: RegisterMap, chamber: Chamber, faults: Faults) -> None:
        self._ranges = register_map.ranges
        self._chamber = chamber
        self._faults = faults
        self._rate_k_per_s = self._rate_max_k_per_s = self._ranges.get("rate", (0.0, math.inf))[1]

    def plant(self) -> Plant:
        """By the names that a chamber's map has."""
        chamber = self._chamber
        return Plant(
            number={
                ("air", None): self._air_degc,
                ("target", None): lambda: chamber.target_degc,
                ("rate", None): lambda: self._rate_k_per_s,
                ("limit-low", None): lambda: max(chamber.limits_degc[0], self._ranges["temperature"][0]),
                ("limit-high", None): lambda: min(chamber.limits_degc[1], self._ranges["temperature"][1]),
            },
            set_number={
                ("target", None): self._set_target,
                ("rate", None): self._set_rate,
                ("limit-low", None): lambda degc: self._set_limits(degc, chamber.limits_degc[1]),
                ("limit-high", None): lambda degc: self._set_limits(chamber.limits_degc[0], degc),
            },
            state={("run", None): lambda: chamber.running, ("door", None): lambda: chamber.door_open},
            switch={("run", None): self._run},
            all_off=lambda: self._run(False),
        )

    def _air_degc(self) -> float:
        now_s = asyncio.get_running_loop().time()
        shown = np.array([[self._chamber.shown_degc(now_s)]])
        self._faults.distort(shown, now_s=now_s)
        return float(shown[0, 0])

    def _set_target(self, degc: float) -> None:
        self._require("temperature", degc)
        if not self._faults.ignores("not-applied"):
            running = self._chamber.running
            self._advance()
            self._chamber.hold(degc, self._moves_by)
            self._chamber.running = running

    def _set_rate(self, rate_k_per_s: float) -> None:
        self._require("rate", rate_k_per_s)
        if not self._faults.ignores("not-applied"):
            self._rate_k_per_s = rate_k_per_s

    def _set_limits(self, low_degc: float, high_degc: float) -> None:
        if not self._faults.ignores("not-applied"):
            self._chamber.limits_degc = (low_degc, high_degc)

    def _run(self, on: bool) -> None:
        if self._faults.ignores("not-applied" if on else "off-ignored"):
            return
        self._advance()
        if on:
            self._chamber.hold(self._chamber.target_degc, self._moves_by)
        self._chamber.running = on

    @property
    def _moves_by(self) -> float | None:
        """The set value, in K/min; at its greatest rate it jumps."""
        return None if self._rate_k_per_s >= self._rate_max_k_per_s else 60.0 * self._rate_k_per_s

    def _require(self, quantity: str, value: float) -> None:
        low, high = self._ranges[quantity]
        if not low <= value <= high:
            raise ModbusException(ILLEGAL_VALUE)

    def _advance(self) -> None:
        self._chamber.advance(asyncio.get_running_loop().time())


def can_be_written(bit: MappedBit) -> bool:
    """A coil, or a register that is one switch."""
    return bit.function == 1 or (bit.function == 3 and bit.bit is None)
