"""Meters' drivers with one mistake each: a good driver inside, and the mistake around it."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from broken_drivers import Wrapped

from cycler.contract.capabilities import Identity
from cycler.contract.devices import Measurement
from cycler.contract.errors import DeviceError, LinkError
from cycler.contract.sweep import ChannelId
from drivers.links.queue import Priority

Kinds = Collection[Literal["ocv", "acir"]]


class CommissionsWhenItConnects(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        await self.good.commission()
        return identity


class TakesMillivoltsForVolts(Wrapped):
    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        shown: Measurement = await self.good.measure(channel, kinds)
        return replace(shown, voltage_v=None if shown.voltage_v is None else 1e-3 * shown.voltage_v)


class TellsEverything(Wrapped):
    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        shown: Measurement = await self.good.measure(channel, self.good.capabilities.kinds)
        return shown


class MeasuresOnce(Wrapped):
    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        if "shown" not in self.memory:
            self.memory["shown"] = await self.good.measure(channel, kinds)
        shown: Measurement = self.memory["shown"]
        return shown


class MeasuresFromMemoryInTrouble(Wrapped):
    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        try:
            self.memory["shown"] = await self.good.measure(channel, kinds)
        except DeviceError:
            if "shown" not in self.memory:
                raise
        shown: Measurement = self.memory["shown"]
        return shown


class TakesCodesForNumbers(Wrapped):
    code = 1e9

    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        shown: Measurement = await self.good.measure(channel, kinds)
        return replace(
            shown,
            voltage_v=self.code if shown.voltage_v is None else shown.voltage_v,
            resistance_ohm=self.code if shown.resistance_ohm is None else shown.resistance_ohm,
        )


class ShowsZeroForNothing(TakesCodesForNumbers):
    code = 0.0


class LetsItRunFreely(Wrapped):
    async def commission(self) -> None:
        await self.good.commission()
        await self.good._link.exchange(":INIT:CONT ON;:INIT:CONT?", Priority.ORDER)


class OverlooksUnknownChannels(Wrapped):
    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        shown: Measurement = await self.good.measure(self.good.capabilities.channels[0], self.good.capabilities.kinds)
        return shown


class CommissionsOtherwiseTheSecondTime(Wrapped):
    async def commission(self) -> None:
        await self.good.commission()
        if self.memory.setdefault("commissioned", []):
            await self.good._link.exchange(":SAMP:RATE FAST;:SAMP:RATE?", Priority.ORDER)
        self.memory["commissioned"].append(True)


class GivesUpForGood(Wrapped):
    async def connect(self) -> Identity:
        self._check()
        identity: Identity = await self.good.connect()
        return identity

    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        self._check()
        try:
            shown: Measurement = await self.good.measure(channel, kinds)
        except DeviceError:
            self.memory["lost"] = True
            raise
        return shown

    def _check(self) -> None:
        if "lost" in self.memory:
            raise LinkError("dut", "it was lost once")


class TakesAMinuteToNotice(Wrapped):
    async def measure(self, channel: ChannelId, kinds: Kinds) -> Measurement:
        try:
            shown: Measurement = await self.good.measure(channel, kinds)
        except DeviceError:
            await asyncio.sleep(60.0)
            raise
        return shown
