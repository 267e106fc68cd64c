"""Names and numbers of LADS and of what it builds on, as the driver needs them.

Source: the published node sets of DI 1.04 and LADS 1.1.0 (OPC 30500-1), exact. A number alone is in the namespace that
it is given with; indices are the server's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.links.opcua_nodes import STANDARD, BrowseName, NodeRef, Path

DI = "http://opcfoundation.org/UA/DI/"
LADS = "http://opcfoundation.org/UA/LADS/"

DEVICE_SET = NodeRef(DI, 5001, "DeviceSet")
SERVER_TIME = NodeRef(STANDARD, 2258, "ServerStatus/CurrentTime")
SERVER_STATE = NodeRef(STANDARD, 2259, "ServerStatus/State")
SERVER_RUNNING = 0

LADS_DEVICE = NodeRef(LADS, 1002, "LADSDeviceType")
FUNCTIONAL_UNIT = NodeRef(LADS, 1003, "FunctionalUnitType")
ANALOG_CONTROL = NodeRef(LADS, 1009, "AnalogControlFunctionType")
COVER = NodeRef(LADS, 1011, "CoverFunctionType")
SCALAR_SENSOR = NodeRef(LADS, 1016, "AnalogScalarSensorFunctionType")

STATES: Mapping[NodeRef, str] = {
    NodeRef(LADS, number): name
    for number, name in {
        5160: "Aborted", 5159: "Aborting", 5143: "Clearing", 5085: "Stopped", 5099: "Running", 5100: "Stopping",
        5177: "Initialization", 5178: "Operate", 5259: "Sleep", 5180: "Shutdown",
        5028: "Closed", 5050: "Error", 5049: "Locked", 5025: "Opened", 5110: "Closing", 5108: "Locking",
        5109: "Opening", 5107: "Unlocking",
    }.items()
}  # fmt: skip
"""Of functions, devices and covers. A state that a maker adds is asked for its name."""

DOOR_CLOSED = frozenset({"Closed", "Locked", "Locking", "Unlocking"})
"""Anything else counts as open: a door of which that is not known too."""

HEALTH_FAILURE = 1  # of DeviceHealthEnumeration

LOCK_GRANTED = 0  # what the methods of a lock answer; below it they refuse


def path(text: str) -> Path:
    """`"LADS:FunctionalUnitState/CurrentState/Id"`: without a prefix a name is of OPC UA's own namespace."""
    prefixes = {"LADS": LADS, "DI": DI, "": STANDARD}
    steps = (step.rpartition(":") for step in text.split("/"))
    return tuple(BrowseName(prefixes[prefix], name) for prefix, _, name in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Of a temperature: `scale` of it are one kelvin, and 0 degC is `zero`."""

    name: str
    scale: float
    zero: float

    def to_degc(self, value: float) -> float:
        return (value - self.zero) / self.scale

    def from_degc(self, temperature_degc: float) -> float:
        return temperature_degc * self.scale + self.zero


UNITS: Mapping[int, Unit] = {
    int.from_bytes(code.encode("ascii"), "big"): unit
    for code, unit in {
        "CEL": Unit(name="degree Celsius", scale=1.0, zero=0.0),
        "KEL": Unit(name="kelvin", scale=1.0, zero=273.15),
        "FAH": Unit(name="degree Fahrenheit", scale=1.8, zero=32.0),
    }.items()
}
"""By `EUInformation.UnitId`: the letters of UNECE recommendation 20 as one number (OPC 10000-8)."""
