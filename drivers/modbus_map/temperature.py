"""A thermometer module: every register of its map is one input."""

import asyncio
import math

from cycler.contract.capabilities import Identity, InputRange
from cycler.contract.devices import Temperatures
from cycler.contract.sweep import ChannelId
from drivers.links.queue import Priority
from drivers.modbus_map.mapped import TRANSACTION_S, Mapped
from drivers.modbus_map.needs import channels_of

ACCURACY_K = 2.5  # where the map gives none: a class 2 thermocouple of type K, IEC 60584-1
RANGE_DEGC = (-60.0, 250.0)  # beyond, where the map gives none, it is no temperature of a cell but a broken sensor


class MappedTemperatures:
    """A `TemperatureInput`."""

    def __init__(self, mapped: Mapped) -> None:
        registers = list(mapped.map.registers)
        self._mapped = mapped
        self._numbers = mapped.numbers(registers)
        self._keys = [register.key for register in registers]
        self._range_degc = mapped.map.ranges.get("temperature", RANGE_DEGC)
        self._capabilities = InputRange(
            channels=tuple(ChannelId(channel) for channel in channels_of(registers)),
            accuracy_k=mapped.map.accuracies.get("temperature", ACCURACY_K),
            sweep_time_s=TRANSACTION_S * self._numbers.transactions,
        )

    @property
    def capabilities(self) -> InputRange:
        """As the map says."""
        return self._capabilities

    async def connect(self) -> Identity:
        identity = await self._mapped.identify()
        await self.read()
        return identity

    async def commission(self) -> None:
        """There is nothing to set."""
        await self.read()

    async def read(self) -> Temperatures:
        """NaN where a register holds the value of a broken sensor, or one outside the range."""
        clock = asyncio.get_running_loop().time
        begin_s = clock()
        values = await self._numbers.read(Priority.SWEEP)
        taken_s = (begin_s + clock()) / 2
        low_degc, high_degc = self._range_degc
        return Temperatures(
            taken_s=taken_s,
            taken_utc=self._mapped.utc_at(taken_s),
            channels=self._capabilities.channels,
            temperature_degc=[values[key] if low_degc <= values[key] <= high_degc else math.nan for key in self._keys],
        )

    async def aclose(self) -> None:
        self._mapped.link.close()
