"""The supply over Modbus: TCP, or RTU on its other ports."""

import asyncio
import math
from collections.abc import Callable

from cycler.contract.capabilities import Identity
from cycler.contract.errors import DeviceFault, ProtocolError
from drivers.ea_psb import registers as reg
from drivers.ea_psb.instrument import Measured, Pace, Status, Switch
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import Ratings, real
from drivers.ea_psb.set_values import Held, Setting, SetValues
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority

_COILS = {Switch.REMOTE: reg.REMOTE, Switch.RESISTANCE_MODE: reg.RESISTANCE_MODE}


class ModbusInstrument:
    """An `Instrument`."""

    def __init__(self, device: str, link: ModbusLink, *, message_s: float, serial_port: bool) -> None:
        """`message_s`: what one message takes, its gap included. `serial_port`: control by USB may be ours."""
        self.pace = Pace(order_time_s=20 * message_s, sweep_time_s=2 * message_s)
        self._device = device
        self._link = link
        self._not_ours = reg.NOT_OURS_ON_SERIAL_PORTS if serial_port else reg.NOT_OURS
        self._ratings: Ratings
        self._sinks: bool | None = None  # the direction at the last time
        self._enters = False  # resistance mode, by the last order about it
        self._may_resist = True  # until it was seen out of resistance mode: remote control keeps others from it

    async def identify(self) -> Identity:
        """As `Instrument` has it."""
        (device_type,) = await self._link.read(reg.DEVICE_TYPE, Priority.ORDER)
        model = reg.text(device_type)
        if not model.upper().startswith("PSB"):
            raise ProtocolError(self._device, f"register 1 says {model!r}, expected a PSB or PSBE")
        (maker,) = await self._link.read(reg.MAKER, Priority.ORDER)
        (serial,) = await self._link.read(reg.SERIAL, Priority.ORDER)
        (firmware,) = await self._link.read(reg.FIRMWARE, Priority.ORDER)
        return Identity(maker=reg.text(maker), model=model, serial=reg.text(serial), firmware=reg.text(firmware))

    async def ratings(self) -> Ratings:
        """As `Instrument` has it."""
        voltage_v, current_a, power_w, *ends_ohm = await self._link.read(reg.RATINGS, Priority.ORDER)
        has_resistances = all(math.isfinite(ohm) and ohm >= 0.0 for ohm in ends_ohm)
        self._ratings = Ratings(
            voltage_v=voltage_v,
            current_a=current_a,
            power_w=power_w,
            resistance_ohm_min=min(ends_ohm) if has_resistances else 0.0,
            resistance_ohm_max=max(ends_ohm) if has_resistances else 0.0,
        )
        return self._ratings

    async def reach(self) -> Reach:
        """As `Instrument` has it."""
        limits = await self._link.read(reg.ADJUSTMENT_LIMITS, Priority.ORDER)
        # F: 9006 and 9007 are not described.
        voltage_max, voltage_min, source_max, source_min, power_max, sink_power_max, _, _, sink_max, sink_min = limits
        return Reach.within_ratings(
            voltage=(voltage_min, voltage_max),
            source_current=(source_min, source_max),
            sink_current=(sink_min, sink_max),
            source_power=(0, power_max),
            sink_power=(0, sink_power_max),
        )

    async def status(self, priority: Priority) -> Status:
        """As `Instrument` has it."""
        (state,) = await self._link.read(reg.STATE, priority)
        return reg.status(state, self._not_ours)

    async def measure(self, *, accuracy_a: float) -> Measured:
        """Voltage and current come unsigned in one reply, so without skew; the sign is a bit of the state, in the next.

        Where it differs from the last time's it may have changed before or after the values were taken: they are taken
        again, between two states that must agree.
        """
        measured, sinks = await self._measure()
        if sinks is not self._sinks and abs(measured.current_a) > accuracy_a:
            first = sinks
            measured, sinks = await self._measure()
            if sinks is not first and abs(measured.current_a) > accuracy_a:
                measured = Measured(measured.taken_s, measured.voltage_v, math.nan, measured.status)
        self._sinks = sinks
        return measured

    async def held(self) -> Held:
        """As `Instrument` has it."""
        sink_power, sink_current, voltage, source_current, source_power, _, sink_resistance = await self._link.read(
            reg.SET_VALUES, Priority.ORDER
        )
        # Each message more takes its time from a pulse, so what cannot have changed is not asked for.
        resists = self._may_resist and await self.is_on(Switch.RESISTANCE_MODE)
        self._may_resist = resists or self._enters
        return Held(
            SetValues(
                sink_power, sink_current, voltage, source_current, source_power, sink_resistance if resists else None
            )
        )

    async def voltage_raw(self) -> int:
        """As `Instrument` has it."""
        raw: int = (await self._link.read(reg.ACTUAL, Priority.ORDER))[0]
        return raw

    async def write(
        self, setting: Setting, raw: int, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """As `Instrument` has it. The device says no to what it does not take: `DeviceFault`."""
        if setting is Setting.RESISTANCE_MODE:
            self._enters = bool(raw)
            self._may_resist = True
        if setting in reg.SWITCHED:
            await self._link.write_coil(reg.SWITCHED[setting], bool(raw), priority, unless=unless)
        else:
            await self._link.write_register(reg.SETTINGS[setting], raw, priority, unless=unless)

    async def switch(self, what: Switch, on: bool, priority: Priority) -> None:
        """As `Instrument` has it. The device says no to what it does not take: `DeviceFault`."""
        await self._link.write_coil(_COILS[what], on, priority)

    async def is_on(self, what: Switch) -> bool:
        """As `Instrument` has it."""
        (on,) = await self._link.read_bits(_COILS[what], 1, Priority.ORDER)
        return on

    async def acknowledge_alarms(self) -> None:
        """As `Instrument` has it."""
        await self._link.write_coil(reg.ACKNOWLEDGE_ALARMS, True, Priority.ORDER)

    async def refuse_restart(self) -> bool:
        """As `Instrument` has it."""
        try:
            (power_on,) = await self._link.read(reg.POWER_ON_OUTPUT, Priority.ORDER)
        except (ProtocolError, DeviceFault):
            return False  # no document of the maker confirms this address
        if power_on != reg.POWER_ON_OUTPUT_OFF:
            raise DeviceFault(
                self._device,
                f"register 408 holds 0x{power_on:04X}: the output comes on with the power. "
                'Write 0xFFFF there, or send "SYST:CONF:OUTP:REST OFF" to its SCPI port first',
            )
        return True

    def close(self) -> None:
        """As `Instrument` has it."""
        self._link.close()

    async def _measure(self) -> tuple[Measured, bool]:
        voltage_raw, current_raw, _ = await self._link.read(reg.ACTUAL, Priority.SWEEP)
        taken_s = (self._link.sent_s + asyncio.get_running_loop().time()) / 2
        (state,) = await self._link.read(reg.STATE, Priority.SWEEP)
        sinks = bool(state & reg.STATE_SINK)
        current_a = real(current_raw, self._ratings.current_a)
        if sinks and current_raw:
            current_a = -current_a
        voltage_v = real(voltage_raw, self._ratings.voltage_v)
        return Measured(taken_s, voltage_v, current_a, reg.status(state, self._not_ours)), sinks
