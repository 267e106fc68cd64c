"""The controller itself: modes, set point, limits, ramp, run key, profile state. It knows no wire.

Source of the rules: what a chamber maker's control program does with it, another chamber maker's manual ("TestEquity
F4T Controller", for the ramp), and SCPI of firmware 4.07. Not simulated: loops beside the one at the chamber, manual
power, what a profile does while it runs, deviation limits of a cascade, the part's own temperature (it is the air's).
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeVar

import numpy as np

from sims.chamber import Chamber
from sims.faults import Faults

EFFECT_S = 0.2  # from an order to its effect; what is set reads back at once, what is active only then
ABSOLUTE_ZERO_DEGC = -273.15

E = TypeVar("E", bound=IntEnum)

Unit = Literal["C", "F"]
RunKey = Literal["none", "momentary", "toggle"]


class Mode(IntEnum):
    """Of the control loop, as the registers name it."""

    AUTO = 10
    MANUAL = 54
    OFF = 62


class Profile(IntEnum):
    """What the profile engine does."""

    PAUSED = 146
    RUNNING = 149
    NOT_STARTED = 251
    TERMINATED = 253
    TIMED_START = 1783


class RampAction(IntEnum):
    """When the set point ramps and does not jump."""

    BOTH = 13
    OFF = 62
    SET_POINT = 85
    STARTUP = 88


class Refused(Exception):
    """A value that cannot be. Modbus says so by an exception, SCPI says nothing."""


@dataclass(slots=True, kw_only=True)
class F4tSetup:
    """What somebody has set at the front panel, and what the chamber's maker has built in."""

    part_number: str = "F4T1L3AAA1A1AAA"  # 6 alarms, no profiles, 1 loop
    firmware: str = "04.07:0002"
    is_cascade: bool = False
    number: int = 1  # of the loop or cascade at the chamber
    low_word_first: bool = True
    unit_tcp: Unit = "C"
    unit_rtu: Unit = "C"
    clamps: bool = False  # firmware that takes the nearest limit where others refuse
    run_key: RunKey = "none"  # key 1 starts and stops the chamber; output 1 of module 1 shows whether it runs
    run_event: int = 0  # event output that starts and stops the chamber; 0 for none
    set_point_degc_min: float = -40.0
    set_point_degc_max: float = 130.0


