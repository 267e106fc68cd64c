"""The instrument itself: set values, rules, alarms and watchdog. It knows no wire and no cell.

Source of the rules: the maker's programming guide "ModBus & SCPI", revision 24. Not simulated: the resistance of the
source (its set value is kept, the output ignores it), supervision events, master/slave, the function generator.
"""

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from sims.faults import Faults
from sims.terminal import Supply, Terminal, TrueRegulation

FULL_SCALE = 0xCCCC  # 100 % of the rated value in every register
SET_RAW_MAX = 0xD0E5  # 102 %
THRESHOLD_RAW_MAX = 0xE147  # 110 %
AFTER_POWER_FAIL_S = 2.0  # between acknowledging a power failure and switching on
ACTUAL_RAW_MAX = 0xFFFF  # 125 %
CYCLE_S = 0.02  # how long a measurement takes: a period of the mains


class Interface(IntEnum):
    """Who is in control, as the state word names it. The maker gives 3; the two networked ones are numbered freely."""

    USB = 3
    ETHERNET = 6
    MODBUS_TCP = 7


class SetValue(IntEnum):
    """Order of the set value registers 498-504."""

    SINK_POWER = 0
    SINK_CURRENT = 1
    VOLTAGE = 2
    SOURCE_CURRENT = 3
    SOURCE_POWER = 4
    SOURCE_RESISTANCE = 5
    SINK_RESISTANCE = 6


RESISTANCES = (SetValue.SOURCE_RESISTANCE, SetValue.SINK_RESISTANCE)

Alarm = Literal["OVP", "OCP", "OPP", "OT", "PF"]
ALARM_BITS: dict[Alarm, int] = {"OVP": 16, "OCP": 17, "OPP": 18, "OT": 19, "PF": 21}

Protection = Literal["OVP", "OCP", "OPP", "sink OCP", "sink OPP"]

LIMITS: dict[int, tuple[SetValue, Literal["low", "high"]]] = {
    0: (SetValue.VOLTAGE, "high"),
    1: (SetValue.VOLTAGE, "low"),
    2: (SetValue.SOURCE_CURRENT, "high"),
    3: (SetValue.SOURCE_CURRENT, "low"),
    4: (SetValue.SOURCE_POWER, "high"),
    5: (SetValue.SINK_POWER, "high"),
    8: (SetValue.SINK_CURRENT, "high"),
    9: (SetValue.SINK_CURRENT, "low"),
}
"""Adjustment limits by their place in the block 9000-9009."""


