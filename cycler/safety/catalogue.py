"""The catalogue of protections: one table of all alarm codes, from which limits, interlocks and alarms take what they
say and how long they wait. The numbers of debounces and hard margins are judgement: defaults of formation cabinets
and battery management systems, good to begin with. Scopes and actions: the field's practice, `docs/protections.md`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.interlock import KINDS
from cycler.model.rack import InterlockScope
from cycler.safety.declaration import Action, Debounce, Hard, Input, Protection, Reset, Severity, Stops, Tier

AT_ONCE: Final = Debounce()
ELECTRICAL: Final = Debounce(samples=2, for_s=0.4)
DEVIATION: Final = Debounce(samples=3, for_s=2.0)
THERMAL: Final = Debounce(samples=2, for_s=1.0)
SWITCHED: Final = Debounce(samples=2, for_s=0.1)
"""Of inputs: contacts bounce for some milliseconds (foxBMS 2 gives an interlock 100 ms)."""

_CLEAN: Final = "Clean the probes and press again. If it stays with the position, lock the channel."
_CHECK: Final = "Lock the channel and check it on a dummy load."
_QUARANTINE: Final = "Quarantine the cell and do not energise it again."
_WATCH: Final = "Keep away and watch the bay for an hour, then quarantine the cell."
_DEVICE: Final = "Call maintenance; the device stays off until it has been checked."
_FIRE: Final = "Leave the rack and follow the fire plan. Reset at the rack only when it is proven cold."
_CURVE: Final = "Compare the curve with the recipe, then test the cell again."


def _row(
    number: int,
    name: str,
    when: str,
    needs: Iterable[Input],
    remedy: str,
    *,
    tier: Tier = "sample",
    debounce: Debounce = AT_ONCE,
    hard: Hard | None = None,
    stops: Stops = "both",
    scope: InterlockScope = "channel",
    escalates: InterlockScope | None = None,
    action: Action = "off",
    thermal: bool = False,
    severity: Severity = "high",
    reset: Reset = "run",
    raised_as: tuple[str, ...] = (),
) -> Protection:
    return Protection(
        code=AlarmCode(number),
        name=name,
        when=when,
        tier=tier,
        needs=tuple(needs),
        debounce=debounce,
        hard=hard,
        stops=stops,
        scope=scope,
        escalates=escalates,
        action=action,
        thermal=thermal,
        severity=severity,
        reset=reset,
        raised_as=raised_as,
        remedy=remedy,
    )


def _contact(
    number: int, name: str, when: str, needs: Iterable[Input], remedy: str, *raised_as: str, severity: Severity = "low"
) -> Protection:
    """Judged by the contact check, or with the first real current."""
    return _row(number, name, when, needs, remedy, severity=severity, raised_as=raised_as)


def _of_device(
    number: int, name: str, when: str, remedy: str = _DEVICE, *, scope: InterlockScope = "device"
) -> Protection:
    """Told by the device itself."""
    return _row(
        number, name, when, ["device flags"], remedy, tier="device", scope=scope, severity="high", reset="maintenance"
    )


def _input(
    number: int,
    name: str,
    remedy: str,
    *,
    scope: InterlockScope = "bay",
    action: Action = "off",
    thermal: bool = False,
    severity: Severity = "high",
    reset: Reset = "itself",
) -> Protection:
    """Wired to a digital input of that kind. An interlock of the rack file says the scope and action that it has."""
    kind = _KIND_OF[AlarmCode(number)]
    needs: list[Input] = [f"{kind} input"]  # type: ignore[list-item] # every kind has its input
    return _row(
        number, name, f"the {kind} input is active, or cannot be read", needs, remedy, tier="rack", debounce=SWITCHED,
        scope=scope, action=action, thermal=thermal, severity=severity, reset=reset,
    )  # fmt: skip


_KIND_OF: Final = {code: kind for kind, code in KINDS.items()}

_ROWS: Final = (
    _row(1, "cell over-voltage", "above the envelope by more than the trip margin", ["voltage"],
         "Quarantine the cell. Check the sense wires of its position.",
         debounce=ELECTRICAL, hard=Hard(beyond=1), stops="charge", severity="critical", reset="local"),
    _row(2, "cell under-voltage", "below the envelope by more than the trip margin, not at rest", ["voltage"],
         "Quarantine the cell and never charge it again.",
         debounce=ELECTRICAL, hard=Hard(beyond=1), stops="discharge", severity="critical"),
    _row(3, "charge over-current", "above the set current by more than its tolerance", ["current"], _CHECK,
         debounce=ELECTRICAL, hard=Hard(beyond=1), stops="charge"),
    _row(4, "discharge over-current", "above the set current by more than its tolerance", ["current"], _CHECK,
         debounce=ELECTRICAL, hard=Hard(beyond=1), stops="discharge"),
    _row(5, "over-power", "above what the step can ask for, or the channel gives", ["voltage", "current"],
         _CHECK, debounce=ELECTRICAL, hard=Hard(beyond=1)),
    _row(6, "over-capacity in the step", "the step has moved more than the envelope allows", ["current"],
         "Quarantine the cell: it may have an internal short.", severity="critical"),
    _row(7, "over-capacity since full or empty", "more moved one way since the last full or empty than a cell holds",
         ["current"], "Quarantine the cell: it may have an internal short.", stops="charge",
         severity="critical"),
    _row(8, "over-energy in the step", "the step has moved more energy than its charge can have",
         ["voltage", "current"], "Quarantine the cell. Check the sense wires of its position."),
    _row(9, "cell over-temperature", "above the envelope's window for what the step does", ["temperature"], _WATCH,
         debounce=THERMAL, hard=Hard(beyond=5, unit="K"), thermal=True, severity="critical"),
    _row(10, "cell under-temperature", "below the envelope's window for what the step does, not at rest",
         ["temperature"], "Let the cell reach its window before it is charged.",
         debounce=THERMAL, hard=Hard(beyond=5, unit="K"), stops="charge", action="withhold-charge", severity="medium"),
    _row(11, "temperature rises fast", "faster than its current, its body and its chamber can warm it",
         ["temperature"], _WATCH, debounce=THERMAL, thermal=True, severity="critical"),
    _row(12, "cell warmer than its tray", "away from the middle of the tray at rest, judged with the run's results: a "
         "thermocouple that drifts must not stop a bay", ["tray temperatures"],
         "Check chamber and sensor, then test the cell again.", tier="service", action="warn", severity="high"),
    _contact(13, "reversed polarity", "below the window of a cell that is the right way round",
             ["voltage", "bipolar sense"], _QUARANTINE, "REVERSED", severity="critical"),
    _contact(14, "no cell", "the voltage jumps to the clamp, and nothing flows", ["voltage", "current"],
             "Press again. If the place is empty, go on without it.", "ABSENT"),
    _contact(15, "unexpected cell", "a voltage at a position that was left empty", ["voltage"],
             "Identify the cell and correct the load list.", "UNEXPECTED_CELL", severity="medium"),
    _contact(16, "initial voltage high", "above what the cell's history, or the recipe, expects", ["voltage"],
             "Stop the tray and find out which cells these are.", "STATE_CONTRADICTED", "WRONG_CHEMISTRY",
             "WRONG_TRAY", severity="medium"),
    _contact(17, "initial voltage low", "below what the cell's history, or the recipe, expects", ["voltage"],
             "Stop the tray and find out which cells these are.", "STATE_CONTRADICTED", "SHORT", "WRONG_TRAY",
             severity="medium"),
    _contact(18, "resistance of the power contact", "output minus sense at the first real current",
             ["output voltage"], _CLEAN, "BAD_CONTACT"),
    _contact(19, "resistance of the sense contact", "by the probe check of a device that has one",
             ["probe resistance"], _CLEAN),
    _row(20, "open sense wire", "the output is farther from the sense than leads explain, or only a charge gets there",
         ["voltage", "current"], "Clean the probes and press again. Check the sense wires.",
         debounce=Debounce(samples=3, for_s=0.4), severity="medium", raised_as=("SENSE_OPEN", "CROSSED_SENSE")),
    _row(21, "sense against a second voltage", "two readings of one cell differ by more than both can be wrong",
         ["second voltage"], "Check the calibration of channel and meter, and the wires of the position.",
         debounce=Debounce(samples=3, for_s=4.0), severity="medium"),
    _row(22, "loop voltage", "output minus sense, at a current, is more than leads and contacts explain",
         ["output voltage"], _CLEAN, debounce=Debounce(samples=3, for_s=0.4), severity="medium"),
    _row(23, "current off its set value", "in CC, by more than its tolerance", ["current"], _CHECK,
         debounce=DEVIATION, severity="medium"),
    _row(24, "voltage off its set value", "in CV, by more than its tolerance", ["voltage"], _CHECK,
         debounce=DEVIATION, severity="medium"),
    _row(25, "current while idle", "a current with the relay ordered open", ["current"],
         "Keep the tray in place: the press must not open. Call maintenance.", debounce=ELECTRICAL, hard=Hard(beyond=1),
         escalates="bay", severity="critical", reset="maintenance"),
    _row(26, "no current", "less than half of the set current, and the voltage is not why", ["voltage", "current"],
         _CLEAN, debounce=Debounce(samples=3, for_s=5.0), severity="low", raised_as=("LOST_CONTACT",)),
    _row(27, "fast voltage drop", "the voltage falls from one reading to the next as no load explains: internal short",
         ["voltage", "current"], _WATCH, debounce=DEVIATION, thermal=True, severity="critical"),
    _row(28, "fast voltage rise", "the voltage rises from one reading to the next as no current explains",
         ["voltage", "current"], _CLEAN, debounce=DEVIATION, severity="medium"),
    _row(29, "voltage does not follow the charge", "falls while the cell is charged with a constant current",
         ["voltage", "current"], "Quarantine the cell: it may have an internal short.",
         debounce=DEVIATION, stops="charge"),
    _row(30, "voltage rate", "a test of the recipe on dv_dt", ["recipe test"], _CURVE, severity="low"),
    _row(31, "fast current rise", "in CV the current rises from one reading to the next", ["current"], _CHECK,
         debounce=DEVIATION),
    _row(32, "step time-out", "the step has outlived its own bound in time", ["voltage"], _CURVE, severity="medium"),
    _row(33, "total time-out", "the steps have together outlived the worst case of their recipe", ["voltage"], _CURVE,
         severity="medium"),
    _row(34, "voltage by time", "a test of the recipe: a voltage before or at a time", ["recipe test"], _CURVE,
         severity="low"),
    _row(35, "ratio of discharge to charge", "a test of the recipe: a capacity in % of a tagged step", ["recipe test"],
         _CURVE, severity="low"),
    _row(36, "charge of device against host", "they differ by more than both can be wrong, judged with the run's "
         "results", ["current", "device counter"],
         "Check the calibration of the channel before its capacities are used.", tier="service", action="warn",
         severity="medium"),
    _row(37, "current in the wrong direction", "against the direction of the step", ["current"],
         "Lock the channel. Check the wires of its position and the channel on a dummy load.",
         debounce=ELECTRICAL, hard=Hard(beyond=1), escalates="bay", severity="critical"),
    _row(38, "step sequence", "the device executes something else than it was given", ["step checksum"], _CHECK,
         tier="device", action="hold", severity="medium"),
    _of_device(39, "DC bus over-voltage", "the bus is above its window"),
    _of_device(40, "DC bus under-voltage", "the bus is below its window"),
    _of_device(41, "module over-temperature", "a power module is too hot"),
    _of_device(42, "fan or heat sink", "a fan stands still, or a heat sink is too hot"),
    _of_device(43, "AC loss", "the supply is gone, lacks a phase, or is on battery"),
    _of_device(44, "ground fault", "the insulation has failed", scope="bay"),
    _row(45, "relay or fuse welded", "an output cannot be opened",
         ["voltage", "current"], "Keep the press closed. Cut the supply of the device by hand, then call maintenance.",
         tier="rack", scope="bay", severity="critical", reset="maintenance"),
    _of_device(46, "watchdog of the device", "the device's own computer has stopped"),
    _row(47, "loss of the controller", "the device has heard nothing for longer than its watchdog allows",
         ["proven watchdog"], "Read why the controller stopped, then resume by the list of what was interrupted.",
         tier="device", scope="device", action="on-controller-loss", severity="high", reset="itself"),
    _row(48, "errors on the wire", "more garbled replies than a sound wire has", ["link counters"],
         "Check plugs, shields and terminators of the wire.", tier="rack", stops="nothing", scope="device",
         action="warn", severity="low", reset="itself"),
    _row(49, "stale data", "no valid reading for two seconds or three sweeps", ["voltage"],
         "Check the device and its wire.", tier="rack", scope="device", severity="high", reset="itself"),
    _row(50, "clock jump", "the wall clock has moved against the loop's", [],
         "Check the time source of the computer; durations are not touched.", tier="service", stops="nothing",
         scope="rack", action="warn", severity="low", reset="itself"),
    _row(51, "calibration expired", "a channel's certificate is out of date", ["calibration record"],
         "Calibrate the channel before the next start.", tier="rack", stops="nothing", action="no-start",
         severity="low", reset="itself"),
    _row(52, "wrong device", "a serial number is not the configured one", ["expected serial"],
         "Compare the device with the rack file.", tier="rack", scope="device", severity="high",
         reset="maintenance"),
    _row(53, "firmware not approved", "a firmware is not on the configured list", ["approved firmware"],
         "Approve the firmware or bring the approved one back.", tier="rack", stops="nothing", scope="device",
         action="no-start", severity="low", reset="itself"),
    _input(54, "press not closed", "Check the press and its pressure; contact may be lost.", severity="medium"),
    _input(55, "vacuum out of its window", "Check pump and seals of the bay.", severity="medium"),
    _input(56, "tray not seated", "Seat the tray. Check its identity and contacts before it goes on.",
           severity="medium"),
    _input(57, "door open", "Close the door.", severity="medium"),
    _input(58, "light curtain", "Clear the zone of the crane.", severity="medium"),
    _input(59, "chamber limiter", "The chamber's own limiter has tripped: find out why before it is reset.",
           scope="chamber", thermal=True, severity="critical", reset="maintenance"),
    _row(60, "chamber off its set value", "the air is outside its tolerance for longer than it may be", ["chamber"],
         "Check the chamber. The cells rest; they have not failed.", tier="rack", scope="chamber", action="hold",
         severity="medium", reset="itself"),
    _row(61, "chamber fault", "the chamber reports a fault or does not answer", ["chamber"],
         "Check the chamber. The cells rest; they have not failed.", tier="rack", scope="chamber", action="hold",
         severity="medium", reset="itself"),
    _input(62, "smoke", _FIRE, scope="zone", action="off-latched", thermal=True, severity="critical", reset="local"),
    _input(63, "gas", _FIRE, scope="zone", action="off-latched", thermal=True, severity="critical", reset="local"),
    _input(64, "aspirating detector", _FIRE, scope="zone", action="off-latched", thermal=True, severity="critical",
           reset="local"),
    _input(65, "heat detector", _FIRE, scope="zone", action="off-latched", thermal=True, severity="critical",
           reset="local"),
    _input(66, "suppression released", _FIRE, scope="zone", action="off-latched", thermal=True, severity="critical",
           reset="local"),
    _input(67, "suppression out of order", "Repair the suppression before anything is started.", action="no-start",
           scope="zone", severity="medium"),
    _input(68, "emergency stop", "Find out who pressed it and why, make it safe, then reset at the rack.",
           scope="rack", action="off-latched", severity="critical", reset="local"),
    _input(69, "building fire alarm", _FIRE, scope="rack", action="off-latched", thermal=True, severity="critical",
           reset="local"),
    _input(70, "electrolyte leak", "Ventilate, keep away and watch the bay for an hour.", thermal=True,
           severity="critical", reset="maintenance"),
    _input(71, "cooling water", "Restore the cooling water; what runs is ramped down.", scope="rack",
           action="no-start", severity="medium"),
    _input(72, "compressed air", "Restore the air: the presses lose their force.", scope="rack", action="no-start",
           severity="medium"),
    _row(73, "journal not durable", "a commit has failed", [],
         "Free or replace the disk; nothing is charged without a record.", tier="service", scope="rack",
         severity="critical", reset="maintenance"),
    _row(74, "disk low", "too little space for what the runs will write", ["disk gauge"],
         "Make space before the next start.", tier="service", stops="nothing", scope="rack", action="no-start",
         severity="medium", reset="itself"),
    _row(75, "limit reads back differently", "what the device holds is not what it was given", ["limit read-back"],
         _CHECK, tier="device"),
    _row(76, "order not applied", "an output or a device did not take what it was told", [],
         "Check the device and its wire.", tier="rack", severity="medium"),
    _row(77, "controller late", "the loop has not come round in time", ["loop lateness"],
         "Find out what loads the computer.", tier="service", stops="nothing", scope="rack", action="warn",
         severity="medium", reset="itself"),
    _row(78, "sensor broken", "a reading that no cell gives, or a temperature input that shows none", ["voltage"],
         "Check the sensor and its wire before the position is used again.", debounce=THERMAL, severity="medium"),
    _row(79, "frozen value", "readings that nobody takes any more", ["moving values"],
         "Check the device or module; its values were old.", tier="rack", severity="medium"),
    _row(80, "setting that re-energises", "the device would switch on by itself", ["setting read-back"],
         "Change the setting at the device.", tier="device", scope="device", action="no-start", severity="high",
         reset="maintenance"),
    _row(81, "limit not proven", "nothing but the software keeps a limit, and there is no second path", [],
         "Prove the limits of the device on a dummy load, or wire a contactor.", tier="rack", stops="nothing",
         action="no-start", severity="medium", reset="itself"),
    _row(82, "off not confirmed", "the device has not shown its output open in time", [],
         "Keep the press closed; the contactor opens. Call maintenance.", tier="rack", scope="bay",
         severity="critical", reset="maintenance"),
    _row(83, "common cause", "several trips of one kind in a bay within a short time", [],
         "Look for what the positions share: contact, filling, chamber, lot.", tier="rack", scope="bay", action="hold",
         severity="high", reset="itself"),
    _row(84, "clock not synchronised", "the computer's clock follows no source", ["clock status"],
         "Check the time source of the computer.", tier="service", stops="nothing", scope="rack", action="warn",
         severity="low", reset="itself"),
    _row(85, "gateway lost", "all devices behind one wire are silent", ["gateway"],
         "Check the gateway and its supply.", tier="rack", scope="device", severity="high", reset="itself"),
)  # fmt: skip

CATALOGUE: Final[Mapping[AlarmCode, Protection]] = {row.code: row for row in _ROWS}
