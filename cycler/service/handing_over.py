"""Keeps the list of what may run on without control as it is now, for whoever opens the rest."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from cycler.contract.capabilities import Keeps
from cycler.contract.order import Order
from cycler.control.channel_controller import ChannelController
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.controller_loss import obstacles
from cycler.service.handover import Finishing, Handover, write_handover
from cycler.service.running_rack import RunningRack

log = structlog.get_logger()

PERIOD_S: Final = 1.0
"""What is newer than this is not on the list yet, and so it is opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    order: Order
    given_s: float  # of the loop's clock
    until_utc: datetime


class HandoverKeeper:
    """Of one rack under control. `keep` runs until it is cancelled and leaves an empty list: by then all is opened."""

    def __init__(self, configuration: Configuration, running: RunningRack) -> None:
        self._configuration = configuration
        self._running = running
        self._trusted = {
            config.settings.device: config
            for config in configuration.devices
            if config.trust.on_loss.word == "finish-step"
        }
        self._given: dict[tuple[str, str], _Given] = {}

    async def keep(self) -> None:
        """A list that cannot be written is no reason to end: without it everything is opened."""
        clock = asyncio.get_running_loop().time
        await self._write(clock())
        try:
            while self._trusted:
                await asyncio.sleep(PERIOD_S)
                if self._follow(clock()):
                    await self._write(clock())
        finally:
            self._given = {}
            self._write_now(self._list(clock()))

    def _follow(self, now_s: float) -> bool:
        """Whether the list has changed."""
        before, now_utc = self._given, self._running.utcnow()
        self._given = {}
        for place, order, delay_s in self._may_finish():
            known = before.get(place)
            if known is not None and known.order is order:
                self._given[place] = known
            else:
                lasts_s = (order.limits.time_s_max or 0.0) + delay_s
                until_utc = now_utc + timedelta(seconds=lasts_s)
                self._given[place] = _Given(order=order, given_s=now_s, until_utc=until_utc)
        return self._given != before

    def _may_finish(self) -> Iterator[tuple[tuple[str, str], Order, float]]:
        rack, controllers = self._running.rack, self._running.controller.controllers
        for bay in rack.bays.values():
            for name, position in bay.positions.items():
                channel, controller = position.channels[0], controllers.get(name)
                config = self._trusted.get(channel.device)
                if config is not None and controller is not None and may_be_left(controller, config):
                    order = controller.order
                    assert order is not None  # noqa: S101 (else it may not be left)
                    yield (channel.device, channel.channel), order, controller.capabilities.start_delay_s

    async def _write(self, now_s: float) -> None:
        handover = self._list(now_s)
        await self._running.run_blocking(lambda: self._write_now(handover))

    def _write_now(self, handover: Handover) -> None:
        try:
            write_handover(self._configuration.runtime, handover)
        except OSError as error:
            log.error("handover.not_written", reason=str(error))

    def _list(self, now_s: float) -> Handover:
        channels = tuple(
            Finishing(
                device=device,
                channel=channel,
                order_id=given.order.order_id,
                step_time_s=now_s - given.given_s,
                until_utc=given.until_utc,
            )
            for (device, channel), given in self._given.items()
        )
        return Handover(
            config_hash=self._configuration.content_hash, written_utc=self._running.utcnow(), channels=channels
        )


def may_be_left(controller: ChannelController, config: DeviceConfiguration) -> bool:
    """Whether the device ends by itself what the channel does now, and in time.

    A pulse is of no use to anybody without its other half. What may still flow is bounded by current and time, and by
    the charge that the device lets pass; the cell type says how much of its rated charge may flow with nobody there.
    """
    order, step, plan = controller.order, controller.machine.step, controller.machine.plan
    if controller.closed or order is None or step is None or not order.energises:
        return False
    if step.pulse is not None or step.train is not None or order.limits.time_s_max is None:
        return False
    if any(obstacles(config.trust.on_loss, Keeps.of(controller.capabilities), guarded=config.trust.guarded)):
        return False
    most_a = max(phase.current_a for phase in order.phases)
    left_ah = most_a * order.limits.time_s_max / 3600.0
    if order.limits.charge_ah_max is not None:
        left_ah = min(left_ah, order.limits.charge_ah_max)
    return left_ah <= plan.cell_type.unattended_charge_ratio * plan.cell_type.rated_capacity_ah
