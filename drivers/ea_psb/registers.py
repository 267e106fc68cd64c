"""The registers and settings that the driver uses, each with its source and how far it can be trusted.

Source: EA Elektro-Automatik, "Programming Guide ModBus & SCPI", revision 24 (firmware KE 2.31 for PSB 9000, KE 3.02 for
PSB 10000). Marks: V the guide says so, F a control program in use with the device does, U nobody at hand confirms it.
"""

import math
import struct
from dataclasses import dataclass

from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.sweep import Regulation
from drivers.links.modbus import Block, ExceptionCodes

# Identity and ratings, read at connect. A text has 40 characters, padded with NUL.
DEVICE_TYPE = Block(1, struct.Struct(">40s"))  # FF
MAKER = Block(21, struct.Struct(">40s"))  # F
RATINGS = Block(121, struct.Struct(">3f"))  # V: voltage, current, power
SERIAL = Block(151, struct.Struct(">40s"))  # FF
FIRMWARE = Block(191, struct.Struct(">40s"))  # F: of the unit KE

# Coils.
REMOTE = 402  # V
OUTPUT = 405  # V
RESISTANCE_MODE = 409  # V: off is UIP
ACKNOWLEDGE_ALARMS = 411  # V: write only

POWER_ON_OUTPUT = Block(408, struct.Struct(">H"))  # F
POWER_ON_OUTPUT_OFF = 0xFFFF

# V: the set values. Each is written alone; read together they are one group.
SINK_POWER, SINK_CURRENT, VOLTAGE, SOURCE_CURRENT, SOURCE_POWER = range(498, 503)
SET_VALUES = Block(SINK_POWER, struct.Struct(">5H"))

# V: the state, and voltage, current and power as measured. Two groups of different kind: two reads.
STATE = Block(505, struct.Struct(">I"))
ACTUAL = Block(507, struct.Struct(">3H"))

# V for the block, F for which register holds what (reach.py): the adjustment limits.
ADJUSTMENT_LIMITS = Block(9000, struct.Struct(">10H"))

FULL_SCALE = 0xCCCC  # V: 100 % of the rated value
STEPS = 26214  # V: the resolution over 0-100 %, every second count

GAP_S = 0.010  # V: between two messages, as recommended on Ethernet; 5 ms is the least
CONFIRM_S = 0.5  # V: what is written takes effect "a short, undefined time" after its echo

STATE_LOCATION = 0x1F  # 0 free, 1 local (F), 3 USB (V), 4 analog (F), others the number of an interface
LOCATIONS_NOT_OURS = {0: "nobody", 1: "the front panel", 3: "USB", 4: "the analog interface"}
STATE_OUTPUT = 1 << 7  # V
STATE_ALARM = 1 << 15  # F
STATE_SINK = 1 << 31  # V
POWER_FAIL = "power fail"
STATE_EVENTS = {  # U
    16: "OVP", 17: "OCP", 18: "OPP", 19: "OT", 21: POWER_FAIL, 22: POWER_FAIL, 23: POWER_FAIL, 24: "UVD",
    25: "OVD", 26: "UCD", 27: "OCD", 28: "OPD", 29: "MSS", 30: "REM-SB",
}  # fmt: skip

EXCEPTIONS: ExceptionCodes = {  # V
    0x01: (ProtocolError, "function not supported, or the wrong one for this register"),
    0x02: (ProtocolError, "address unknown, or unit 1 without full Modbus compliance"),
    0x03: (DeviceFault, "value above the range or beyond an adjustment limit"),
    0x04: (DeviceFault, "cannot be executed now"),
    0x05: (LinkError, "check sum wrong"),
    0x07: (DeviceFault, "access denied: not in remote control, or another interface is in control"),
    0x17: (DeviceFault, 'the device is in "local": remote control is not allowed'),
}

_REGULATIONS: tuple[Regulation, ...] = ("cv", "cr", "cc", "cp")


def regulation(state: int) -> Regulation:
    """What the output holds. With an alarm standing (bit 15) it is limited by the device. V for 2 = CC, F the rest."""
    if not state & STATE_OUTPUT:
        return "off"
    if state & STATE_ALARM:
        return "limited"
    return _REGULATIONS[state >> 9 & 3]


def alarms(state: int) -> str:
    """The alarms in the state word by name, for people. Empty where none stands."""
    if not state & STATE_ALARM:
        return ""
    return events(state) or "an alarm without a name"


def events(state: int) -> str:
    """What the state word flags, alarm or not, by name: some of it, like REM-SB, keeps an output off all the same."""
    return ", ".join(dict.fromkeys(name for bit, name in STATE_EVENTS.items() if state >> bit & 1))


def text(field: bytes) -> str:
    """A text register's content."""
    return field.split(b"\0", 1)[0].decode("latin-1").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """The base of every share. `real = rated × raw / 0xCCCC`."""

    voltage_v: float
    current_a: float
    power_w: float


def real(raw: float, rated: float) -> float:
    """A count as a value."""
    return rated * raw / FULL_SCALE


def raw_at_most(value: float, rated: float) -> int:
    """The highest count whose value the device can hold and that is not above `value`."""
    # Even counts only: odd ones the device would round, perhaps upwards. The tiny share is for values on a step.
    return 2 * math.floor(STEPS * value / rated + 1e-6)


def raw_at_least(value: float, rated: float) -> int:
    """The lowest count whose value the device can hold and that is not below `value`."""
    return 2 * math.ceil(STEPS * value / rated - 1e-6)
