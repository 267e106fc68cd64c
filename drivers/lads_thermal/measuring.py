"""One reading of the chamber, in one request, and whether it can be believed."""

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from cycler.contract.devices import ChamberReading
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from drivers.lads_thermal import nodes as lads
from drivers.lads_thermal.function import ControlFunction
from drivers.lads_thermal.parts import Parts
from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_nodes import NodeRef, Value
from drivers.links.queue import Priority

SENSOR_STATUSES = frozenset({"BadSensorFailure", "BadNotConnected", "BadDeviceFailure", "BadOutOfService"})
"""Of the air: it is not measured. What else is not good is an error."""


class Measuring:
    """`stale_s` is the age at which an air temperature counts for nothing."""

    def __init__(
        self, device: str, link: OpcUaLink, parts: Parts, function: ControlFunction, *, stale_s: float
    ) -> None:
        self._device = device
        self._link = link
        self._parts = parts
        self._function = function
        self._stale_s = stale_s
        health = () if parts.health is None else (parts.health,)
        self._nodes: tuple[NodeRef, ...] = (
            parts.current.node, parts.target.node, parts.state, *parts.doors, *health, lads.SERVER_STATE,
            lads.SERVER_TIME,
        )  # fmt: skip

    async def measure(self, utcnow: Callable[[], datetime]) -> ChamberReading:
        """Raises `DeviceFault` where a run was aborted or the device reports a failure."""
        loop, link, parts = asyncio.get_running_loop(), self._link, self._parts
        values = dict(zip(self._nodes, await link.read(self._nodes, Priority.SWEEP), strict=True))
        skew_s = (loop.time() - link.sent_s) / 2.0
        taken_s, taken_utc = loop.time() - skew_s, utcnow() - timedelta(seconds=skew_s)
        if (server := link.demand(values[lads.SERVER_STATE])) != lads.SERVER_RUNNING:
            raise LinkError(self._device, f"its server's state is {server!r:.40}, not 0, which is Running")
        if parts.health is not None and link.demand(values[parts.health]) == lads.HEALTH_FAILURE:
            raise DeviceFault(self._device, "its DeviceHealth is FAILURE")
        doors = [await self._function.name_of(values[door], Priority.SWEEP) for door in parts.doors]
        state = await self._function.name_of(values[parts.state], Priority.SWEEP)
        if state in ("Aborted", "Aborting"):
            opened = [door for door in doors if door not in lads.DOOR_CLOSED]
            hint = f"; its door is {opened[0]}" if opened else ""
            raise DeviceFault(self._device, f"{parts.name} is {state}{hint}")
        return ChamberReading(
            taken_s=taken_s,
            taken_utc=taken_utc,
            air_degc=self._air_degc(values),
            target_degc=parts.target.unit.to_degc(link.number(values[parts.target.node])),
            door_open=any(door not in lads.DOOR_CLOSED for door in doors) if doors else None,
        )

    def _air_degc(self, values: Mapping[NodeRef, Value]) -> float:
        """NaN where its sensor is broken."""
        current, value = self._parts.current, values[self._parts.current.node]
        if value.status in SENSOR_STATUSES:
            return math.nan
        air_degc = current.unit.to_degc(self._link.number(value))
        server_utc = self._link.demand(values[lads.SERVER_TIME])
        if isinstance(server_utc, datetime) and value.source_utc is not None:
            # Both by the server's clock, so that it may go wrong as it likes.
            age_s = (server_utc - value.source_utc).total_seconds()
            if age_s > self._stale_s:
                raise LinkError(
                    self._device, f"{value.node} is {age_s:.1f} s old, and stale from {self._stale_s:g} s on"
                )
        low_degc, high_degc = current.range_degc
        span_k = high_degc - low_degc
        if not math.isnan(air_degc) and not low_degc - span_k <= air_degc <= high_degc + span_k:
            message = f"{value.node} is {air_degc:g} degC, far outside its range of {low_degc:g} to {high_degc:g} degC"
            raise ProtocolError(self._device, message)
        return air_degc
