"""Finds a chamber's parts in a server that nobody has described: by their types, and by the names of their members."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cycler.contract.capabilities import Identity
from cycler.contract.errors import ProtocolError
from drivers.lads_thermal import nodes as lads
from drivers.lads_thermal.parts import Limits, LockNodes, Method, Parts, Quantity
from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_nodes import STANDARD, Child, NodeRef
from drivers.links.queue import Priority

SUPERTYPES_MAX = 20  # a chain longer than that is a circle

STATE = "LADS:ControlFunctionState"
UNIT_STATE = "LADS:FunctionalUnitState"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    device: NodeRef
    unit: NodeRef
    node: NodeRef
    path: str

    def is_called(self, name: str) -> bool:
        return not name or self.path == name or self.path.endswith(f"/{name}")


class Finder:
    """For one search. Raises `ProtocolError` for a server that holds no such chamber, or more than one."""

    def __init__(self, device: str, link: OpcUaLink, *, function: str, sensor: str) -> None:
        self._device = device
        self._link = link
        self._function = function
        self._sensor = sensor
        self._kinds: dict[tuple[NodeRef, NodeRef], bool] = {}

    async def find(self) -> Parts:
        """Reads only."""
        controllers, sensors, doors = await self._functions()
        controller = await self._one_controller(controllers)
        neighbours = [sensor for sensor in sensors if sensor.unit == controller.unit]
        machine, state, is_enabled = await self._find(
            controller.node, STATE, f"{STATE}/CurrentState/Id", "LADS:IsEnabled"
        )
        if machine is None or state is None:
            raise ProtocolError(self._device, f"{controller.path} has no {STATE}/CurrentState/Id, which LADS demands")
        start, start_with_target, stop, abort, clear = await self._methods(
            controller.node, STATE, "Start", "StartWithTargetValue", "Stop", "Abort", "Clear"
        )
        unit_stop, unit_abort = await self._methods(controller.unit, UNIT_STATE, "Stop", "Abort")
        stop = stop or unit_stop or abort or unit_abort
        if stop is None:
            raise ProtocolError(self._device, f"{controller.path} offers no Stop and no Abort, nor does its unit")
        device_state, health = await self._find(
            controller.device, "LADS:DeviceState/CurrentState/Id", "DI:DeviceHealth"
        )
        own_doors = [door.node for door in doors if door.device == controller.device]
        states = [(await self._find(door, "LADS:CoverState/CurrentState/Id"))[0] for door in own_doors]
        return Parts(
            identity=await self._identity(controller.device),
            name=controller.path,
            device_state=device_state,
            health=health,
            enabled=is_enabled,
            current=await self._quantity(controller, "CurrentValue"),
            target=await self._quantity(controller, "TargetValue"),
            state=state,
            start=start,
            start_with_target=start_with_target,
            clear=clear,
            stop=stop,
            lock=await self._lock(controller.unit),
            doors=[door for door in states if door is not None],
            limits=await self._limits(neighbours),
        )

    async def _functions(self) -> tuple[list[_Function], list[_Function], list[_Function]]:
        """Analog control functions, scalar sensors, and covers of all units of all LADS devices."""
        wanted = (lads.ANALOG_CONTROL, lads.SCALAR_SENSOR, lads.COVER)
        found: tuple[list[_Function], ...] = ([], [], [])
        present = await self._link.children(lads.DEVICE_SET, Priority.ORDER)
        devices = [child for child in present if await self._is_a(child, lads.LADS_DEVICE)]
        if not devices:
            names = ", ".join(child.name for child in present) or "nothing"
            raise ProtocolError(self._device, f"its DeviceSet holds {names}: no device of LADS")
        for device in devices:
            for unit in await self._members(device.node, "LADS:FunctionalUnitSet"):
                if not await self._is_a(unit, lads.FUNCTIONAL_UNIT):
                    continue
                for child in await self._members(unit.node, "LADS:FunctionSet"):
                    place = f"{device.name}/{unit.name}/{child.name}"
                    function = _Function(device=device.node, unit=unit.node, node=child.node, path=place)
                    for kind, functions in zip(wanted, found, strict=True):
                        if await self._is_a(child, kind):
                            functions.append(function)
        controllers, sensors, doors = found
        return controllers, sensors, doors

    async def _one_controller(self, functions: Sequence[_Function]) -> _Function:
        """The one of a temperature, with the name that the rack file gives."""
        fitting = [
            function
            for function in functions
            if function.is_called(self._function) and await self._unit(function, "CurrentValue") is not None
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(function.path for function in fitting)
            raise ProtocolError(self._device, f"it controls several temperatures: {names}; name one as its function")
        names = ", ".join(function.path for function in functions) or "nothing"
        called = f" called {self._function!r}" if self._function else ""
        raise ProtocolError(self._device, f"it controls {names}: no temperature{called}")

    async def _limits(self, sensors: Sequence[_Function]) -> Limits | None:
        """Of the sensor's alarm, where it is clear which sensor and which limits are meant."""
        fitting = [
            (sensor, unit)
            for sensor in sensors
            if sensor.is_called(self._sensor) and (unit := await self._unit(sensor, "SensorValue")) is not None
        ]
        if self._sensor and not fitting:
            names = ", ".join(sensor.path for sensor in sensors) or "nothing"
            raise ProtocolError(self._device, f"it senses {names}: no temperature called {self._sensor!r}")
        if len(fitting) != 1:
            return None
        ((sensor, unit),) = fitting
        low, high = await self._find(sensor.node, "LADS:AlarmMonitor/LowLowLimit", "LADS:AlarmMonitor/HighHighLimit")
        if low is None or high is None:
            return None
        value, _ = await self._link.read([low, high], Priority.ORDER)
        self._link.demand(value)
        return Limits(low=low, high=high, unit=unit, kind=value.kind)

    async def _quantity(self, function: _Function, name: str) -> Quantity:
        node, limits = await self._find(function.node, f"LADS:{name}", f"LADS:{name}/EURange")
        unit = await self._unit(function, name)
        if node is None or limits is None or unit is None:
            raise ProtocolError(self._device, f"{function.path} has no {name} with a range and a unit of temperature")
        value, span = await self._link.read([node, limits], Priority.ORDER)
        content = self._link.demand(span)
        low, high = getattr(content, "Low", math.nan), getattr(content, "High", math.nan)
        if not low < high:
            raise ProtocolError(self._device, f"the range of {function.path}/{name} is {content!r:.60}")
        kind = "Double" if value.kind == "Null" else value.kind  # while its sensor is broken it has no value
        return Quantity(node=node, unit=unit, kind=kind, range_degc=(unit.to_degc(low), unit.to_degc(high)))

    async def _unit(self, function: _Function, name: str) -> lads.Unit | None:
        (node,) = await self._find(function.node, f"LADS:{name}/EngineeringUnits")
        if node is None:
            return None
        (value,) = await self._link.read([node], Priority.ORDER)
        return lads.UNITS.get(getattr(self._link.demand(value), "UnitId", 0))

    async def _identity(self, device: NodeRef) -> Identity:
        names = ("Manufacturer", "Model", "SerialNumber", "SoftwareRevision")
        found = await self._find(device, *(f"DI:{name}" for name in names))
        present = [node for node in found if node is not None]
        values = dict(zip(present, await self._link.read(present, Priority.ORDER), strict=True)) if present else {}
        maker, model, serial, firmware = (
            _text(values[node].content) if node is not None and values[node].is_good else "" for node in found
        )
        return Identity(maker=maker, model=model, serial=serial, firmware=firmware)

    async def _lock(self, unit: NodeRef) -> LockNodes | None:
        names = ("Lock", "Lock/DI:InitLock", "Lock/DI:RenewLock", "Lock/DI:BreakLock", "Lock/DI:LockingClient",
                 "Lock/DI:RemainingLockTime")  # fmt: skip
        owner, init, renew, break_it, client, remaining = await self._find(unit, *(f"DI:{name}" for name in names))
        if owner is None or init is None or renew is None or client is None or remaining is None:
            return None
        return LockNodes(
            init=Method(owner=owner, node=init),
            renew=Method(owner=owner, node=renew),
            break_it=None if break_it is None else Method(owner=owner, node=break_it),
            client=client,
            remaining=remaining,
        )

    async def _methods(self, start: NodeRef, machine: str, *names: str) -> list[Method | None]:
        owner, *methods = await self._find(start, machine, *(f"{machine}/LADS:{name}" for name in names))
        return [None if owner is None or node is None else Method(owner=owner, node=node) for node in methods]

    async def _members(self, owner: NodeRef, path: str) -> Sequence[Child]:
        (folder,) = await self._find(owner, path)
        return () if folder is None else await self._link.children(folder, Priority.ORDER)

    async def _find(self, start: NodeRef, *paths: str) -> tuple[NodeRef | None, ...]:
        return await self._link.find(start, [lads.path(text) for text in paths], Priority.ORDER)

    async def _is_a(self, child: Child, wanted: NodeRef) -> bool:
        """Of this type or of one that a maker has derived from it."""
        kind = child.type
        if kind is None:
            return False
        known = self._kinds.get((kind, wanted))
        if known is None:
            known = self._kinds[kind, wanted] = await self._descends(kind, wanted)
        return known

    async def _descends(self, kind: NodeRef, wanted: NodeRef) -> bool:
        above: NodeRef | None = kind
        for _ in range(SUPERTYPES_MAX):
            if above == wanted:
                return True
            if above is None or above.namespace == STANDARD:
                return False
            above = await self._link.supertype(above, Priority.ORDER)
        return False


def _text(content: Any) -> str:
    """Of a string or a localised text."""
    text = getattr(content, "Text", content)
    return text if isinstance(text, str) else ""
