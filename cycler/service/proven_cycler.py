"""A cycler with the record of its proof test beside it: what the test has shown counts as declared by the device."""

from collections.abc import Collection, Mapping, Sequence

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.order import Order
from cycler.contract.sweep import ChannelId, Running, Sweep
from cycler.service.proof_record import ProofRecord, proven_capabilities


class ProvenCycler:
    """A `CyclerDriver` over another."""

    def __init__(self, driver: CyclerDriver, record: ProofRecord) -> None:
        self._driver = driver
        self._record = record
        self._identity: Identity | None = None

    @property
    def capabilities(self) -> Capabilities:
        """As the device declares them; once it is known to be the one that was tested, with what that has shown."""
        declared = self._driver.capabilities
        return declared if self._identity is None else proven_capabilities(declared, self._identity, self._record)

    async def connect(self) -> Identity:
        self._identity = await self._driver.connect()
        return self._identity

    async def adopt(self) -> Mapping[ChannelId, Running]:
        return await self._driver.adopt()

    async def commission(self) -> None:
        await self._driver.commission()

    async def read(self) -> Sequence[Sweep]:
        return await self._driver.read()

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        return await self._driver.apply(orders)

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        await self._driver.make_safe(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        await self._driver.acknowledge(channels)

    async def aclose(self) -> None:
        await self._driver.aclose()