class Refused(Exception):
    """The device does not do it; each port says so in its own way."""

    def __init__(self, reason: Literal["local", "not-in-control", "range", "not-now"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PsbModel:
    """What the type plate says, and in what models differ. The defaults are those of a 9000."""

    name: str = "PSB 9010-15"
    serial: str = "0000000001"
    rated_voltage_v: float = 10.0
    rated_current_a: float = 15.0
    rated_power_w: float = 150.0
    has_resistance_mode: bool = True
    steps: int = 26214  # the resolution of set and actual values over 0-100 %
    threshold_raw_max: int = THRESHOLD_RAW_MAX  # 0xD2F1, 103 %, on some
    power_fail_hold_s: float = 0.0  # from the return of the power until its alarm can be acknowledged; 12 s on a 10000
    reports_remote: bool = True  # bit 11 of the state word: documents and recorded frames disagree

    @property
    def resistance_ohm(self) -> tuple[float, float]:
        """The least and the most; 0 and 0 where it regulates none. Chosen freely: type plates say it, the guide not."""
        nominal_ohm = self.rated_voltage_v / self.rated_current_a if self.has_resistance_mode else 0.0
        return 0.06 * nominal_ohm, 30.0 * nominal_ohm

    @property
    def resistance_raw_min(self) -> int:
        """The lowest count of a resistance."""
        least_ohm, most_ohm = self.resistance_ohm
        return round(FULL_SCALE * least_ohm / most_ohm) if most_ohm else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentError:
    """What the instrument measures wrongly; it regulates to what it measures. Share of the rated value."""

    voltage_offset_ratio: float = 0.0
    current_offset_ratio: float = 0.0
    voltage_noise_ratio: float = 0.0  # one standard deviation
    current_noise_ratio: float = 0.0


@dataclass(slots=True, kw_only=True)
class PsbSetup:
    """What the device keeps without power. The defaults are the factory's."""

    restore_output: bool = False  # after power-on; register 408 and SYST:CONF:OUTP:REST
    keep_after_remote: bool = False  # POW:STAG:AFT:REM
    restart_after_power_fail: bool = False  # SYST:ALAR:ACT:PFA
    restart_after_over_temperature: bool = True  # SYST:ALAR:ACT:OTEM
    watchdog_on: bool = False
    watchdog_s: float = 5.0
    full_compliance: bool = False  # register 10013
    idle_close_s: float = 5.0
    user_text: str = ""


@dataclass(frozen=True, slots=True)
class Actual:
    """What the display shows: counts as in the registers 507-509, and the direction."""

    voltage_raw: int
    current_raw: int
    power_raw: int
    sinks: bool
    regulation: TrueRegulation


class PsbDevice:
    """One instrument, from power-on. Call `power_off` to take its timers off the loop."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        model: PsbModel | None = None,
        setup: PsbSetup | None = None,
        error: InstrumentError | None = None,
        seed: int = 1,
        effect_delay_s: tuple[float, float] = (0.001, 0.008),
        faults: Faults | None = None,
    ) -> None:
        self.model = model or PsbModel()
        self.setup = setup or PsbSetup()
        self.error = error or InstrumentError()
        self.faults = faults or Faults()
        self.owner: Interface | None = None
        self.local = False  # somebody has locked the front panel to "local"
        self.resistance_mode = False
        self.set_raw = [FULL_SCALE, 0, 0, 0, FULL_SCALE, self.model.resistance_raw_min, self.model.resistance_raw_min]
        self.limit_raw = [SET_RAW_MAX, 0, SET_RAW_MAX, 0, SET_RAW_MAX, SET_RAW_MAX, 0, 0, SET_RAW_MAX, 0]
        self.thresholds: dict[Protection, int] = dict.fromkeys(
            ("OVP", "OCP", "OPP", "sink OCP", "sink OPP"), self.model.threshold_raw_max
        )
        self.alarms: set[Alarm] = set()  # latched until acknowledged
        self.alarm_counts: Counter[Alarm] = Counter()
        self.host_fell_silent = False  # CTO
        self.errors: deque[tuple[int, str]] = deque()
        self.output_on = False  # as commanded …
        self.energised = False  # … and as it is
        self.shut_off = False  # by the REM-SB pin of the analog interface
        self._causes: set[Alarm] = set()  # alarms whose cause is still there
        self._restarts_after: set[Alarm] = set()  # alarms that found the output on
        self._power_back_s = float("-inf")
        self._ready_s = float("-inf")  # from then on the output can be switched on
        self._terminal = terminal
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(seed)
        self._effect_delay_s = effect_delay_s
        self._effect_at_s = 0.0
        self._effects: deque[tuple[asyncio.TimerHandle, Supply]] = deque()
        self._watchdog: asyncio.TimerHandle | None = None
        self._heard_s = 0.0
        self._contested: dict[SetValue, int] = {}  # what a second master on the same port wants them to be
        self._frozen: Actual | None = None
        self._actual: tuple[float, Actual] | None = None  # of the present cycle, and when that began

    # What the ports ask for. `interface` is who asks.

    def heard(self) -> None:
        """Any digital traffic: the watchdog starts over. It may be this that a second master came before."""
        for which, raw in self._contested.items():
            self.set_raw[which] = raw
        if self._contested:
            self._contested.clear()
            self._take_effect_later()
        self._heard_s = self._loop.time()
        if self._watchdog is None and self.setup.watchdog_on:
            self._watchdog = self._loop.call_at(self._heard_s + self.setup.watchdog_s, self._check_watchdog)

    def restart_watchdog(self) -> None:
        """Its setting may have changed."""
        self._stop_watchdog()
        self.heard()

    def take_control(self, interface: Interface) -> None:
        """Remote mode on."""
        if self.local:
            raise Refused("local")
        if self.owner not in (None, interface):
            raise Refused("not-in-control")
        self.owner = interface

    def release_control(self, interface: Interface) -> None:
        """Remote mode off; the output goes off too unless the device is set to keep it."""
        if self.owner is None:
            return
        self.require_control(interface)
        self.owner = None
        if not self.setup.keep_after_remote:
            self._switch(on=False)

    def require_control(self, interface: Interface) -> None:
        """Raises `Refused` unless this interface may write."""
        if self.local:
            raise Refused("local")
        if self.owner != interface:
            raise Refused("not-in-control")

    def write_set_value(self, which: SetValue, raw: int, interface: Interface) -> None:
        """Takes effect a short, undefined time later; reads back at once."""
        self.require_control(interface)
        if which in RESISTANCES and (not self.model.has_resistance_mode or raw < self.model.resistance_raw_min):
            raise Refused("range")
        bounds = [(side, self.limit_raw[at]) for at, (value, side) in LIMITS.items() if value is which]
        if raw > SET_RAW_MAX or any(raw > limit if side == "high" else raw < limit for side, limit in bounds):
            raise Refused("range")
        if self.faults.ignores("not-applied"):
            return
        if self.faults.strikes("two-masters"):
            self._contested.setdefault(which, self.set_raw[which])
        self.set_raw[which] = raw
        self._take_effect_later()

    def write_resistance_mode(self, on: bool, interface: Interface) -> None:
        """UIR instead of UIP: the resistances count. Takes effect with the set values."""
        self.require_control(interface)
        if on and not self.model.has_resistance_mode:
            raise Refused("not-now")
        self.resistance_mode = on
        self._take_effect_later()

    def write_limit(self, at: int, raw: int, interface: Interface) -> None:
        """An adjustment limit cannot be moved past the present set value."""
        self.require_control(interface)
        which, side = LIMITS[at]
        present = self.set_raw[which]
        if raw > SET_RAW_MAX or (raw < present if side == "high" else raw > present):
            raise Refused("range")
        self.limit_raw[at] = raw

    def write_threshold(self, which: Protection, raw: int, interface: Interface) -> None:
        """OVP, OCP, OPP, and the sink's."""
        self.require_control(interface)
        if raw > self.model.threshold_raw_max:
            raise Refused("range")
        self.thresholds[which] = raw

    def write_output(self, on: bool, interface: Interface) -> None:
        """Takes effect a short time later. Refused while an alarm stands, and for a while after a power failure."""
        self.require_control(interface)
        if on and (self.alarms or self._loop.time() < self._ready_s):
            raise Refused("not-now")
        if self.faults.ignores("not-applied" if on else "off-ignored"):
            return
        self._restarts_after.clear()
        self.output_on = on
        self._take_effect_later()

    def acknowledge(self) -> None:
        """Alarms whose cause is gone go out."""
        staying, now_s = set(self._causes), self._loop.time()
        if now_s < self._power_back_s + self.model.power_fail_hold_s:
            staying.add("PF")
        if "PF" in self.alarms - staying:
            self._ready_s = now_s + AFTER_POWER_FAIL_S
        self.alarms &= staying
        self.host_fell_silent = False

    def measure(self) -> Actual:
        """The actual values of the present cycle. Looking is also when a protection is noticed."""
        now_s = self._loop.time()
        if self._actual is not None and now_s - self._actual[0] < CYCLE_S:
            actual = self._actual[1]
        else:
            actual = self._measured()
            self._actual = now_s, actual
        if self.energised:
            self._protect(actual)
        if not self.faults.strikes("frozen"):
            self._frozen = None
            return actual
        self._frozen = self._frozen or actual
        return self._frozen

    # What happens to the device.

    def trip(self, alarm: Alarm) -> None:
        """The cause of an alarm appears: it latches, and the output goes off."""
        self._causes.add(alarm)
        self._latch(alarm)

    def clear_cause(self, alarm: Alarm) -> None:
        """The cause is gone. The alarm stays; the output comes back only where the device is set to do so."""
        self._causes.discard(alarm)
        if alarm == "PF":
            self._power_back_s = self._loop.time()
        restarts = {
            "OT": self.setup.restart_after_over_temperature,
            "PF": self.setup.restart_after_power_fail,
        }.get(alarm, False)
        if restarts and alarm in self._restarts_after:
            self._switch(on=True)
        self._restarts_after.discard(alarm)

    def switch_off_by_hand(self) -> None:
        """Somebody presses the output button at the front."""
        self._switch(on=False)

    def shut_off_by_pin(self, off: bool) -> None:
        """The REM-SB pin keeps the output off, whatever was commanded; it comes back when the pin lets go."""
        self.shut_off = off
        self._drive(self._supply())

    def restart(self) -> None:
        """Power-cycle: nobody is in control, and the output is off unless the device is set to restore it."""
        restore = self.output_on and self.setup.restore_output
        self.power_off()
        self.owner = None
        self.alarms.clear()
        self._causes.clear()
        self.alarm_counts.clear()
        self.errors.clear()
        self.host_fell_silent = False
        self._switch(on=restore)

    def power_off(self) -> None:
        """The output goes off and the timers with it."""
        self._switch(on=False)
        self._stop_watchdog()

    def _stop_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _check_watchdog(self) -> None:
        self._watchdog = None
        if not self.setup.watchdog_on:
            return
        due_s = self._heard_s + self.setup.watchdog_s
        if self._loop.time() < due_s:
            self._watchdog = self._loop.call_at(due_s, self._check_watchdog)
        else:  # the next traffic starts it again
            self.host_fell_silent = True
            self._switch(on=False)

    def _measured(self) -> Actual:
        terminal = self._terminal.measure()
        voltage_v, current_a = terminal.voltage_v, terminal.current_a
        error, model = self.error, self.model
        if error.voltage_noise_ratio or error.voltage_offset_ratio:
            voltage_v += model.rated_voltage_v * self._random.gauss(
                error.voltage_offset_ratio, error.voltage_noise_ratio
            )
        if self.energised and (error.current_noise_ratio or error.current_offset_ratio):
            current_a += model.rated_current_a * self._random.gauss(
                error.current_offset_ratio, error.current_noise_ratio
            )
        return Actual(
            self._raw(max(0.0, voltage_v) / model.rated_voltage_v),
            self._raw(abs(current_a) / model.rated_current_a),
            self._raw(abs(voltage_v * current_a) / model.rated_power_w),
            current_a < 0.0,
            terminal.regulation,
        )

    def _protect(self, actual: Actual) -> None:
        thresholds = self.thresholds
        if actual.voltage_raw > thresholds["OVP"]:
            self._latch("OVP")
        # At the threshold itself the protection wins over the regulation.
        if actual.current_raw >= thresholds["sink OCP" if actual.sinks else "OCP"]:
            self._latch("OCP")
        if actual.power_raw >= thresholds["sink OPP" if actual.sinks else "OPP"]:
            self._latch("OPP")

    def _latch(self, alarm: Alarm) -> None:
        self.alarms.add(alarm)
        self.alarm_counts[alarm] += 1
        if self.output_on:
            self._restarts_after.add(alarm)
        self._switch(on=False)

    def _switch(self, *, on: bool) -> None:
        """At once, and over whatever was still to take effect."""
        for effect, _ in self._effects:
            effect.cancel()
        self._effects.clear()
        self.output_on = on
        self._drive(self._supply())

    def _drive(self, supply: Supply) -> None:
        self.energised = supply.on
        self._actual = None
        self._terminal.drive(supply)

    def _take_effect_later(self) -> None:
        low_s, high_s = self._effect_delay_s
        # In the order in which the values came.
        self._effect_at_s = max(self._effect_at_s, self._loop.time() + self._random.uniform(low_s, high_s))
        effect = self._loop.call_at(self._effect_at_s, self._take_effect)
        self._effects.append((effect, self._supply()))

    def _take_effect(self) -> None:
        # Timers due at one instant fire in any order: whichever this is, the oldest set values come first.
        _, supply = self._effects.popleft()
        self._drive(supply)

    def _supply(self) -> Supply:
        model, error = self.model, self.error
        ratio = [self._step(raw / FULL_SCALE) for raw in self.set_raw]
        offset_a = model.rated_current_a * error.current_offset_ratio
        return Supply(
            on=self.output_on and not self.shut_off,
            voltage_v=model.rated_voltage_v * (ratio[SetValue.VOLTAGE] - error.voltage_offset_ratio),
            source_current_a=_away_from_zero(model.rated_current_a * ratio[SetValue.SOURCE_CURRENT], -offset_a),
            sink_current_a=_away_from_zero(model.rated_current_a * ratio[SetValue.SINK_CURRENT], offset_a),
            source_power_w=model.rated_power_w * ratio[SetValue.SOURCE_POWER],
            sink_power_w=model.rated_power_w * ratio[SetValue.SINK_POWER],
            sink_resistance_ohm=model.resistance_ohm[1] * ratio[SetValue.SINK_RESISTANCE] * self.resistance_mode,
        )

    def _raw(self, ratio: float) -> int:
        return min(round(FULL_SCALE * self._step(ratio)), ACTUAL_RAW_MAX)

    def _step(self, ratio: float) -> float:
        return round(ratio * self.model.steps) / self.model.steps


def _away_from_zero(current_a: float, offset_a: float) -> float:
    """A set current of 0 is a closed valve, whatever the instrument measures wrongly."""
    return max(0.0, current_a + offset_a) if current_a else 0.0
