"""One chamber: read on its beat, and kept at the set value that its bays have agreed on."""

import asyncio
from collections.abc import Callable
from math import isnan

from cycler.contract.devices import ChamberDriver, ChamberReading
from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from cycler.control.beat import Beat
from cycler.control.patience import Patience
from cycler.control.rack_log import RackLog
from cycler.control.reservations import Reservations
from cycler.model.alarm import AlarmCode
from cycler.recipe.plan import ChamberRule
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder

MOVED_K = 0.5  # a set value that is read back so far from ours was not rounded, but changed


class ChamberLoop:
    """However this ends, the chamber keeps its set value: what ages in it goes on, with control or without.

    Unless a cell in it has become too hot, or there is a fire: it is made safe then, and set again only once everybody
    who asked for that has taken it back, also after a restart.
    """

    def __init__(
        self,
        device: str,
        driver: ChamberDriver,
        rack_log: RackLog,
        recorder: Recorder,
        *,
        sweep_s: float,
        offset_s: float,
        on_reading: Callable[[str], None],
    ) -> None:
        """`on_reading` is told, with the device, when there is a new reading, or a set value has been taken."""
        self.device = device
        self.reading: ChamberReading | None = None  # None as long as nothing is known of it
        self.reservations = Reservations()
        self._driver = driver
        self._log = rack_log
        self._on_reading = on_reading
        self._patience = Patience(device, sweep_s=sweep_s)
        self._beat = Beat(period_s=sweep_s, fast_s=sweep_s, offset_s=offset_s)
        self._wanted: ChamberRule | None = None
        self._is_set = False
        self._is_lost = False
        self._memory: Memory[list[str]] = Memory(recorder, "chamber", list[str])
        self._secured_for = set(self._memory.get(device, ()))  # who wants it safe
        self._is_safe = False  # and it has confirmed that

    def make_safe(self, asker: str) -> None:
        """Heater off, before anything else it is told, until this asker lets it go on. Never waits."""
        if not self._secured_for:
            self._is_safe = False
            self._beat.wake()
        self._secured_for.add(asker)
        self._memory.keep(self.device, sorted(self._secured_for))
        self._is_set = False

    def let_go_on(self, asker: str) -> None:
        """The asker does not want it safe any more: set again once nobody does. Idempotent."""
        if asker in self._secured_for:
            self._secured_for.remove(asker)
            self._memory.keep(self.device, sorted(self._secured_for))
            if not self._secured_for:
                self._log.record("chamber.released", device=self.device, text=f"{self.device} may be set again")
                self._beat.wake()

    @property
    def is_secured(self) -> bool:
        """Somebody wants it safe: it is not set to anything."""
        return bool(self._secured_for)

    def want(self, rule: ChamberRule) -> None:
        """Set it to this, now and again whenever it was lost."""
        if self._wanted is None or rule.target_degc != self._wanted.target_degc:
            self._wanted, self._is_set = rule, False
            self._beat.wake()

    def set_again(self) -> None:
        """It has its set value, but may not act on it: after a power failure many stand still until they get one."""
        self._is_set = False

    def has_taken(self, rule: ChamberRule) -> bool:
        """It answers, and has confirmed this set value."""
        wanted = self._wanted
        return (
            self._is_set and self.reading is not None and wanted is not None and wanted.target_degc == rule.target_degc
        )

    @property
    def air_degc(self) -> float:
        """NaN where that is not known."""
        return float("nan") if self.reading is None else self.reading.air_degc

    def reaches(self, target_degc: float) -> bool:
        """Whether it can be set to that. It has been connected."""
        able = self._driver.capabilities
        return able.temperature_degc_min <= target_degc <= able.temperature_degc_max

    async def limit(self, low_degc: float, high_degc: float) -> None:
        """Set its own limits, as far as its range goes. Raises `DeviceError`."""
        able = self._driver.capabilities
        await self._driver.set_limits(
            temperature_degc_min=max(low_degc, able.temperature_degc_min),
            temperature_degc_max=min(high_degc, able.temperature_degc_max),
        )

    async def prepare(self) -> None:
        """Connect, configure, and read once."""
        await self._driver.connect()
        await self._driver.commission()
        self._is_set = self._is_safe = False
        await self._secure()
        self._take(await self._driver.read())
        if self._is_lost:
            self._is_lost = False
            self._log.record("chamber.back", device=self.device, text=f"{self.device} answers again")

    async def run(self) -> None:
        """Until cancelled, or until the device has failed for three beats."""
        clock = asyncio.get_running_loop().time
        self._patience.heard_s = clock()
        while True:
            await self._beat.next()
            try:
                await self._secure()
                self._take(await self._driver.read())
                await self._set()
                self._patience.heard_s = clock()
            except (LinkError, ProtocolError) as error:
                self._patience.bear(error)

    def lose(self, error: DeviceError) -> None:
        """Nothing is known of it any more. What is tried again and again is said once."""
        if not self._is_lost:
            self._is_lost = True
            self._log.record(
                "device.lost",
                device=self.device,
                code=AlarmCode.CHAMBER_FAULT,
                text=str(error),
                by_wire=isinstance(error, LinkError),
            )
        self.reading = None
        self._on_reading(self.device)

    async def _secure(self) -> None:
        if self._secured_for and not self._is_safe:
            await self._driver.make_safe()
            self._is_safe = True
            self._log.record("chamber.secured", device=self.device, text=f"the heater of {self.device} is off")

    async def _set(self) -> None:
        rule = self._wanted
        if rule is None or self._is_set or self._secured_for:
            return
        await self._driver.set_target(temperature_degc=rule.target_degc, rate_k_per_min=rule.rate_k_per_min)
        self._is_set = rule == self._wanted and not self._secured_for  # that may have changed meanwhile
        self._on_reading(self.device)

    def _take(self, reading: ChamberReading) -> None:
        before, self.reading = self.reading, reading
        was_blind, is_blind = before is not None and isnan(before.air_degc), isnan(reading.air_degc)
        if is_blind != was_blind:
            text = f"{self.device} {'does not measure its air' if is_blind else 'measures its air again'}"
            name = "chamber.sensor_broken" if is_blind else "chamber.sensor_back"
            self._log.record(name, device=self.device, code=AlarmCode.SENSOR_BREAK, text=text)
        was_open, is_open = before is not None and before.door_open is True, reading.door_open is True
        if is_open != was_open:
            text = f"the door of {self.device} is {'open' if is_open else 'closed again'}"
            name = "chamber.door_opened" if is_open else "chamber.door_closed"
            self._log.record(name, device=self.device, code=AlarmCode.DOOR, text=text)
        rule = self._wanted
        if (
            rule is not None
            and self._is_set
            and rule.rate_k_per_min is None  # else the set value itself may be on its way
            and abs(reading.target_degc - rule.target_degc) > MOVED_K
        ):
            text = f"{self.device} is set to {reading.target_degc:g} degC and not to {rule.target_degc:g} degC"
            self._log.record("chamber.set_value_moved", device=self.device, text=text)
            self._is_set = False
        self._on_reading(self.device)
