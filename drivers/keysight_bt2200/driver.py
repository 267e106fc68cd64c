"""Keysight BT2200: one mainframe, up to 256 channels that go through their sequences by themselves."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Order
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.plugin import DeviceSettings, Driver, Surroundings
from cycler.contract.sweep import ChannelId, Running, Sweep
from drivers.keysight_bt2200 import commands as say
from drivers.keysight_bt2200 import replies
from drivers.keysight_bt2200.declaration import NOT_RATED, capabilities_of, is_rated, offline_facts, places_of
from drivers.keysight_bt2200.looking import Looking
from drivers.keysight_bt2200.mainframe import Mainframe
from drivers.keysight_bt2200.options import parse_options
from drivers.keysight_bt2200.programs import REST_A_SECOND, Accepted, accept
from drivers.keysight_bt2200.sequences import SequencePool
from drivers.keysight_bt2200.starting import CONFIRM_S, POLL_S, Batch, Starts
from drivers.keysight_bt2200.tracking import Tracker
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

SCPI_PORT = 5025
TIMEOUT_S = 1.0  # long answers take it some 0.1 s
REPLY_BYTES_MAX = 16384  # 256 numbers can be more than 4 kB


class KeysightBt2200:
    """A `CyclerDriver`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        self._device = settings.device
        self._utcnow = surroundings.utcnow
        self._options = parse_options(settings)
        self._capabilities = capabilities_of(settings, self._options)
        self._is_rated = is_rated(settings)
        self._places = places_of(self._options)
        self._link = ScpiLink.to(
            settings.device,
            settings.resource,
            default_port=SCPI_PORT,
            timeout_s=TIMEOUT_S,
            reply_bytes_max=REPLY_BYTES_MAX,
        )
        self._mainframe = Mainframe(settings.device, self._link, self._places)
        self._pool = SequencePool(self._mainframe, numbers_max=self._options.sequences)
        self._offs = OffGenerations(self._places)
        self._orders = asyncio.Lock()  # one batch at a time; an off never waits for it
        self._tracker = Tracker(self._capabilities.channels, self._capabilities.range)
        self._looking = Looking(self._mainframe, self._tracker)
        self._stopped: set[ChannelId] = set()  # whose sequences we have ended: no failure of their own
        self._identity: Identity | None = None

    async def connect(self) -> Identity:
        """Who answers, which cards it has, and whether the rack's cells are defined on it."""
        identity = replies.identity(self._device, await self._link.query(say.IDENTITY, Priority.ORDER))
        if self._identity is not None and identity.serial != self._identity.serial:
            before = self._identity.serial
            detail = f"serial number {identity.serial} answers where {before} did before"
            raise ProtocolError(self._device, detail)
        fitted = replies.fitted_cards(self._device, await self._link.query(say.FITTED_CARDS, Priority.ORDER))
        for channel in self._places:
            if not fitted[int(channel[0]) - 1]:
                raise ProtocolError(self._device, f"slot {channel[0]} has no card, the rack file has channel {channel}")
        await self._find_cells()
        self._identity = identity
        return identity

    @property
    def capabilities(self) -> Capabilities:
        """All of it is known from the rack file."""
        return self._capabilities

    async def adopt(self) -> Mapping[ChannelId, Running]:
        """What runs goes on running. Its order is known only to the driver object that gave it."""
        self._known()
        currents = await self._mainframe.currents(Priority.SWEEP)
        orders = dict(self._tracker.orders)
        digits = await self._mainframe.digits(self._places, Priority.SWEEP)
        running = frozenset(channel for channel, digit in digits.items() if digit == say.RUNNING)
        times_s = await self._mainframe.step_times_s(running, Priority.SWEEP) if running else {}
        now_s = asyncio.get_running_loop().time()
        found = {}
        for channel, current_a in zip(self._places, currents.values, strict=True):
            runs, order = channel in running, orders.get(channel)
            if order is not None and (order.runs is not runs or self._tracker.orders.get(channel) is not order):
                order = None
            on = runs or abs(current_a) >= self._tracker.stray_a
            found[channel] = Running(
                energised=on,
                regulation="unknown" if on else "off",
                order_id=0 if order is None else order.order_id,
                step_time_s=times_s.get(channel) if order is None else order.step_time_s(now_s),
            )
        return found

    async def commission(self) -> None:
        """Cells and sequences from scratch, which reaches every cell of the mainframe: nothing may run on any."""
        self._known()
        if not self._is_rated:
            raise DeviceFault(self._device, NOT_RATED)
        async with self._orders:
            await self._refuse_running()
            self._tracker.clear()
            self._pool.forget()
            self._stopped.clear()
            self._mainframe.cells_defined = False
            self._looking.forget()
            for message in (say.CLEAR_CELLS, say.CLEAR_SEQUENCES, say.CLEAR_ERRORS, *self._definitions()):
                await self._link.write(message, Priority.ORDER)
            if errors := await self._mainframe.errors():
                raise DeviceFault(self._device, f"its cells could not be defined: {'; '.join(errors)}")
            await self._find_cells()
            self._refuse_undefined()

    async def read(self) -> Sequence[Sweep]:
        """The present; after a gap what the instrument's log has kept of it comes first. A cell that has failed shows
        as `off`, and the next order answers with the reason."""
        self._known()
        loop, sweeps = asyncio.get_running_loop(), []
        for look in await self._looking.look():
            taken_utc = self._utcnow() - timedelta(seconds=loop.time() - look.taken_s)
            sweeps.append(self._tracker.sweep(look, taken_utc=taken_utc))
        self._tracker.settle(look)
        return sweeps

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        """All of them together: equal ones share a sequence, and start by one message."""
        answers: dict[ChannelId, ApplyResult] = {}
        waiting: dict[ChannelId, tuple[Accepted, int]] = {}
        for channel, order in orders.items():
            try:
                self._refuse_unknown((channel,))
                self._refuse_undefined()
                accepted = accept(self._device, order, self._capabilities.range, self._options)
                waiting[channel] = accepted, self._offs.mark(channel)
            except DeviceError as error:
                answers[channel] = error
        if waiting:
            async with self._orders:
                batch = Batch(
                    mainframe=self._mainframe,
                    pool=self._pool,
                    offs=self._offs,
                    starts=Starts(
                        ended=self._on_ended,
                        begun=self._on_begun,
                        in_use=lambda: self._tracker.programs,
                        failed=self._may_have_failed,
                    ),
                    waiting=waiting,
                )
                answers.update(await batch.run())
        return answers

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        """Aborted, until neither state nor current says otherwise. A lost connection is opened once more for it."""
        known = [channel for channel in self._places if channel in channels]
        self._offs.raise_for(known)
        if self._identity is None:  # nobody has asked yet; and in its checks a cell that runs carries no current
            self._mainframe.cells_defined = True
        for channel in known:
            self._on_ended(channel)
        if known:
            await once_more(lambda: self._switch_off(known))
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        """Cells that have failed get a new sequence, a rest that is not started: what they failed by is forgotten."""
        self._refuse_unknown(channels)
        self._known()
        self._refuse_undefined()
        async with self._orders:
            digits = await self._mainframe.digits(channels, Priority.ORDER)
            ended = [channel for channel, digit in digits.items() if digit not in (say.RUNNING, *say.ENDED_WELL)]
            if ended:
                number = await self._pool.number_of(
                    REST_A_SECOND,
                    await self._mainframe.catalog(),
                    in_use=self._tracker.programs,
                    unless=lambda: False,
                )
                await self._link.write(say.enable(self._mainframe.cells(ended), number), Priority.ORDER)
                await self._mainframe.digits(channels, Priority.ORDER)  # its answer says that it has been carried out
            self._stopped.update(ended)

    async def aclose(self) -> None:
        """The instrument goes on with what runs, to the ends of its sequences."""
        self._link.close()

    async def _find_cells(self) -> None:
        self._mainframe.cells_defined = True
        await once_more(lambda: self._mainframe.digits(self._places, Priority.ORDER))

    def _definitions(self) -> list[str]:
        options = self._options
        cells = [say.DEFINE_SINGLE_CELLS]
        if len(options.groups[0]) > 1:  # how CELL:DEF:QUICK would number these is not known
            cells = [say.define_cell(say.cell_of(group[0]), group) for group in options.groups]
        probes = [] if options.probe_limit_ohm is None else [say.limit_probes(options.probe_limit_ohm)]
        return [*cells, *probes, say.CLEAR_LOG]

    async def _refuse_running(self) -> None:
        flowing = sum(abs(a) >= self._tracker.stray_a for a in await self._mainframe.all_currents(Priority.ORDER))
        if flowing:
            raise DeviceFault(self._device, f"{flowing} of its channels carry current: commissioning needs all off")
        digits = await self._mainframe.digits(self._places, Priority.ORDER)
        if running := [channel for channel, digit in digits.items() if digit == say.RUNNING]:
            raise DeviceFault(self._device, f"{_named(running)} running: commissioning needs all outputs off")

    async def _switch_off(self, channels: Sequence[ChannelId]) -> None:
        clock = asyncio.get_running_loop().time
        messages = [say.abort(self._mainframe.cells(channels))]
        if len(channels) == len(self._places):
            messages = [say.ABORT_SEQUENCES, say.ABORT_CELLS]  # legal whether cells are defined or not
        deadline_s = clock() + CONFIRM_S
        while True:
            for message in messages:
                await self._link.write(message, Priority.OFF)
            on = await self._still_on(channels)
            if not on:
                return
            if clock() >= deadline_s:
                raise DeviceFault(self._device, f"{_named(on)} not seen off {CONFIRM_S:g} s after it was aborted")
            await asyncio.sleep(POLL_S)

    async def _still_on(self, channels: Sequence[ChannelId]) -> list[ChannelId]:
        """By their states, and by what flows: a relay that has welded is no business of the state."""
        digits = await self._mainframe.digits(channels, Priority.OFF)
        currents = await self._mainframe.currents(Priority.OFF)
        flows = dict(zip(self._places, currents.values, strict=True))
        return [
            channel
            for channel in channels
            if digits.get(channel) == say.RUNNING or not abs(flows[channel]) < self._tracker.stray_a
        ]

    def _on_begun(self, channel: ChannelId, accepted: Accepted) -> None:
        if accepted.program is not None:
            self._stopped.discard(channel)
        self._tracker.begin(channel, accepted, asyncio.get_running_loop().time())

    def _on_ended(self, channel: ChannelId) -> None:
        order = self._tracker.orders.get(channel)
        if order is not None and order.runs:
            self._stopped.add(channel)
        self._tracker.end(channel)

    def _may_have_failed(self, channel: ChannelId, digit: str) -> bool:
        return digit not in (say.RUNNING, *say.ENDED_WELL) and channel not in self._stopped

    def _known(self) -> None:
        if self._identity is None:
            raise LinkError(self._device, "not connected yet: nobody has said who answers")

    def _refuse_undefined(self) -> None:
        if not self._mainframe.cells_defined:
            raise DeviceFault(self._device, "its cells are not defined: commission it first")

    def _refuse_unknown(self, channels: Collection[ChannelId]) -> None:
        for channel in channels:
            if channel not in self._places:
                raise ProtocolError(self._device, f"the rack file gives it no channel {channel!r}")


def _named(channels: Sequence[ChannelId]) -> str:
    more = f" and {len(channels) - 4} more" if len(channels) > 4 else ""
    return f"{'channel' if len(channels) == 1 else 'channels'} {', '.join(channels[:4])}{more}"


DRIVER = Driver(
    kind="cycler",
    summary="Keysight BT2200 charge/discharge platforms, up to 256 channels, over SCPI",
    schemes=("scpi-tcp", "visa"),
    opens=KeysightBt2200,
    offline=offline_facts,
)
