"""Names and numbers of the standards' types, as far as the simulated chamber has them.

Source: the node sets of DI 1.04 and LADS 1.1.0, which the OPC Foundation publishes.
"""

from typing import NamedTuple

from sims.wire.lads_thermal.device import State

DI = "http://opcfoundation.org/UA/DI/"
MACHINERY = "http://opcfoundation.org/UA/Machinery/"
AMB = "http://opcfoundation.org/UA/AMB/"
LADS = "http://opcfoundation.org/UA/LADS/"
CEFACT = "http://www.opcfoundation.org/UA/units/un/cefact"

CELSIUS = 4408652  # the letters CEL of UNECE recommendation 20 as one number


class TypeId(NamedTuple):
    """A published node by its namespace and number; the empty namespace is OPC UA's own."""

    namespace: str
    number: int


BASE_OBJECT = TypeId("", 58)
FOLDER = TypeId("", 61)
STATE, INITIAL_STATE = TypeId("", 2307), TypeId("", 2309)
FINITE_STATE_MACHINE = TypeId("", 2771)
EXCLUSIVE_LEVEL_ALARM = TypeId("", 9482)

DEVICE_SET = TypeId(DI, 5001)  # an object, beneath Objects
TOPOLOGY_ELEMENT = TypeId(DI, 1001)
COMPONENT = TypeId(DI, 15063)
DI_DEVICE = TypeId(DI, 1002)
LOCKING = TypeId(DI, 6388)

LADS_DEVICE = TypeId(LADS, 1002)
FUNCTIONAL_UNIT = TypeId(LADS, 1003)
FUNCTION = TypeId(LADS, 1004)
SENSOR_BASE = TypeId(LADS, 1005)
CONTROL_BASE = TypeId(LADS, 1007)
ANALOG_CONTROL = TypeId(LADS, 1009)
COVER_STATES = TypeId(LADS, 1010)
COVER = TypeId(LADS, 1011)
SCALAR_SENSOR = TypeId(LADS, 1016)
UNIT_SET = TypeId(LADS, 1023)
FUNCTION_SET = TypeId(LADS, 1026)
FUNCTIONAL_STATES = TypeId(LADS, 1038)
DEVICE_STATES = TypeId(LADS, 1039)
UNIT_STATES = TypeId(LADS, 1043)
CONTROL_STATES = TypeId(LADS, 1044)
ANALOG_SENSOR = TypeId(LADS, 1046)
SET = TypeId(LADS, 61)

TYPES: tuple[tuple[TypeId, str, TypeId], ...] = (
    (TOPOLOGY_ELEMENT, "TopologyElementType", BASE_OBJECT),
    (COMPONENT, "ComponentType", TOPOLOGY_ELEMENT),
    (DI_DEVICE, "DeviceType", COMPONENT),
    (LOCKING, "LockingServicesType", BASE_OBJECT),
    (SET, "SetType", FOLDER),
    (UNIT_SET, "FunctionalUnitSetType", SET),
    (FUNCTION_SET, "FunctionSetType", SET),
    (LADS_DEVICE, "LADSDeviceType", DI_DEVICE),
    (FUNCTIONAL_UNIT, "FunctionalUnitType", TOPOLOGY_ELEMENT),
    (FUNCTION, "FunctionType", TOPOLOGY_ELEMENT),
    (CONTROL_BASE, "BaseControlFunctionType", FUNCTION),
    (ANALOG_CONTROL, "AnalogControlFunctionType", CONTROL_BASE),
    (SENSOR_BASE, "BaseSensorFunctionType", FUNCTION),
    (ANALOG_SENSOR, "AnalogSensorFunctionType", SENSOR_BASE),
    (SCALAR_SENSOR, "AnalogScalarSensorFunctionType", ANALOG_SENSOR),
    (COVER, "CoverFunctionType", FUNCTION),
    (FUNCTIONAL_STATES, "FunctionalStateMachineType", FINITE_STATE_MACHINE),
    (UNIT_STATES, "FunctionalUnitStateMachineType", FUNCTIONAL_STATES),
    (CONTROL_STATES, "ControlFunctionStateMachineType", FUNCTIONAL_STATES),
    (COVER_STATES, "CoverStateMachineType", FINITE_STATE_MACHINE),
    (DEVICE_STATES, "LADSDeviceStateMachineType", FINITE_STATE_MACHINE),
)
"""Number, name, supertype; supertypes first."""


class StateNode(NamedTuple):
    """A state of a machine: the machine's type, the state's own node, name and number."""

    machine: TypeId
    node: int
    name: str
    number: int


FUNCTIONAL: dict[State, StateNode] = {
    state: StateNode(FUNCTIONAL_STATES, node, *state.value)
    for state, node in {
        State.ABORTED: 5160, State.ABORTING: 5159, State.CLEARING: 5143, State.STOPPED: 5085, State.RUNNING: 5099,
        State.STOPPING: 5100,
    }.items()
}  # fmt: skip
OPERATE = StateNode(DEVICE_STATES, 5178, "Operate", 2)
CLOSED = StateNode(COVER_STATES, 5028, "Closed", 1)
OPENED = StateNode(COVER_STATES, 5025, "Opened", 4)
STATES = (*FUNCTIONAL.values(), OPERATE, CLOSED, OPENED)
