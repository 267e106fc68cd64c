"""One channel of a mapped cycler: led on in stages, each read back, and switched off ahead of all that."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from cycler.contract.errors import DeviceFault
from cycler.contract.order import DeviceLimits, Order, Phase
from cycler.contract.overtaking import Withdrawn
from cycler.contract.register_map import EntryKey
from cycler.contract.sweep import ChannelId
from drivers.links.queue import Priority
from drivers.modbus_map.codec import Rounding
from drivers.modbus_map.mapped import CONFIRM_S, Mapped
from drivers.modbus_map.orders import range_of
from drivers.modbus_map.set_values import SWITCH_ON, SetValues, Write, after, set_values_for, stages

SET_NAMES = {
    "voltage_v": "set-voltage",
    "charge_a": "set-charge-current",
    "discharge_a": "set-discharge-current",
}
LIMIT_NAMES = ("over-voltage", "under-voltage", "over-charge-current", "over-discharge-current")

Overtaken = Callable[[], bool]


class Channel:
    """Its registers and bits. Raises `DeviceFault` where the device does not show what it was told, and `Withdrawn`
    once `overtaken` says that an off has come."""

    def __init__(self, mapped: Mapped, channel: ChannelId) -> None:
        registers = [register for register in mapped.map.registers if register.channel == channel]
        self._device = mapped.device
        self._channel = channel
        self._range = range_of(mapped.map)
        self._set = mapped.numbers([register for register in registers if register.name in SET_NAMES.values()])
        self._limits = mapped.numbers([register for register in registers if register.name in LIMIT_NAMES])
        self._measured = mapped.numbers([register for register in registers if register.name == "voltage"])
        bits = [bit for bit in mapped.map.bits if bit.channel == channel]
        self._output = mapped.switches([bit for bit in bits if bit.name == "output"])
        self._alarm = mapped.switches([bit for bit in bits if bit.name == "alarm"])
        self._acknowledge = mapped.switches([bit for bit in bits if bit.name == "acknowledge"])

    async def is_on(self, priority: Priority) -> bool:
        """Whether its output is."""
        return (await self._output.read(priority))[self._key("output")]

    async def has_alarm(self) -> bool:
        """Of the device's own."""
        return (await self._alarm.read(Priority.ORDER))[self._key("alarm")]

    async def close_currents(self) -> None:
        """Both to 0, and the limits to the ends of the range: where every order starts from."""
        await self._write_limits(DeviceLimits(), lambda: False)
        for name in ("set-charge-current", "set-discharge-current"):
            await self._set.write(self._key(name), 0.0, Priority.ORDER)
        held = await self._read_set_values()
        if held.charge_a or held.discharge_a:
            raise DeviceFault(self._device, f"channel {self._channel}: its currents were set to 0 and read back {held}")

    async def lead(self, order: Order, overtaken: Overtaken) -> tuple[Phase, DeviceLimits]:
        """Limits first, then the output. What is achieved: never more than ordered."""
        (phase,) = order.phases
        if await self.has_alarm():
            detail = f"channel {self._channel}: an alarm stands: find its cause and acknowledge it first"
            raise DeviceFault(self._device, detail)
        target = self._held(set_values_for(phase))
        limits = await self._write_limits(order.limits, overtaken)
        on, present = await self.is_on(Priority.ORDER), await self._read_set_values()
        measured = await self._measured.read(Priority.ORDER)
        cell_v = self._nearest_voltage_v(measured[self._key("voltage")])
        for stage in stages(present, target, output_on=on, cell_v=cell_v):
            for write in stage:
                await self._write(write, overtaken)
            present, on = after(present, stage), on or SWITCH_ON in stage
            await self._confirm(present, on=on, overtaken=overtaken)
        return self._achieved(phase, target), limits

    async def open(self, overtaken: Overtaken) -> None:
        """As an order: not ahead of anything."""
        await self._output.write(self._key("output"), False, Priority.ORDER, unless=overtaken)
        await self._confirm(None, on=False, overtaken=overtaken)

    async def switch_off(self) -> None:
        """Ahead of anything queued. Whether it has is to be seen."""
        await self._output.write(self._key("output"), False, Priority.OFF)

    async def acknowledge(self) -> None:
        """Raises `DeviceFault` for an alarm that stays."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        await self._acknowledge.write(self._key("acknowledge"), True, Priority.ORDER)
        while await self.has_alarm():
            if clock() >= deadline_s:
                detail = f"channel {self._channel}: its alarm was acknowledged and still stands"
                raise DeviceFault(self._device, detail)

    async def _write(self, write: Write, overtaken: Overtaken) -> None:
        if write.what == "output":
            await self._output.write(self._key("output"), True, Priority.ORDER, unless=overtaken)
        else:
            key = self._key(SET_NAMES[write.what])
            await self._set.write(key, write.value, Priority.ORDER, unless=overtaken)

    async def _confirm(self, expected: SetValues | None, *, on: bool, overtaken: Overtaken) -> None:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            held = await self._read_set_values()
            shows_on = await self.is_on(Priority.ORDER)
            if shows_on is on and (expected is None or self._confirms(held, expected)):
                return
            if overtaken():
                raise Withdrawn
            if clock() >= deadline_s:
                was = f"it was told {expected} and on={on}" if expected else f"it was told on={on}"
                detail = f"channel {self._channel}: {was}, {CONFIRM_S:g} s later it shows {held} and on={shows_on}"
                raise DeviceFault(self._device, detail)

    def _confirms(self, held: SetValues, expected: SetValues) -> bool:
        """A current of 0 is 0 exactly: it is what holds a direction closed."""
        pairs = [(self._key(name), getattr(held, what), getattr(expected, what)) for what, name in SET_NAMES.items()]
        return (
            bool(held.charge_a) is bool(expected.charge_a)
            and bool(held.discharge_a) is bool(expected.discharge_a)
            and all(self._set.confirms(key, found, wanted) for key, found, wanted in pairs)
        )

    async def _read_set_values(self) -> SetValues:
        values = await self._set.read(Priority.ORDER)
        return SetValues(**{what: values[self._key(name)] for what, name in SET_NAMES.items()})

    async def _write_limits(self, limits: DeviceLimits, overtaken: Overtaken) -> DeviceLimits:
        """As read back. Where the order has none, the end of the range stands."""
        able = self._range
        wanted: Mapping[str, tuple[float | None, float]] = {
            "over-voltage": (limits.voltage_v_max, able.voltage_v_max),
            "under-voltage": (limits.voltage_v_min, able.voltage_v_min),
            "over-charge-current": (limits.charge_current_a_max, able.charge_current_a_max),
            "over-discharge-current": (limits.discharge_current_a_max, able.discharge_current_a_max),
        }
        found = await self._limits.read(Priority.ORDER)
        written = {}
        for name, (asked, end) in wanted.items():
            rounding: Rounding = "up" if name == "under-voltage" else "down"
            value = self._limits.held(self._key(name), end if asked is None else asked, rounding)
            if found[self._key(name)] != value:  # many devices keep them where writing wears
                written[name] = value
                await self._limits.write(self._key(name), value, Priority.ORDER, unless=overtaken)
        if written:
            found = await self._limits.read(Priority.ORDER)
        for name, value in written.items():
            self._limits.check(self._key(name), found[self._key(name)], value)
        kept = {name: found[self._key(name)] if asked is not None else None for name, (asked, _) in wanted.items()}
        return DeviceLimits(
            voltage_v_max=kept["over-voltage"],
            voltage_v_min=kept["under-voltage"],
            charge_current_a_max=kept["over-charge-current"],
            discharge_current_a_max=kept["over-discharge-current"],
        )

    def _held(self, wanted: SetValues) -> SetValues:
        """Rounded so that the cell gets less: lower currents, the voltage on this side of its clamp."""
        voltage_rounding: Rounding = "down" if wanted.direction == "charge" else "up"
        held = SetValues(
            voltage_v=self._set.held(self._key("set-voltage"), wanted.voltage_v, voltage_rounding),
            charge_a=self._set.held(self._key("set-charge-current"), wanted.charge_a, "down"),
            discharge_a=self._set.held(self._key("set-discharge-current"), wanted.discharge_a, "down"),
        )
        if held.direction != wanted.direction:
            raise DeviceFault(self._device, f"channel {self._channel}: so small a current cannot be set")
        return held

    def _nearest_voltage_v(self, voltage_v: float) -> float:
        able = self._range
        inside_v = min(max(voltage_v, able.voltage_v_min), able.voltage_v_max)
        return self._set.held(self._key("set-voltage"), inside_v)

    def _achieved(self, phase: Phase, held: SetValues) -> Phase:
        charges = phase.direction == "charge"
        return replace(
            phase,
            # On a step of the register the value may differ from the order in its last binary digit.
            voltage_v=min(held.voltage_v, phase.voltage_v) if charges else max(held.voltage_v, phase.voltage_v),
            current_a=min(held.charge_a if charges else held.discharge_a, phase.current_a),
        )

    def _key(self, name: str) -> EntryKey:
        return name, self._channel