class F4tDevice:
    """One controller at one chamber, running, from power-on. Temperatures are in degC, whatever the wire speaks."""

    def __init__(self, chamber: Chamber, faults: Faults, setup: F4tSetup | None = None) -> None:
        self.setup = setup or F4tSetup()
        self.mode = self.active_mode = Mode.AUTO
        self.set_point_degc = chamber.target_degc
        self.limits_degc = (self.setup.set_point_degc_min, self.setup.set_point_degc_max)
        self.idle_degc = chamber.target_degc
        self.ramp_action = RampAction.OFF
        self.ramp_in_hours = False
        self.ramp_k = 1.0  # per minute or hour
        self.events = [False] * 8
        self.key_down = False  # of a toggle
        self.is_running = True  # the chamber as a whole, by its key or event
        self.profile = Profile.NOT_STARTED
        self.profile_number = self.profile_step = 1
        self.alarms = [61] * 14
        self.limit_module = [61, 138, 61]  # state, status, input error of module 1: none, ok, none
        self.faults = faults
        self._chamber = chamber
        self._loop = asyncio.get_running_loop()
        self._effects: set[asyncio.TimerHandle] = set()
        self._ramp: tuple[float, float, float] | None = None  # since when, from where, K/s
        if self.setup.run_event:
            self.events[self.setup.run_event - 1] = True

    # what it measures

    def process_degc(self) -> float:
        """NaN with a broken sensor."""
        shown = np.array([[self._chamber.shown_degc(self._loop.time())]])
        self.faults.distort(shown, now_s=self._loop.time())
        return float(shown[0, 0])

    def active_degc(self) -> float:
        """The set point as it works now, ramp included."""
        if self._ramp is None:
            return self.set_point_degc
        since_s, from_degc, k_per_s = self._ramp
        moved_k = k_per_s * (self._loop.time() - since_s)
        way_k = self.set_point_degc - from_degc
        return from_degc + math.copysign(min(moved_k, abs(way_k)), way_k)

    @property
    def conditions(self) -> bool:
        """Whether it heats and cools."""
        return self.active_mode is Mode.AUTO and self.is_running

    # what the wires ask for

    def write_mode(self, value: int) -> None:
        mode = _member(Mode, value)
        if mode is not Mode.OFF and self.faults.ignores("not-applied"):
            return
        self.mode = mode
        if mode is not Mode.OFF or not self.faults.ignores("off-ignored"):
            self._later(self._take_mode)

    def write_set_point(self, degc: float) -> None:
        low_degc, high_degc = self.limits_degc
        if not low_degc <= degc <= high_degc:
            if not self.setup.clamps or math.isnan(degc):
                raise Refused
            degc = min(max(degc, low_degc), high_degc)
        if self.faults.ignores("not-applied"):
            return
        begin_degc, self._ramp = self.active_degc(), None
        if self.ramp_action in (RampAction.SET_POINT, RampAction.BOTH):
            self._ramp = (self._loop.time(), begin_degc, self._ramp_k_per_s)
        self.set_point_degc = degc
        self._later(self._drive)

    def write_limit(self, side: Literal["low", "high"], degc: float) -> None:
        low_degc, high_degc = (degc, self.limits_degc[1]) if side == "low" else (self.limits_degc[0], degc)
        if not ABSOLUTE_ZERO_DEGC <= low_degc < high_degc < math.inf:
            raise Refused
        if not self.faults.ignores("not-applied"):
            self.limits_degc = (low_degc, high_degc)

    def write_ramp_action(self, value: int) -> None:
        action = _member(RampAction, value)
        if not self.faults.ignores("not-applied"):
            self.ramp_action = action

    def write_ramp_rate(self, k: float) -> None:
        if not 0.0 <= k <= 99999.0:
            raise Refused
        if not self.faults.ignores("not-applied"):
            self.ramp_k = k

    def write_event(self, number: int, on: bool) -> None:
        if self.faults.ignores("not-applied" if on else "off-ignored"):
            return
        self.events[number - 1] = on
        if number == self.setup.run_event:
            self._later(lambda: self._run(on))

    def press_key(self, down: bool) -> None:
        """Key 1. A momentary one acts when it is pressed, a toggle stays where it is put."""
        if self.faults.ignores("off-ignored" if self.is_running else "not-applied"):
            return
        self.key_down = down
        if self.setup.run_key == "toggle":
            self._later(lambda: self._run(down))
        elif self.setup.run_key == "momentary" and down:
            self._later(lambda: self._run(not self.is_running))

    def command_profile(self, command: Literal["start", "pause", "resume", "terminate"]) -> None:
        match command:
            case "start":
                self.profile = Profile.RUNNING
            case "pause" if self.profile is Profile.RUNNING:
                self.profile = Profile.PAUSED
            case "resume" if self.profile is Profile.PAUSED:
                self.profile = Profile.RUNNING
            case "terminate" if self.profile in (Profile.RUNNING, Profile.PAUSED, Profile.TIMED_START):
                self.profile = Profile.TERMINATED

    # what happens to it

    def restart(self) -> None:
        """Power went and came back: it keeps what is set, and a chamber with a run key or event waits for that."""
        self.power_off()
        self.profile = Profile.NOT_STARTED
        self._ramp = None
        self.key_down = False
        if self.setup.run_event:
            self.events[self.setup.run_event - 1] = False
        self.active_mode = self.mode
        self._run(self.setup.run_key == "none" and not self.setup.run_event)

    def power_off(self) -> None:
        """Takes its timers off the loop."""
        for effect in self._effects:
            effect.cancel()
        self._effects.clear()

    @property
    def _ramp_k_per_s(self) -> float:
        return self.ramp_k / (3600.0 if self.ramp_in_hours else 60.0)

    def _take_mode(self) -> None:
        self.active_mode = self.mode
        self._drive()

    def _run(self, on: bool) -> None:
        self.is_running = on
        self._drive()

    def _drive(self) -> None:
        self._chamber.advance(self._loop.time())
        if self.conditions:
            self._chamber.hold(self.set_point_degc, None if self._ramp is None else self._ramp[2] * 60.0)
        else:
            self._chamber.running = False

    def _later(self, act: Callable[[], None]) -> None:
        def take_effect() -> None:
            self._effects.discard(handle)
            act()

        handle = self._loop.call_later(EFFECT_S, take_effect)
        self._effects.add(handle)


def _member(kind: type[E], value: int) -> E:
    if value not in set(kind):
        raise Refused
    return kind(value)
