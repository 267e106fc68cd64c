"""The proof test of a device on a dummy load: each of its limits is tripped by an order, and it has to open by itself.

The dummy load holds a voltage of its own and takes current both ways, like an electronic dummy cell. Each order is one
that has flowed there before, with one limit moved to where the dummy is: nothing leaves the dummy's range.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from cycler.contract.capabilities import Capabilities, DeviceProtection, Watchdog
from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError, DeviceFault, LinkError
from cycler.contract.order import Applied, DeviceLimits, Order, Phase
from cycler.contract.sweep import ChannelId, Reading
from cycler.service.proof_record import TESTED, WATCHDOG, ProofRecord
from cycler.service.refusal import Refused

CLAMP_V: Final = 0.3  # so far from the dummy's voltage the device regulates at most
LIMIT_V: Final = 0.2  # so far from it a voltage limit stands that has to trip
CURRENT_RATIO: Final = 0.05  # of the channel's range, where nobody says which current the dummy bears
LOOK_S: Final = 0.25
FLOW_S: Final = 10.0  # beside the device's own delay: by then current flows, or a limit has opened the output
TIME_S: Final = 5.0  # what ends by time or by charge ends by so much of it
LASTS_S: Final = 120.0  # of orders that nothing else is to end
SILENCE_RATIO: Final = 1.5  # of the watchdog's time: for so long nothing is said to the device

AFTER_CURRENT: Final = frozenset({"over_charge", "time"})
"""Limits that trip only after seconds of current: an output that opened before was opened by something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """`record` holds what tripped; `failed` says of each other limit what was seen instead."""

    record: ProofRecord
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What became of an output: `opened_s` after its order, None where it stayed on."""

    opened_s: float | None
    flowed: bool
    last: Reading


class ProofTest:
    """Of one channel; what it shows is taken for the whole device. `say` hears how it goes on."""

    def __init__(self, device: str, driver: CyclerDriver, channel: ChannelId, *, say: Callable[[str], None]) -> None:
        self._device = device
        self._driver = driver
        self._channel = channel
        self._say = say
        self._orders = 0

    async def run(self, *, by: str, today: date, current_a: float | None = None) -> ProofResult:
        """Leaves the output open, however it ends. `current_a`: what the dummy load bears.

        Raises `Refused` where it may not begin or could not prove anything, and `DeviceError`.
        """
        identity = await self._driver.connect()
        if not identity.serial:
            raise Refused("no-serial", f"{self._device} tells no serial number: a record of it would be anybody's")
        if self._channel not in self._driver.capabilities.channels:
            raise Refused("no-channel", f"{self._device} has no channel {self._channel}")
        on = [name for name, running in (await self._driver.adopt()).items() if running.energised]
        if on:
            raise Refused("energised", f"{self._device}: output {', '.join(on)} is on", "nothing else may run there")
        tripped: dict[str, str] = {}
        failed: dict[str, str] = {}
        try:
            await self._driver.commission()
            can = self._driver.capabilities
            limits = [each for each in TESTED if each in can.protections and can.limit_readback == "no"]
            watchdog = can.watchdog if can.watchdog is not None and can.watchdog.watches == "host" else None
            if not limits and watchdog is None:
                reason = "its limits are read back, and it has no watchdog" if can.protections else "it keeps no limits"
                raise Refused("nothing-to-prove", f"{self._device}: there is nothing to prove: {reason}")
            charge, discharge = await self._flowing(can, current_a)
            for limit in limits:
                phase, bounds = _order_for(limit, charge, discharge)
                self._note(limit, await self._trip(limit, phase, bounds), tripped, failed)
            if watchdog is not None:
                self._note(WATCHDOG, await self._fall_silent(charge, watchdog), tripped, failed)
        finally:
            await self._driver.make_safe([self._channel])
        record = ProofRecord(
            device=self._device, channel=self._channel, identity=identity, day=today, by=by, tripped=tripped
        )
        return ProofResult(record=record, failed=failed)

    def _note(self, limit: str, seen: tuple[bool, str], tripped: dict[str, str], failed: dict[str, str]) -> None:
        opened, text = seen
        (tripped if opened else failed)[limit] = text
        self._say(f"{limit:<14} {'opened' if opened else 'NOT PROVEN'}: {text}")

    async def _flowing(self, can: Capabilities, current_a: float | None) -> tuple[Phase, Phase]:
        """A charge and a discharge that the dummy load takes without leaving the window."""
        able, at_v = can.range, (await self._look()).voltage_v
        if not able.voltage_v_min + CLAMP_V < at_v < able.voltage_v_max - CLAMP_V:
            text = f"{self._device}/{self._channel} shows {at_v:.3f} V: no dummy load that holds a voltage"
            raise Refused("no-dummy", text, f"it has to lie {CLAMP_V:g} V inside the channel's range")
        most_a = min(able.charge_current_a_max, able.discharge_current_a_max)
        set_a = CURRENT_RATIO * most_a if current_a is None else current_a
        if not 0.0 < set_a <= most_a:
            raise Refused("current", f"{set_a:g} A is nothing for a channel of {most_a:g} A")
        charge = Phase(direction="charge", voltage_v=at_v + CLAMP_V, current_a=set_a)
        discharge = Phase(direction="discharge", voltage_v=at_v - CLAMP_V, current_a=set_a)
        for phase in (charge, discharge):
            seen = await self._watch(await self._order(phase, DeviceLimits(time_s_max=LASTS_S)), until_flow=True)
            if not seen.flowed or abs(seen.last.voltage_v - at_v) >= LIMIT_V:
                text = f"a {phase.direction} of {set_a:g} A: {seen.last.current_a:.3f} A at {seen.last.voltage_v:.3f} V"
                hint = f"the dummy load has to take it within {LIMIT_V:g} V of {at_v:.3f} V; choose --current"
                raise Refused("no-dummy", f"{self._device}/{self._channel}: {text}", hint)
            await self._driver.make_safe([self._channel])
        return charge, discharge

    async def _trip(self, limit: str, phase: Phase, limits: DeviceLimits) -> tuple[bool, str]:
        """Whether the device opened by itself, and what was seen."""
        bounds = ", ".join(
            f"{name} {value:.4g}"
            for name in DeviceLimits.__dataclass_fields__
            if (value := getattr(limits, name)) is not None and value != LASTS_S
        )
        try:
            seen = await self._watch(await self._order(phase, limits), until_flow=False)
        except DeviceFault as fault:
            return fault.tripped, f"with {bounds}: {fault.detail}"
        finally:
            await self._driver.make_safe([self._channel])
            await self._driver.acknowledge([self._channel])  # a person asked for all of this
        where = f"with {bounds}, at {seen.last.voltage_v:.3f} V, ordered {phase.direction} {phase.current_a:g} A"
        if seen.opened_s is None:
            return False, f"{where}: its output stayed on"
        if limit in AFTER_CURRENT and not seen.flowed:
            return False, f"{where}: it opened before any current flowed"
        return True, f"{where}: it opened {seen.opened_s:.1f} s after the order"

    async def _fall_silent(self, phase: Phase, watchdog: Watchdog) -> tuple[bool, str]:
        began_s = await self._order(phase, DeviceLimits(time_s_max=LASTS_S))
        if not (await self._watch(began_s, until_flow=True)).flowed:
            return False, "no current flowed"
        silent_s = SILENCE_RATIO * watchdog.timeout_s
        await asyncio.sleep(silent_s)
        try:
            running = await self._driver.adopt()
        except LinkError:
            await self._driver.connect()  # it has hung up meanwhile
            running = await self._driver.adopt()
        text = f"nothing was said to it for {silent_s:g} s, its watchdog stands at {watchdog.timeout_s:g} s"
        if running[self._channel].energised:
            return False, f"{text}: its output stayed on"
        return True, f"{text}: its output was open"

    async def _order(self, phase: Phase, limits: DeviceLimits) -> float:
        """When it was given."""
        self._orders += 1
        order = Order(order_id=self._orders, phases=(phase,), limits=limits)
        answer = (await self._driver.apply({self._channel: order}))[self._channel]
        if isinstance(answer, Applied):
            return asyncio.get_running_loop().time()
        raise (
            answer if isinstance(answer, DeviceError) else DeviceFault(self._device, "somebody else opened its output")
        )

    async def _watch(self, began_s: float, *, until_flow: bool) -> _Seen:
        """Until the output is open, or current flows where that is awaited, or it takes too long."""
        clock, flowed = asyncio.get_running_loop().time, False
        wait_s = self._driver.capabilities.start_delay_s + FLOW_S + (0.0 if until_flow else TIME_S)
        while True:
            reading = await self._look()
            now_s = clock() - began_s
            flowed = flowed or reading.regulation in ("cc", "cv")
            if reading.regulation == "off" and not (await self._driver.adopt())[self._channel].energised:
                return _Seen(opened_s=now_s, flowed=flowed, last=reading)
            if now_s >= wait_s or (until_flow and flowed):
                return _Seen(opened_s=None, flowed=flowed, last=reading)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> Reading:
        return (await self._driver.read())[-1][self._channel]


def _order_for(limit: DeviceProtection, charge: Phase, discharge: Phase) -> tuple[Phase, DeviceLimits]:
    """What only this limit ends. A limit lies on the far side of the direction: within its own direction the device
    would regulate before it trips."""
    beyond_v = LIMIT_V - CLAMP_V
    match limit:
        case "over_voltage":
            return discharge, DeviceLimits(voltage_v_max=discharge.voltage_v - beyond_v, time_s_max=LASTS_S)
        case "under_voltage":
            return charge, DeviceLimits(voltage_v_min=charge.voltage_v + beyond_v, time_s_max=LASTS_S)
        case "over_current":
            # At the set current itself: what the device regulates to is just what trips.
            return charge, DeviceLimits(charge_current_a_max=charge.current_a, time_s_max=LASTS_S)
        case "over_charge":
            return charge, DeviceLimits(charge_ah_max=charge.current_a * TIME_S / 3600.0, time_s_max=LASTS_S)
        case "time":
            return charge, DeviceLimits(time_s_max=TIME_S)
        case "over_power":
            raise ValueError("no order trips it on a dummy load")
