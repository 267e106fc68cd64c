"""One cycler, swept on its beat for as long as the rack runs."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf

import structlog

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.beat import Beat
from cycler.control.channel_controller import ChannelController
from cycler.control.machine_events import RunEnd
from cycler.control.outbox import Command, Off, Outbox
from cycler.control.patience import Patience
from cycler.control.pre_trip import READINGS_KEPT
from cycler.control.standing import CALM_SWEEP_S
from cycler.control.standstill import Standstill
from cycler.control.step_machine import KEPT, NOTHING
from cycler.model.alarm import AlarmCode
from cycler.model.results import StopReason
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder

log = structlog.get_logger()

FAST_S = 0.1
"""The sweep of pulses and of debouncing, where the wire is fast enough."""

OPEN_S_MAX = 0.5
"""From when the device says that a relay is open to when its readings show it."""

IDLE_ACCURACIES, IDLE_RATIO = 5.0, 0.005
"""What an open relay may seem to carry: in accuracies of the channel, or of its range, whichever is more. Judgement."""
ADOPTED_S_MAX = 60.0
"""What has been found going on is opened, unless its run is taken up by then."""

CREDIBLE_RATIO = 2.0
"""More than so many times its range no channel carries: its instrument has failed."""


class DeviceLoop:
    """Sweeps a device, hands each row to its controller, and delivers what they ask for."""

    def __init__(
        self,
        device: str,
        driver: CyclerDriver,
        recorder: Recorder,
        *,
        sweep_s: float,
        offset_s: float,
        on_off_failed: Callable[[str, frozenset[ChannelId], DeviceError], None],
        on_opened: Callable[[str], None],
        adoptable: Mapping[ChannelId, int] | None = None,
    ) -> None:
        """`offset_s` staggers the device against others; `on_off_failed` takes the next path for outputs not open, and
        `on_opened` hears when they are seen open after all.

        `adoptable`: the orders of an earlier process that may go on, by channel.
        """
        self.device = device
        self.driver = driver
        self.sweep_s = sweep_s
        self.last: Sweep | None = None
        self.recent: deque[Sweep] = deque(maxlen=READINGS_KEPT)  # the last one last
        self.patience = Patience(device, sweep_s=sweep_s)
        self._offset_s = offset_s
        self._next_path = on_off_failed
        self._on_opened = on_opened
        self.not_open: frozenset[ChannelId] = frozenset()  # for these the next path has been taken
        self._controllers: list[ChannelController] = []
        self._hurried: set[ChannelController] = set()  # whose machines want the next reading soon
        self._alert: set[ChannelController] = set()  # … or at least with the usual beat
        self.changed: str | None = None  # that another device answers than before the last restart
        self._identities: Memory[Identity] = Memory(recorder, "identity", Identity)
        self._adoptable = adoptable or {}
        self._adopted: set[ChannelId] = set()  # found at an order of ours, and not taken up yet
        self._adopted_until_s = -inf
        self._strays: frozenset[ChannelId] = frozenset()  # outputs that are on without a run, and told to open
        self._doubted: frozenset[ChannelId] = frozenset()  # outputs that are on although the device says they are off
        self.unopened: frozenset[ChannelId] = frozenset()  # may be on, and nothing has opened them yet
        self._stopped: dict[ChannelId, float] = {}  # the current of channels at which readings stand still
        self._undelivered: list[ChannelController] = []  # whose orders the wire has lost
        self._standstill: Standstill  # from `prepare` on
        self._outbox = Outbox(
            driver,
            recorder,
            on_applied=self._on_applied,
            on_off_failed=self._on_off_failed,
        )
        self._beat = Beat(period_s=sweep_s, fast_s=sweep_s, offset_s=offset_s)

    @property
    def capabilities(self) -> Capabilities:
        """Valid once the device has been connected."""
        return self.driver.capabilities

    @property
    def controllers(self) -> Sequence[ChannelController]:
        """The runs on this device's channels that are not closed."""
        return self._controllers

    def run_cell(self, controller: ChannelController) -> None:
        """Take a cell: its run begins with the next sweep's clock."""
        assert self.last is not None  # noqa: S101 (a device that has not been heard of starts nothing)
        self._controllers.append(controller)
        self._alert.add(controller)
        voltage_v = self.last.voltage_v[controller.row]
        self.post(controller.start(asyncio.get_running_loop().time(), voltage_v=voltage_v))

    def take_up(self, controller: ChannelController, commands: Sequence[Command]) -> None:
        """A run that an earlier process has left goes on, or waits for that."""
        self._adopted.discard(controller.channel)
        self._controllers.append(controller)
        self._alert.add(controller)
        self.post(commands)

    def post(self, commands: Sequence[Command]) -> None:
        """Tell the device; see `Outbox`."""
        if commands:
            self._outbox.post(commands)
            self._beat.hurry(fast=True)

    async def prepare(self) -> None:
        """Connect, stop what runs without an order of ours, configure, and measure once."""
        identity = await self.driver.connect()
        log.info("device.connected", device=self.device, model=identity.model, serial=identity.serial)
        self._compare(identity)
        running = await self.driver.adopt()
        adoptable, self._adoptable = self._adoptable, {}
        self._adopted = {
            c for c, state in running.items() if state.energised and adoptable.get(c) == state.order_id != 0
        }
        energised = frozenset(c for c, state in running.items() if state.energised) - self._adopted
        if energised:
            log.warning("device.found_running", device=self.device, channels=sorted(energised))
            self.unopened = energised
            try:
                await self.driver.make_safe(energised)
            except DeviceError as error:
                self._on_off_failed(energised, error)
                raise
        self.unopened = self.not_open = frozenset()
        if self._adopted:
            log.info("device.goes_on", device=self.device, channels=sorted(self._adopted))
            self._adopted_until_s = asyncio.get_running_loop().time() + ADOPTED_S_MAX
        else:
            await self.driver.commission()
        self._outbox.clear()
        capabilities = self.driver.capabilities
        self.sweep_s = min(max(self.sweep_s, capabilities.sweep_time_s), capabilities.idle_s_max)
        self.patience.expect_every(self.sweep_s)
        self._standstill = Standstill(capabilities.range)
        fast_s = max(FAST_S, 1.5 * capabilities.sweep_time_s)
        calm_s = min(CALM_SWEEP_S, capabilities.idle_s_max)
        self._beat = Beat(period_s=self.sweep_s, fast_s=fast_s, calm_s=calm_s, offset_s=self._offset_s)
        for sweep in await self.driver.read():
            self._take(sweep)

    async def run(self) -> None:
        """Sweep until cancelled or silent for too long. However this ends, every output has been told to open."""
        try:
            async with asyncio.TaskGroup() as siblings:
                siblings.create_task(self._outbox.deliver_offs(), name=f"offs of {self.device}")
                siblings.create_task(self._outbox.release_durable(), name=f"records of {self.device}")
                siblings.create_task(self._outbox.deliver_orders(), name=f"orders of {self.device}")
                siblings.create_task(self._sweep(), name=f"sweeps of {self.device}")
        except* DeviceError as group:
            raise group.exceptions[0] from None
        finally:
            await self._open_all()

    def distrust(self, channels: frozenset[ChannelId]) -> None:
        """Nothing is known of it, and nobody will ask: these outputs may be on."""
        self.unopened = channels

    def _compare(self, identity: Identity) -> None:
        before = self._identities.get(self.device)
        if before is not None and before != identity:
            self.changed = f"{self.device} is not what it was: {_told(identity)} after {_told(before)}"
            log.warning("device.changed", device=self.device, found=_told(identity), before=_told(before))
        if before != identity:
            self._identities.keep(self.device, identity)

    async def open_at_last(self) -> None:
        """Once more for a device that has been given up: nothing but to open what may still be on."""
        await self.driver.connect()
        await self.driver.make_safe(self.unopened)
        self.unopened = frozenset()

    async def _open_all(self) -> None:
        channels = frozenset(self.driver.capabilities.channels)
        try:
            await self.driver.make_safe(channels)
        except DeviceError as error:
            self.unopened = frozenset(channel for channel in channels if self.may_be_energised([channel]))
            failed = channels - self._outbox.unconfirmed  # of those the next path has been taken
            if failed:
                self._on_off_failed(failed, error)

    async def _sweep(self) -> None:
        while True:
            await self._beat.next()
            try:
                sweeps = await self.driver.read()
            except (LinkError, ProtocolError) as error:
                self.patience.bear(error)
                self._beat.hurry(fast=True)  # its watchdog has not heard of us either
                continue
            for sweep in sweeps:
                self._take(sweep)
            undelivered, self._undelivered = self._undelivered, []
            for controller in undelivered:
                self.post(controller.order_again())

    def _take(self, sweep: Sweep) -> None:
        self.last = sweep
        self.recent.append(sweep)
        self.patience.heard_s = sweep.taken_s
        ended = False
        for controller in self._controllers:
            events = controller.machine.advance(sweep, controller.row, controller.temperature_degc)
            if events is NOTHING:
                continue
            if events is KEPT:
                controller.record_sample()
                continue
            self._outbox.post(controller.on_reading(sweep, events))
            ended = ended or controller.closed
            if controller.wants_fast:
                self._hurried.add(controller)
            else:
                self._hurried.discard(controller)
            if controller.machine.calm_until_s > sweep.taken_s:
                self._alert.discard(controller)
            else:
                self._alert.add(controller)
        if sweep.taken_s >= self._standstill.due_s:
            frozen = dict(self._standstill.look(sweep, self._rated_ah))
            for controller in self._controllers if frozen else ():
                if controller.row in frozen:
                    self._stopped[controller.channel] = sweep.current_a[controller.row]
                    self.post(controller.trip(AlarmCode.FROZEN_VALUE, frozen[controller.row]))
        if ended:
            self._controllers = [controller for controller in self._controllers if not controller.closed]
            self._alert.intersection_update(self._controllers)
        is_closing = self._open_strays(sweep)
        if self.not_open and not self.may_be_energised(self.not_open):
            self.not_open = frozenset()
            self._on_opened(self.device)
        self._beat.hurry(fast=bool(self._hurried) or is_closing)
        calm = () if self._alert else [controller.machine.calm_until_s for controller in self._controllers]
        self._beat.calm(until_s=min(calm, default=-inf))
        self.patience.expect_every(max(self.sweep_s, self._beat.due_s() - sweep.taken_s))

    def _on_off_failed(self, channels: frozenset[ChannelId], error: DeviceError) -> None:
        self.not_open |= channels
        self._next_path(self.device, channels, error)

    def _rated_ah(self) -> dict[int, float]:
        """Of the cells that run, by row."""
        return {each.row: each.machine.plan.cell_type.rated_capacity_ah for each in self._controllers}

    def _open_strays(self, sweep: Sweep) -> bool:
        """Open what is on and should not be. Whether the next reading is wanted soon to see it open.

        An output without a run of ours is on by mistake, whoever switched it on. One that goes on although the device
        says it is off is told again, and the next path is taken.
        """
        over = {controller.channel for controller in self._hurried if controller.machine.over is not None}
        if len(self._controllers) == len(sweep.channels) and not over:
            return False
        if self._adopted and sweep.taken_s > self._adopted_until_s:
            self._adopted = set()
        ours = {controller.channel for controller in self._controllers} - over | self._adopted
        on = self._on(sweep) - ours
        strays = on - over
        if strays - self._strays:
            log.error("output.stray", device=self.device, channels=sorted(strays))
            self.post([Off(channel=channel) for channel in sorted(strays)])
        self._strays = strays
        confirmed_s = self._outbox.confirmed_s
        wrongly = frozenset(c for c in on if sweep.taken_s - confirmed_s.get(c, sweep.taken_s) >= OPEN_S_MAX)
        self.post([Off(channel=channel) for channel in sorted(wrongly)])
        if told := wrongly - self._doubted:
            said_off = told - {c for c in told if sweep[c].regulation != "off"}
            what = "carries a current" if said_off else "is still on"
            text = f"output {', '.join(sorted(told))} {what} {OPEN_S_MAX:g} s after it was said to be off"
            self._on_off_failed(told, DeviceFault(self.device, text))
        self._doubted = on & (self._doubted | wrongly)
        return bool(on - self._doubted)

    def _on_applied(self, answers: Mapping[ChannelId, ApplyResult]) -> None:
        for controller in list(self._controllers):
            answer = answers.get(controller.channel)
            if isinstance(answer, LinkError):
                # One lost reply is no reason to stop a cell: the order goes out again when the device is next heard.
                self._undelivered.append(controller)
            elif answer is not None:
                self.post(controller.on_applied(answer))
        self.patience.expect_sooner(self.sweep_s)  # cells that were calm may be energised now
        self._beat.wake()

    def stop_all(self, reason: StopReason, text: str, *, end: RunEnd = "stopped", code: str | None = None) -> None:
        """End every run on this device and open its outputs."""
        for controller in self._controllers:
            self._outbox.post(controller.stop(reason, text, end=end, code=code))

    def close(self, channels: Collection[ChannelId]) -> None:
        """The runs on these channels, stopped before, are closed without having seen the relays open."""
        for controller in self._controllers:
            if controller.channel in channels:
                controller.close()
        self._controllers = [controller for controller in self._controllers if not controller.closed]
        self._hurried.intersection_update(self._controllers)
        self._alert.intersection_update(self._controllers)

    def cut_off(self, channels: Collection[ChannelId]) -> None:
        """A contactor has opened between these outputs and their cells: the device may never show its relays open."""
        self.unopened -= frozenset(channels)
        self.close(channels)

    def abandon(self) -> None:
        """The device does not answer: nothing is known of it any more."""
        self.close([controller.channel for controller in self._controllers])
        self._undelivered.clear()
        self.last = None

    def may_be_energised(self, channels: Collection[ChannelId]) -> bool:
        """Whether any of these outputs was on when last heard of, or may have been switched on since."""
        last = self.last
        if self.unopened.intersection(channels):
            return True
        return last is not None and (
            self._outbox.energised_since(channels, last.taken_s) or not self._on(last).isdisjoint(channels)
        )

    def carries_a_current(self, channels: Collection[ChannelId], *, since_s: float) -> bool:
        """By a reading that was taken later than this, whatever the device says of their relays."""
        last = self.last
        return last is not None and last.taken_s > since_s and not self._carrying(last).isdisjoint(channels)

    def denies_a_current(self, channels: Collection[ChannelId]) -> bool:
        """It says that these relays are open, and its readings show that they are not."""
        last = self.last
        said_off = () if last is None else (c for c in channels if c in last.channels and last[c].regulation == "off")
        return self.carries_a_current(list(said_off), since_s=-inf)

    def _on(self, sweep: Sweep) -> frozenset[ChannelId]:
        """The device says so, or a current flows nevertheless."""
        said = [c for c, regulation in zip(sweep.channels, sweep.regulation, strict=True) if regulation != "off"]
        return self._carrying(sweep).union(said)

    def _carrying(self, sweep: Sweep) -> frozenset[ChannelId]:
        able = self.capabilities.range
        most_a = max(able.charge_current_a_max, able.discharge_current_a_max)
        idle_a = max(IDLE_ACCURACIES * able.current_accuracy_a, IDLE_RATIO * most_a)
        currents = zip(sweep.channels, sweep.current_a, strict=True)
        return frozenset(
            c
            for c, current_a in currents
            if idle_a < abs(current_a) <= CREDIBLE_RATIO * most_a and current_a != self._stopped.get(c)
        )


def _told(identity: Identity) -> str:
    serial, firmware = identity.serial or "?", identity.firmware or "?"
    return f"{identity.maker} {identity.model}, serial number {serial}, firmware {firmware}"
