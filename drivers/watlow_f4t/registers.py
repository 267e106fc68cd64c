"""The registers that the driver uses, and the codes in them.

Source: a chamber maker's own control program for the F4T; all of it is in use with real ones, at data map 1. The ramp
of a loop is from another chamber maker's manual ("TestEquity F4T Controller", manual ramp parameters). What neither
confirms is marked U.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from drivers.links.modbus import Block, ExceptionCodes

PART_NUMBER = Block(16, struct.Struct(">15H"))  # a character in each
PART_BEGINS = "F4T"
LOOPS_AT = 11  # in the part number: how many loops and cascades it has
LOOPS: Mapping[str, tuple[int, int]] = {
    "1": (1, 0), "2": (2, 0), "3": (3, 0), "4": (4, 0), "5": (0, 0),
    "6": (0, 1), "7": (1, 1), "8": (2, 1), "9": (3, 1), "A": (0, 2), "B": (1, 2), "C": (2, 2),
}  # fmt: skip

UNIT_TCP, UNIT_RTU = 6730, 14080  # each interface has its own
CELSIUS, FAHRENHEIT = 15, 30

AUTO, OFF, ON = 10, 62, 63
RAMP_SET_POINT, PER_MINUTE = 85, 57

PROFILE_STATE, PROFILE_END, PROFILE_TERMINATE = 16568, 16566, 148
PROFILES_IN_CONTROL = {149: "is running", 146: "is paused", 1783: "waits for its time"}

EVENTS = (16594, 16596, 16598, 16600, 16822, 16824, 16826, 16828)
KEYS = (6850, 6870, 6890, 6910)
KEY_PRESS, KEY_RELEASE = 1457, 1456
MODULES, POINTS = 6, 6

ALARMS, ALARM_STEP = 1356, 100
ALARM_QUIET = frozenset({88, 61, 12})  # starting, none, and one without a name that counts as none
LIMIT_STATE, LIMIT_STATUS, LIMIT_INPUT, LIMIT_STEP = 11250, 11264, 11288, 60
LIMIT_ERROR, LIMIT_FAIL, LIMIT_INPUT_GOOD = 28, 32, 61

EXCEPTIONS: ExceptionCodes = {
    0x01: (ProtocolError, "function not supported"),
    0x02: (ProtocolError, "address unknown"),
    0x03: (DeviceFault, "value refused"),
    0x04: (DeviceFault, "device failure, or there is no such module or point"),
    0x0A: (LinkError, "gateway path unavailable"),
    0x0B: (LinkError, "gateway target does not respond"),
}

SILENCE_S = 0.035  # before each serial request: 30 ms and a little; the standard's 3.5 characters are too few
TIMEOUT_RTU_S = 3.0
TIMEOUT_TCP_S = 1.0
KEY_GAP_S = 0.5  # no key faster than that
CONFIRM_S = 2.0  # U: within which what was written must show
KEY_CONFIRM_S = 3.0  # U: the same of a chamber that starts or stops


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMap:
    """Where a control loop or a cascade has what. `ramp` is the first of action, scale and rate; none is known of
    cascades."""

    mode: int
    active_mode: int
    limit_low: int
    limit_high: int
    set_point: int
    active_set_point: int
    air: int
    ramp: int | None = None


def loop_map(number: int) -> ControlMap:
    """Loops count from 1."""
    base = 160 * (number - 1)
    return ControlMap(
        mode=base + 2730,
        active_mode=base + 2814,
        limit_low=base + 2774,
        limit_high=base + 2776,
        set_point=base + 2782,
        active_set_point=base + 2810,
        air=base + 2820,
        ramp=base + 2794,
    )


def cascade_map(number: int) -> ControlMap:
    """Cascades count from 1. The air is the inner process value, the set point that of the part."""
    base = 200 * (number - 1)
    return ControlMap(
        mode=base + 4010,
        active_mode=base + 4012,
        limit_low=base + 4034,
        limit_high=base + 4036,
        set_point=base + 4042,
        active_set_point=base + 4190,
        air=base + 4182,
    )


def output_point(module: int, point: int) -> int:
    """Both count from 1."""
    return 33718 + 240 * (module - 1) + 40 * (point - 1)
