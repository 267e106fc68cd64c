"""The chamber as its clients find it: the tree of LADS, over the device's own rules."""

from collections.abc import Callable
from datetime import datetime, timedelta

from asyncua import ua
from asyncua.ua import VariantType

from sims.wire.lads_thermal import published as pub
from sims.wire.lads_thermal.device import RANGE_DEGC, LadsDevice, Refusal
from sims.wire.lads_thermal.lock_nodes import add_lock
from sims.wire.lads_thermal.server import caller
from sims.wire.lads_thermal.tree import Read, Tree

ANALOG_UNIT_RANGE, FINITE_STATE, TWO_STATE = 17570, 2760, 8995  # types of variables
EU_INFORMATION, RANGE, DOUBLE = 887, 884, 11  # data types

MAKER, MODEL, REVISION = "formation-cycler", "simulated LADS chamber", "1.1.0 (simulated)"


class ChamberNodes:
    """Adds all of them to a server that has its standard nodes."""

    def __init__(self, tree: Tree, device: LadsDevice, utcnow: Callable[[], datetime]) -> None:
        self._tree = tree
        self._device = device
        self._utcnow = utcnow
        self._add_types()
        self._add_chamber()
        began_utc = utcnow()

        def status() -> ua.ServerStatusDataType:
            return ua.ServerStatusDataType(StartTime=began_utc, CurrentTime=utcnow(), State=ua.ServerState.Running)

        tree.answer(ua.NodeId(ua.ObjectIds.Server_ServerStatus), VariantType.ExtensionObject, status)
        tree.answer(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime), VariantType.DateTime, utcnow)

    def _add_types(self) -> None:
        tree = self._tree
        for node, name, supertype in pub.TYPES:
            tree.object_type(tree.type_id(supertype), node, name)
        for state in pub.STATES:
            kind = pub.INITIAL_STATE if state.name == "Stopped" else pub.STATE
            node = tree.published(tree.type_id(state.machine), pub.TypeId(pub.LADS, state.node), state.name, kind)
            tree.constant(node, "", "StateNumber", ua.Variant(state.number, VariantType.UInt32))
        objects = ua.NodeId(ua.ObjectIds.ObjectsFolder)
        tree.published(objects, pub.DEVICE_SET, "DeviceSet", pub.BASE_OBJECT)

    def _add_chamber(self) -> None:
        tree, device = self._tree, self._device
        chamber = tree.instance(tree.type_id(pub.DEVICE_SET), pub.LADS, "Chamber", pub.LADS_DEVICE)
        for name, text in (("Manufacturer", MAKER), ("Model", MODEL)):
            tree.constant(chamber, pub.DI, name, ua.Variant(ua.LocalizedText(text)))
        for name, text in (("SerialNumber", device.serial), ("SoftwareRevision", REVISION)):
            tree.constant(chamber, pub.DI, name, ua.Variant(text))
        tree.constant(chamber, pub.DI, "DeviceHealth", ua.Variant(0, VariantType.Int32))
        self._machine(chamber, "DeviceState", pub.DEVICE_STATES, lambda: pub.OPERATE)
        units = tree.instance(chamber, pub.LADS, "FunctionalUnitSet", pub.UNIT_SET)
        unit = tree.instance(units, pub.LADS, "Unit", pub.FUNCTIONAL_UNIT)
        add_lock(tree, unit, device)
        states = self._machine(unit, "FunctionalUnitState", pub.UNIT_STATES, lambda: pub.FUNCTIONAL[device.state])
        self._action(states, "Stop", device.stop)
        functions = tree.instance(unit, pub.LADS, "FunctionSet", pub.FUNCTION_SET)
        self._add_controller(functions)
        self._add_sensor(functions)
        door = tree.instance(functions, pub.LADS, "Door", pub.COVER)
        self._machine(door, "CoverState", pub.COVER_STATES, lambda: pub.OPENED if device.door_is_open else pub.CLOSED)

    def _add_controller(self, functions: ua.NodeId) -> None:
        tree, device = self._tree, self._device
        controller = tree.instance(functions, pub.LADS, "TemperatureController", pub.ANALOG_CONTROL)
        self._analog(controller, "CurrentValue", self._air)
        self._analog(controller, "TargetValue", lambda: device.target_degc, device.set_target)
        tree.constant(controller, pub.LADS, "IsEnabled", ua.Variant(True))
        states = self._machine(
            controller, "ControlFunctionState", pub.CONTROL_STATES, lambda: pub.FUNCTIONAL[device.state]
        )
        self._action(states, "Start", device.start)
        self._action(states, "Stop", device.stop)
        self._action(states, "Abort", device.abort)
        self._action(states, "Clear", device.clear)

        def start_with(target: ua.Variant) -> None:
            if target.VariantType is not VariantType.Double:
                raise Refusal("BadTypeMismatch")
            device.set_target(target.Value)
            device.start()

        self._action(states, "StartWithTargetValue", start_with, ("TargetValue", DOUBLE))

    def _add_sensor(self, functions: ua.NodeId) -> None:
        tree, device = self._tree, self._device
        sensor = tree.instance(functions, pub.LADS, "TemperatureSensor", pub.SCALAR_SENSOR)
        self._analog(sensor, "SensorValue", self._air)
        monitor = tree.instance(sensor, pub.LADS, "AlarmMonitor", pub.EXCLUSIVE_LEVEL_ALARM)
        tree.variable(
            monitor,
            "",
            "HighHighLimit",
            VariantType.Double,
            lambda: device.chamber.limits_degc[1],
            write=self._checked(lambda limit_degc: device.set_limits(high_degc=limit_degc)),
        )
        tree.variable(
            monitor,
            "",
            "LowLowLimit",
            VariantType.Double,
            lambda: device.chamber.limits_degc[0],
            write=self._checked(lambda limit_degc: device.set_limits(low_degc=limit_degc)),
        )

        def is_active() -> bool:
            low_degc, high_degc = device.chamber.limits_degc
            return not low_degc <= device.air().temperature_degc <= high_degc

        active = tree.variable(
            monitor,
            "",
            "ActiveState",
            VariantType.LocalizedText,
            lambda: ua.LocalizedText("Active" if is_active() else "Inactive"),
            type_number=TWO_STATE,
        )
        tree.variable(active, "", "Id", VariantType.Boolean, is_active)

    def _air(self) -> object:
        """A broken sensor has no value, and one that has frozen an old time."""
        air = self._device.air()
        age = timedelta(seconds=self._device.now_s() - air.since_s)
        if air.is_broken:
            status = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
            return ua.DataValue(StatusCode=status, SourceTimestamp=self._utcnow() - age)
        return ua.DataValue(ua.Variant(air.temperature_degc, VariantType.Double), SourceTimestamp=self._utcnow() - age)

    # pieces

    def _analog(self, parent: ua.NodeId, name: str, read: Read, write: Callable[[float], None] | None = None) -> None:
        tree = self._tree
        node = tree.variable(
            parent,
            pub.LADS,
            name,
            VariantType.Double,
            read,
            type_number=ANALOG_UNIT_RANGE,
            write=None if write is None else self._checked(write),
        )
        unit, span = ua.EUInformation(), ua.Range()
        unit.NamespaceUri, unit.UnitId = pub.CEFACT, pub.CELSIUS
        unit.DisplayName = ua.LocalizedText("°C")
        span.Low, span.High = RANGE_DEGC
        tree.constant(node, "", "EngineeringUnits", ua.Variant(unit), data_type=EU_INFORMATION)
        tree.constant(node, "", "EURange", ua.Variant(span), data_type=RANGE)

    def _machine(
        self, parent: ua.NodeId, name: str, type_id: pub.TypeId, state: Callable[[], pub.StateNode]
    ) -> ua.NodeId:
        tree = self._tree
        machine = tree.instance(parent, pub.LADS, name, type_id)
        current = tree.variable(
            machine,
            "",
            "CurrentState",
            VariantType.LocalizedText,
            lambda: ua.LocalizedText(state().name),
            type_number=FINITE_STATE,
        )
        tree.variable(current, "", "Id", VariantType.NodeId, lambda: tree.type_id(pub.TypeId(pub.LADS, state().node)))
        tree.variable(current, "", "Number", VariantType.UInt32, lambda: state().number)
        return machine

    def _action(self, machine: ua.NodeId, name: str, act: Callable[..., None], *inputs: tuple[str, int]) -> None:
        async def call(_: ua.NodeId, *arguments: ua.Variant) -> object:
            if len(arguments) != len(inputs):
                return ua.StatusCode(ua.StatusCodes.BadArgumentsMissing)
            try:
                self._device.check_lock(caller())
                act(*arguments)
            except Refusal as refusal:
                return ua.StatusCode(str(refusal))
            return []

        self._tree.method(machine, pub.LADS, name, call, inputs=inputs)

    def _checked(self, write: Callable[[float], None]) -> Callable[[float], None]:
        """Values that are none are refused; so are those of whoever has not got the lock."""

        def checked(value: float) -> None:
            try:
                self._device.check_lock(caller())
                write(value)
            except Refusal as refusal:
                raise ua.UaStatusCodeError(ua.StatusCode(str(refusal)).value) from None

        return checked
