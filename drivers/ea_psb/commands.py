"""The SCPI commands that the driver uses, and what their replies say.

Source: EA Elektro-Automatik, "Programming Guide ModBus & SCPI", revision 24. All V.
"""

import re
from collections.abc import Mapping

from cycler.contract.sweep import Regulation
from drivers.ea_psb.instrument import POWER_FAIL, Status, Switch
from drivers.ea_psb.scale import Ratings
from drivers.ea_psb.set_values import Setting

RATINGS = (("SYST:NOM:VOLT?", "V"), ("SYST:NOM:CURR?", "A"), ("SYST:NOM:POW?", "W"))

SETTINGS: Mapping[Setting, tuple[str, str]] = {  # in the order of `SetValues`
    Setting.SINK_POWER: ("SINK:POW", "W"),
    Setting.SINK_CURRENT: ("SINK:CURR", "A"),
    Setting.VOLTAGE: ("VOLT", "V"),
    Setting.SOURCE_CURRENT: ("CURR", "A"),
    Setting.SOURCE_POWER: ("POW", "W"),
}

LIMITS = (
    ("VOLT:LIM:LOW?", "V"), ("VOLT:LIM:HIGH?", "V"), ("CURR:LIM:LOW?", "A"), ("CURR:LIM:HIGH?", "A"),
    ("SINK:CURR:LIM:LOW?", "A"), ("SINK:CURR:LIM:HIGH?", "A"), ("POW:LIM:HIGH?", "W"), ("SINK:POW:LIM:HIGH?", "W"),
)  # fmt: skip

OUTPUT = ("OUTP OFF", "OUTP ON")
SWITCHES: Mapping[Switch, tuple[str, str]] = {
    Switch.REMOTE: ("SYST:LOCK OFF", "SYST:LOCK ON"),
    Switch.RESISTANCE_MODE: ("SYST:CONF:MODE UIP", "SYST:CONF:MODE UIR"),
}
SWITCH_STATES: Mapping[Switch, tuple[str, str]] = {  # the question, and the answer that means on
    Switch.REMOTE: ("SYST:LOCK:OWN?", "REMOTE"),
    Switch.RESISTANCE_MODE: ("SYST:CONF:MODE?", "UIR"),
}
STATUS = ("STAT:QUES:COND?", "STAT:OPER:COND?")
ACTUAL = "MEAS:ARR?"  # voltage, current and power of one instant
ACKNOWLEDGE = "SYST:ERR:ALL?"  # reading the error queue acknowledges alarms: never sent for anything else

LOCAL, REMOTE, OUTPUT_ON = 1 << 9, 1 << 10, 1 << 11  # of the questionable condition
ALARMS = {0: "OVP", 1: "OCP", 2: "OPP", 3: "OT", 13: POWER_FAIL, 14: "MSP"}
SUPERVISIONS = {4: "OVD", 5: "UVD", 6: "OCD", 7: "UCD", 8: "OPD"}
OPERATIONS = {4: "REM-SB", 6: "derating", 7: "CTO"}  # of the operation condition
REGULATIONS: Mapping[int, Regulation] = {8: "cv", 9: "cc", 10: "cp", 11: "cr"}

_QUANTITY = re.compile(r"([+-]?\d+(?:\.(\d*))?)\s*(k?)([VAW])")


def status(questionable: int, operation: int) -> Status:
    """From the two condition registers."""
    on = bool(questionable & OUTPUT_ON)
    alarms = _names(ALARMS, questionable)
    regulation: Regulation = "off"
    if on:
        found = [name for bit, name in REGULATIONS.items() if operation >> bit & 1]
        regulation = "limited" if alarms else found[0] if len(found) == 1 else "unknown"
    other_owner = None
    if not questionable & REMOTE:
        other_owner = "the front panel" if questionable & LOCAL else "nobody"
    return Status(
        output_on=on,
        regulation=regulation,
        alarms=", ".join(alarms),
        events=", ".join([*alarms, *_names(SUPERVISIONS, questionable), *_names(OPERATIONS, operation)]),
        other_owner=other_owner,
    )


def quantity(text: str, unit: str) -> tuple[float, float]:
    """A value with its unit, and the last decimal shown: `43.50V` is 43.5 to 0.01. Raises `ValueError`."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[4] != unit:
        raise ValueError(f"{text!r} is no quantity in {unit}")
    factor = 1000.0 if match[3] else 1.0
    return float(match[1]) * factor, factor * 10.0 ** -len(match[2] or "")


def rated(ratings: Ratings, unit: str) -> float:
    """What a quantity in this unit is a share of."""
    return {"V": ratings.voltage_v, "A": ratings.current_a, "W": ratings.power_w}[unit]


def _names(flags: Mapping[int, str], word: int) -> list[str]:
    return [name for bit, name in flags.items() if word >> bit & 1]
