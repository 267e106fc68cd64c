"""The chamber's controller: its states, its lock, and what it lets whom do. Nothing of the wire.

Temperatures are in degree Celsius. Rules and names: OPC 30500-1, and OPC 10000-100 for the lock.
"""

import asyncio
import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sims.chamber import Chamber
from sims.faults import Faults

RANGE_DEGC = (-20.0, 80.0)
RESOLUTION_K = 0.01
CHANGING_S = 0.3  # how long Stopping, Aborting and Clearing last
LOCK_S = 600.0  # without being renewed


class State(Enum):
    """Of the control function: name and number in FunctionalStateMachineType."""

    ABORTED = ("Aborted", 1)
    ABORTING = ("Aborting", 2)
    CLEARING = ("Clearing", 3)
    STOPPED = ("Stopped", 4)
    RUNNING = ("Running", 5)
    STOPPING = ("Stopping", 6)


LEADS_TO = {State.STOPPING: State.STOPPED, State.ABORTING: State.ABORTED, State.CLEARING: State.STOPPED}


class Refusal(Exception):
    """With the name of the status code that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What the sensor says: NaN with `is_broken`, and since when it says so."""

    temperature_degc: float
    is_broken: bool
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Who holds the unit."""

    holder: object
    client: str
    until_s: float


class LadsDevice:
    """It looks at its door whenever somebody looks at it."""

    def __init__(self, chamber: Chamber, faults: Faults, *, serial: str) -> None:
        self.chamber = chamber
        self.serial = serial
        self.target_degc = chamber.target_degc
        self._faults = faults
        self._state = State.STOPPED
        self._changed_s = 0.0
        self._lock: Lock | None = None
        self.chamber.limits_degc = RANGE_DEGC

    def power_on(self) -> None:
        """For the first time or again: it has kept its set value and its limits, and stands still."""
        self.now_s()
        self.chamber.running = False
        self._state = State.STOPPED
        self._lock = None

    # what it shows

    @property
    def state(self) -> State:
        """An open door ends a run."""
        now_s = self.now_s()
        if self._state is State.RUNNING and self.chamber.door_open:
            self._go(State.ABORTING)
        if self._state in LEADS_TO and now_s >= self._changed_s + CHANGING_S:
            self._go(LEADS_TO[self._state])
        return self._state

    @property
    def door_is_open(self) -> bool:
        return self.chamber.door_open

    def air(self) -> Air:
        """What is measured now."""
        now_s = self.now_s()
        frozen = [fault.since_s for fault in self._faults.active if fault.fault == "frozen"]
        shown = np.array([[self.chamber.shown_degc(now_s)]])
        is_broken = math.isnan(shown[0, 0]) or self._faults.strikes("sensor-break")
        self._faults.distort(shown, now_s=now_s)
        value_degc = float(shown[0, 0])
        if math.isfinite(value_degc):
            value_degc = round(value_degc / RESOLUTION_K) * RESOLUTION_K
        return Air(temperature_degc=value_degc, is_broken=is_broken, since_s=min([now_s, *frozen]))

    def lock(self) -> Lock | None:
        """Who holds the unit now. A lock that is not renewed ends."""
        if self._lock is not None and self.now_s() >= self._lock.until_s:
            self._lock = None
        return self._lock

    def fails(self) -> bool:
        """Whatever it is asked."""
        return self._faults.strikes("exception")

    # what it lets itself be told

    def check_lock(self, caller: object) -> None:
        """Raises `Refusal` where somebody else holds the unit."""
        lock = self.lock()
        if lock is not None and lock.holder is not caller:
            raise Refusal("BadUserAccessDenied")

    def set_target(self, target_degc: float) -> None:
        """A new set value, also while it stands still."""
        low_degc, high_degc = RANGE_DEGC
        if not low_degc <= target_degc <= high_degc:
            raise Refusal("BadOutOfRange")
        if self._faults.ignores("not-applied"):
            return
        self.target_degc = target_degc
        if self.state is State.RUNNING:
            self.chamber.hold(target_degc, None)

    def set_limits(self, *, low_degc: float | None = None, high_degc: float | None = None) -> None:
        """One of them or both; outside of them it stops heating or cooling by itself."""
        low_degc = self.chamber.limits_degc[0] if low_degc is None else low_degc
        high_degc = self.chamber.limits_degc[1] if high_degc is None else high_degc
        if not low_degc < high_degc:
            raise Refusal("BadOutOfRange")
        self.now_s()
        if not self._faults.ignores("not-applied"):
            self.chamber.limits_degc = (low_degc, high_degc)

    def start(self) -> None:
        """From Stopped only, and with the door closed."""
        if self.state is not State.STOPPED or self.chamber.door_open:
            raise Refusal("BadInvalidState")
        if not self._faults.ignores("not-applied"):
            self._go(State.RUNNING)
            self.chamber.hold(self.target_degc, None)

    def stop(self) -> None:
        """From Running only."""
        if self.state is not State.RUNNING:
            raise Refusal("BadInvalidState")
        if not self._faults.ignores("off-ignored"):
            self._go(State.STOPPING)

    def abort(self) -> None:
        """From every state that does something."""
        if self.state in (State.ABORTED, State.ABORTING, State.STOPPED):
            raise Refusal("BadInvalidState")
        if not self._faults.ignores("off-ignored"):
            self._go(State.ABORTING)

    def clear(self) -> None:
        """From Aborted only, and with the door closed."""
        if self.state is not State.ABORTED or self.chamber.door_open:
            raise Refusal("BadInvalidState")
        self._go(State.CLEARING)

    def init_lock(self, caller: object, *, client: str) -> bool:
        """False: somebody has it already."""
        if self.lock() is not None:
            return False
        self._lock = Lock(holder=caller, client=client, until_s=self.now_s() + LOCK_S)
        return True

    def renew_lock(self, caller: object) -> bool:
        """False: it is not the caller's."""
        lock = self.lock()
        if lock is None or lock.holder is not caller:
            return False
        self._lock = Lock(holder=caller, client=lock.client, until_s=self.now_s() + LOCK_S)
        return True

    def exit_lock(self, caller: object) -> bool:
        """False: it is not the caller's. Sessions that end do this too."""
        lock = self.lock()
        if lock is None or lock.holder is not caller:
            return False
        self._lock = None
        return True

    def break_lock(self) -> bool:
        """Whoever holds it. False: nobody does."""
        was_locked = self.lock() is not None
        self._lock = None
        return was_locked

    def _go(self, state: State) -> None:
        self._state, self._changed_s = state, self.now_s()
        if state is not State.RUNNING:
            self.chamber.running = False

    def now_s(self) -> float:
        """The present, to which the air has been brought."""
        now_s = asyncio.get_running_loop().time()
        self.chamber.advance(now_s)
        return now_s
