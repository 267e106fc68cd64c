"""The Modbus registers that the driver uses, each with its source and how far it can be trusted.

Source: EA Elektro-Automatik, "Programming Guide ModBus & SCPI", revision 24 (firmware KE 2.31 for PSB 9000, KE 3.02 for
PSB 10000). Marks: V the guide says so, F a control program in use with the device does, U nobody at hand confirms it.
"""

import struct
from collections.abc import Mapping

from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.sweep import Regulation
from drivers.ea_psb.instrument import POWER_FAIL, Status
from drivers.ea_psb.set_values import Setting
from drivers.links.modbus import Block, ExceptionCodes

# Identity and ratings, read at connect. A text has 40 characters, padded with NUL.
DEVICE_TYPE = Block(1, struct.Struct(">40s"))  # FF
MAKER = Block(21, struct.Struct(">40s"))  # F
RATINGS = Block(121, struct.Struct(">5f"))  # V: voltage, current, power, and both ends of resistance; U: which is which
SERIAL = Block(151, struct.Struct(">40s"))  # FF
FIRMWARE = Block(191, struct.Struct(">40s"))  # F: of the unit KE

# Coils.
REMOTE = 402  # V
OUTPUT = 405  # V
RESISTANCE_MODE = 409  # V: off is UIP, on is UIR
ACKNOWLEDGE_ALARMS = 411  # V: write only

POWER_ON_OUTPUT = Block(408, struct.Struct(">H"))  # F
POWER_ON_OUTPUT_OFF = 0xFFFF

# V: the set values. Each is written alone; read together they are one group. 503, the resistance of the source, stays.
SET_VALUES = Block(498, struct.Struct(">7H"))
SETTINGS: Mapping[Setting, int] = {
    Setting.SINK_POWER: 498,
    Setting.SINK_CURRENT: 499,
    Setting.VOLTAGE: 500,
    Setting.SOURCE_CURRENT: 501,
    Setting.SOURCE_POWER: 502,
    Setting.SINK_RESISTANCE: 504,
}
SWITCHED: Mapping[Setting, int] = {Setting.OUTPUT: OUTPUT, Setting.RESISTANCE_MODE: RESISTANCE_MODE}

# V: the state, and voltage, current and power as measured. Two groups of different kind: two reads.
STATE = Block(505, struct.Struct(">I"))
ACTUAL = Block(507, struct.Struct(">3H"))

# V for the block, F for which register holds what (over_modbus.py): the adjustment limits.
ADJUSTMENT_LIMITS = Block(9000, struct.Struct(">10H"))

STATE_LOCATION = 0x1F  # 0 free, 1 local (F), 3 USB (V), 4 analog (F), others the number of an interface
NOT_OURS = {0: "nobody", 1: "the front panel", 3: "USB", 4: "the analog interface"}
NOT_OURS_ON_SERIAL_PORTS = {location: who for location, who in NOT_OURS.items() if who != "USB"}
STATE_OUTPUT = 1 << 7  # V
STATE_ALARM = 1 << 15  # F
STATE_SINK = 1 << 31  # V
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


def status(state: int, not_ours: Mapping[int, str]) -> Status:
    """The state word in words. With an alarm standing (bit 15) the output is limited by the device.

    Who has control is told without its bit 11, "remote active": a frame recorded in remote control lacks it.
    """
    on, alarm = bool(state & STATE_OUTPUT), bool(state & STATE_ALARM)
    # V for 2 = CC, F the rest.
    regulation: Regulation = "off" if not on else "limited" if alarm else _REGULATIONS[state >> 9 & 3]
    events = ", ".join(dict.fromkeys(name for bit, name in STATE_EVENTS.items() if state >> bit & 1))
    return Status(
        output_on=on,
        regulation=regulation,
        alarms=(events or "an alarm without a name") if alarm else "",
        events=events,
        other_owner=not_ours.get(state & STATE_LOCATION),
    )


def text(field: bytes) -> str:
    """A text register's content."""
    return field.split(b"\0", 1)[0].decode("latin-1").strip()
