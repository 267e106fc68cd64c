"""Opens the outputs of a rack without control: all devices at once, each over a connection of its own, within seconds.

What a device does not confirm is cut off by the contactor of its bay; what nobody confirms is listed. Chambers keep
their set values, and presses stay closed.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from cycler.contract.devices import CyclerDriver, DigitalIo
from cycler.contract.errors import DeviceError, LinkError
from cycler.contract.plugin import Driver, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.model.rack import Bay, BayId, ChannelRef
from cycler.service.all_at_once import Outcome, all_at_once
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.controller_loss import openers
from cycler.service.handover import Finishing, Handover, confirms
from cycler.service.wiring import load_driver, offline_keeps

BUDGET_S: Final = 2.0
"""For everything, from the first message on."""

DEVICE_S: Final = 1.2
"""Of these for the devices themselves; the rest is left for contactors."""

ADOPT_S: Final = 0.5
"""To find out what a device does that may run on; longer and it is opened."""

How = Literal["open", "cut-off", "finishing", "not-confirmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputState:
    """One output. `how`: its device shows it open; its contactor is open; it runs on as handed over; nobody knows.

    `is_unreachable`: of the last kind, the device did not answer at all.
    """

    channel: ChannelRef
    places: tuple[str, ...]
    how: How
    text: str = ""
    is_unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cycler:
    config: DeviceConfiguration
    driver: CyclerDriver | None  # None: it lives inside another process
    channels: tuple[ChannelId, ...]  # all that it has


class SafeOff:
    """Of one rack. Raises `NotInstalled`, and `ValueError` for settings that cannot be."""

    def __init__(
        self, configuration: Configuration, *, handover: Handover | None, utcnow: Callable[[], datetime]
    ) -> None:
        """`handover`: what may run on; None for nothing."""
        self._configuration = configuration
        self._utcnow = utcnow
        self._handover = handover
        self._cyclers: dict[str, _Cycler] = {}
        self._ios: dict[str, DigitalIo] = {}
        contactors = {bay.contactor.device for bay in configuration.rack.bays.values() if bay.contactor is not None}
        for config in configuration.devices:
            driver, name = load_driver(config.driver), config.settings.device
            kind = driver.kind_of(config.settings)
            if kind == "cycler":
                self._cyclers[name] = self._cycler(config, driver)
            elif kind == "digital-io" and name in contactors and not config.settings.resource.in_process:
                self._ios[name] = cast(DigitalIo, driver.opens(config.settings, Surroundings(utcnow=utcnow)))

    async def run(self) -> list[OutputState]:
        """In the order of the rack file. Ends within `BUDGET_S`, whatever the devices do."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + BUDGET_S
        knocking = {name: asyncio.create_task(io.connect(), name=f"connect {name}") for name, io in self._ios.items()}
        try:
            opened = await all_at_once(
                {name: self._open(cycler) for name, cycler in self._cyclers.items()}, until_s=clock() + DEVICE_S
            )
            bays = [bay for bay in self._configuration.rack.bays.values() if self._is_doubtful(bay, opened)]
            cut = await self._cut_off(bays, knocking, until_s=end_s)
        finally:
            for task in knocking.values():
                task.cancel()
            await asyncio.wait([asyncio.create_task(self._let_go())], timeout=max(end_s - clock(), 0.0))
        return [self._state(channel, places, opened, cut) for channel, places in self._outputs().items()]

    # devices

    def _cycler(self, config: DeviceConfiguration, driver: Driver) -> _Cycler:
        settings = config.settings
        facts = None if driver.offline is None else driver.offline(settings)
        known = None if facts is None or facts.channels is None else tuple(map(ChannelId, facts.channels))
        device = None
        if not settings.resource.in_process:
            device = cast(CyclerDriver, driver.opens(settings, Surroundings(utcnow=self._utcnow)))
        channels = known or self._configuration.channels_of(settings.device)
        return _Cycler(config=config, driver=device, channels=channels)

    async def _open(self, cycler: _Cycler) -> Collection[ChannelId]:
        """The channels that run on. Raises `DeviceError` where the others are not confirmed to be open."""
        name = cycler.config.settings.device
        if cycler.driver is None:
            raise LinkError(name, "it is simulated inside another process: nothing else reaches it")
        listed = {} if self._handover is None else _of_device(self._handover, name)
        staying = await self._confirmed(cycler.driver, listed) if listed else frozenset()
        await cycler.driver.make_safe([channel for channel in cycler.channels if channel not in staying])
        return staying

    async def _confirmed(self, driver: CyclerDriver, listed: Mapping[ChannelId, Finishing]) -> frozenset[ChannelId]:
        """Those of the listed channels whose device is at the order that control committed."""
        assert self._handover is not None  # noqa: S101 (else nothing is listed)
        try:
            async with asyncio.timeout(ADOPT_S):
                await driver.connect()
                running = await driver.adopt()
        except (DeviceError, TimeoutError):
            return frozenset()
        passed_s = (self._utcnow() - self._handover.written_utc).total_seconds()
        return frozenset(
            channel
            for channel, finishing in listed.items()
            if channel in running and confirms(running[channel], finishing, passed_s=passed_s)
        )

    # contactors

    def _is_doubtful(self, bay: Bay, opened: Mapping[str, Outcome]) -> bool:
        devices = {channel.device for position in bay.positions.values() for channel in position.channels}
        return bay.contactor is not None and any(opened[device].error is not None for device in devices)

    async def _cut_off(
        self, bays: Sequence[Bay], knocking: Mapping[str, "asyncio.Task[Any]"], *, until_s: float
    ) -> Mapping[BayId, Outcome]:
        """The contactors of these bays, all lines of a module in one go."""
        lines: dict[str, dict[str, bool]] = {}
        for bay in bays:
            if bay.contactor is not None and bay.contactor.device in self._ios:
                lines.setdefault(bay.contactor.device, {})[bay.contactor.channel] = False
        done = await all_at_once(
            {name: self._drop(name, knocking[name], own) for name, own in lines.items()}, until_s=until_s
        )
        return {
            bay.bay: done[bay.contactor.device]
            for bay in bays
            if bay.contactor is not None and bay.contactor.device in done
        }

    async def _drop(self, name: str, knock: "asyncio.Task[Any]", lines: Mapping[str, bool]) -> None:
        await knock
        try:
            await self._ios[name].write(lines)
        except DeviceError:
            # A module that has dropped its outputs by itself takes no orders, and shows them off.
            shown = (await self._ios[name].read()).outputs
            if any(shown[line] for line in lines):
                raise

    async def _let_go(self) -> None:
        drivers = [cycler.driver for cycler in self._cyclers.values() if cycler.driver is not None]
        await asyncio.gather(*(device.aclose() for device in [*drivers, *self._ios.values()]))

    # what came of it

    def _outputs(self) -> Mapping[ChannelRef, tuple[str, ...]]:
        """All that positions name, with the positions."""
        found: dict[ChannelRef, tuple[str, ...]] = {}
        for bay in self._configuration.rack.bays.values():
            for name, position in bay.positions.items():
                for channel in position.channels:
                    found[channel] = (*found.get(channel, ()), name)
        return found

    def _state(
        self,
        channel: ChannelRef,
        places: tuple[str, ...],
        opened: Mapping[str, Outcome],
        cut: Mapping[BayId, Outcome],
    ) -> OutputState:
        own, stays = opened[channel.device], False
        if own.error is None:
            stays = ChannelId(channel.channel) in own.result
        bay = self._configuration.rack.bays[BayId(places[0].partition("/")[0])]
        drop = cut.get(bay.bay)
        if drop is not None and drop.error is None and (stays or own.error is not None):
            text = f"by {bay.contactor}" + (f": {own.text}" if own.text else "")
            return OutputState(channel=channel, places=places, how="cut-off", text=text)
        if own.error is None:
            return OutputState(channel=channel, places=places, how="finishing" if stays else "open")
        texts = [own.text]
        if bay.contactor is not None:
            texts.append(f"its contactor {bay.contactor}: {'out of reach' if drop is None else drop.text}")
        texts += self._what_is_left(self._cyclers[channel.device].config)
        return OutputState(
            channel=channel,
            places=places,
            how="not-confirmed",
            text="; ".join(texts),
            is_unreachable=isinstance(own.error, LinkError | TimeoutError),
        )

    def _what_is_left(self, config: DeviceConfiguration) -> list[str]:
        """What opens an output of this device by itself, the soonest first."""
        keeps = offline_keeps(config)
        if keeps is None:
            return []
        alone = [each for each in openers(config.trust.on_loss, keeps, None) if not each.needs_computer]
        return [
            f"{each.by} opens it"
            + ("" if each.within_s is None else f" {each.within_s:g} s after the last message to it")
            + ("" if each.is_proven else " (not proven)")
            for each in alone
        ]


def _of_device(handover: Handover, device: str) -> Mapping[ChannelId, Finishing]:
    return {ChannelId(each.channel): each for each in handover.channels if each.device == device}
