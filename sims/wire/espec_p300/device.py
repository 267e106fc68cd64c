"""The controller itself: modes, set point, limits, alarms, locks. It knows no wire.

Source of the rules: the control library that the chamber maker's US branch publishes for these controllers. Not
simulated: humidity, product temperature control, timers, the contents of programs (a program only runs).
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sims.chamber import Chamber
from sims.faults import Faults

EFFECT_S = 0.2  # from the answer to a setting until the chamber acts on it

Mode = Literal["OFF", "STANDBY", "CONSTANT", "RUN"]
Model = Literal["P300", "SCP220"]


class Refused(Exception):
    """A command is answered by `NA:` and this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class P300Model:
    """What the type plate says."""

    name: Model = "P300"
    temperature_degc_min: float = -75.0
    temperature_degc_max: float = 180.0
    programs: int = 40


class P300Device:
    """One controller at one chamber, in constant mode, from power-on."""

    def __init__(self, chamber: Chamber, faults: Faults, model: P300Model | None = None) -> None:
        self.model = model or P300Model()
        self.mode: Mode = "CONSTANT"
        self.set_degc = round(chamber.target_degc, 1)
        self.high_degc = self.model.temperature_degc_max
        self.low_degc = self.model.temperature_degc_min
        self.alarms: list[int] = []
        self.key_protect = False
        self.data_protect = False  # "protection" at the panel: no settings from outside
        self.refrigeration = 9
        self.relays: set[int] = set()
        self.program = 1
        self.faults = faults
        self._chamber = chamber
        self._loop = asyncio.get_running_loop()
        self._effects: set[asyncio.TimerHandle] = set()
        self._drive()

    def actual_degc(self) -> float:
        """NaN with a broken sensor."""
        shown = np.array([[self._chamber.shown_degc(self._loop.time())]])
        self.faults.distort(shown, now_s=self._loop.time())
        return float(shown[0, 0])

    def heater_pct(self) -> float:
        """A rough figure: what the chamber's physics does is not told."""
        return 30.0 if self.mode in ("CONSTANT", "RUN") else 0.0

    def write_mode(self, mode: Mode) -> None:
        """Constant mode and programs need the controller switched on. A program stops by itself with another mode."""
        self._refuse_if_protected()
        if mode in ("CONSTANT", "RUN") and self.mode == "OFF":
            raise Refused("CHB NOT READY")
        is_off = mode in ("OFF", "STANDBY")
        if self.faults.ignores("off-ignored" if is_off else "not-applied"):
            return
        self.mode = mode
        self._later(self._drive)

    def switch_power(self, *, on: bool) -> None:
        """The main switch of the control."""
        if on and self.mode == "OFF":
            self._refuse_if_protected()
            self.mode = "STANDBY"
        elif not on:
            self.write_mode("OFF")

    def write_temperatures(self, *, set_degc: float | None, high_degc: float | None, low_degc: float | None) -> None:
        """All of it or nothing: the set point between the limits, and these in the chamber's range."""
        self._refuse_if_protected()
        set_degc = self.set_degc if set_degc is None else set_degc
        high_degc = self.high_degc if high_degc is None else high_degc
        low_degc = self.low_degc if low_degc is None else low_degc
        model = self.model
        if not model.temperature_degc_min <= low_degc < high_degc <= model.temperature_degc_max:
            raise Refused("DATA OUT OF RANGE")
        if set_degc != self.set_degc and not low_degc <= set_degc <= high_degc:
            raise Refused("DATA OUT OF RANGE")
        if self.faults.ignores("not-applied"):
            return
        self.set_degc, self.high_degc, self.low_degc = set_degc, high_degc, low_degc
        self._later(self._drive)

    def protect_keys(self, *, on: bool) -> None:
        """The panel's keys, not the wire's commands."""
        if on and self.mode == "OFF":
            raise Refused("CONT NOT READY-4")
        self.key_protect = on

    def run_program(self, number: int) -> None:
        """It only runs; its steps are not simulated."""
        if not 1 <= number <= self.model.programs:
            raise Refused("DATA NOT READY")
        self.write_mode("RUN")
        self.program = number

    def end_program(self, mode: Mode) -> None:
        """Hold counts as running on."""
        if self.mode != "RUN":
            raise Refused("CONT NOT READY-2")
        self.write_mode(mode)

    def restart(self) -> None:
        """Power went and came back: it stands by."""
        self.power_off()
        self.mode = "STANDBY"
        self._drive()

    def power_off(self) -> None:
        """Takes its timers off the loop."""
        for effect in self._effects:
            effect.cancel()
        self._effects.clear()

    def _refuse_if_protected(self) -> None:
        if self.data_protect:
            raise Refused("PROTECT ON")

    def _drive(self) -> None:
        chamber = self._chamber
        chamber.advance(self._loop.time())
        chamber.limits_degc = (self.low_degc, self.high_degc)
        if self.mode in ("CONSTANT", "RUN"):
            chamber.hold(self.set_degc, None)
        else:
            chamber.running = False

    def _later(self, act: Callable[[], None]) -> None:
        def take_effect() -> None:
            self._effects.discard(handle)
            act()

        handle = self._loop.call_later(EFFECT_S, take_effect)
        self._effects.add(handle)


def shown(degc: float) -> str:
    """As the controller prints it: one decimal, no plus sign. What it prints for a broken sensor is not documented."""
    return f"{degc + 0.0:.1f}".replace("-0.0", "0.0") if math.isfinite(degc) and abs(degc) < 1000.0 else "****.*"
