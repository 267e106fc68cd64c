"""Looks at the mainframe: the present one, asked for, and those that its log has kept since the last."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from cycler.contract.errors import ProtocolError
from cycler.contract.sweep import ChannelId
from drivers.keysight_bt2200 import commands as say
from drivers.keysight_bt2200.binary_log import BLOCK_BYTES_MAX, DeviceClock, Record, decode
from drivers.keysight_bt2200.declaration import IDLE_S_MAX
from drivers.keysight_bt2200.in_force import InForce
from drivers.keysight_bt2200.mainframe import Mainframe
from drivers.keysight_bt2200.tracking import Look, Tracker
from drivers.links.queue import Priority

GAP_S = 2.5  # longer than this between two looks is a gap, if something has run …
REST_GAP_S = 2.0 * IDLE_S_MAX  # … and longer than this at rest, when looks are rare
LOG_EVERY_S = 3.0  # what it has of the output, nothing else tells; and so it stays short, and its clock known
LOG_REPLIES_MAX = 30  # of about ten seconds each: a longer gap is not filled whole
EDGE_S = 0.05  # a record closer than this to a look has no place of its own
LONG_STATES_MAX = 16  # in one look: each costs a question of its own


class Looking:
    """Remembers when it looked last, and how the instrument's clock goes."""

    def __init__(self, mainframe: Mainframe, tracker: Tracker) -> None:
        self._mainframe = mainframe
        self._tracker = tracker
        self.forget()

    def forget(self) -> None:
        """The instrument's clock may have begun anew."""
        self._clock = DeviceClock()
        self._last_s: float | None = None
        self._ran = False
        self._log_s = float("-inf")

    async def look(self) -> Sequence[Look]:
        """Oldest first; the last one is the present."""
        present, last_s = await self._present(), self._last_s
        past: Sequence[Look] = ()
        gap_s = GAP_S if self._ran or present.running else REST_GAP_S
        if last_s is not None and present.taken_s - last_s > gap_s:
            past = self._past(await self._whole_log(), last_s, present)
        elif present.taken_s - self._log_s >= LOG_EVERY_S:
            past = self._past((await self._take_log())[-1:], last_s, present)
        self._last_s, self._ran = present.taken_s, bool(present.running)
        return (*past, present)

    async def _present(self) -> Look:
        mainframe, tracker = self._mainframe, self._tracker
        voltages = await mainframe.voltages(Priority.SWEEP)
        currents = await mainframe.currents(Priority.SWEEP)
        orders = dict(tracker.orders)
        digits = await mainframe.digits(mainframe.places, Priority.SWEEP)
        running = frozenset(channel for channel, digit in digits.items() if digit == say.RUNNING)
        await self._follow(
            {channel: order for channel, order in orders.items() if len(order.phases) > 1 and channel in running}
        )
        return Look(
            taken_s=(voltages.taken_s + currents.taken_s) / 2,
            skew_s=currents.taken_s - voltages.taken_s,
            voltage_v=voltages.values,
            current_a=currents.values,
            running=running,
            orders=orders,
        )

    async def _follow(self, orders: dict[ChannelId, InForce]) -> None:
        """From phase to phase. Nothing is asked for cells whose orders have one, or are in their last."""
        followed = {channel: order for channel, order in orders.items() if order.phase + 1 < len(order.phases)}
        if not followed:
            return
        times_s = await self._mainframe.step_times_s(followed, Priority.SWEEP)
        now_s = (self._mainframe.link.sent_s + asyncio.get_running_loop().time()) / 2
        unsure = [channel for channel, order in followed.items() if not order.follow(times_s[channel], now_s)]
        for channel in unsure[:LONG_STATES_MAX]:
            order, state = followed[channel], await self._mainframe.long_state(channel, Priority.SWEEP)
            if not 1 <= state.step <= len(order.phases):
                detail = f"it is in step {state.step} of a sequence that has {len(order.phases)}"
                raise ProtocolError(self._mainframe.device, f"{channel}: {detail}")
            order.reach(state.step - 1, times_s[channel], now_s)

    async def _take_log(self) -> list[Record]:
        mainframe = self._mainframe
        block = await mainframe.link.query_block(say.LOG, Priority.SWEEP, bytes_max=BLOCK_BYTES_MAX)
        records = decode(mainframe.device, block)
        self._log_s = asyncio.get_running_loop().time()
        if records:
            self._clock.observe(records[-1].time_s, arrived_s=self._log_s)
        return records

    async def _whole_log(self) -> list[Record]:
        found: list[Record] = []
        for _ in range(LOG_REPLIES_MAX):
            records = await self._take_log()
            found += records
            if not records:
                break
        return found

    def _past(self, records: Sequence[Record], last_s: float | None, present: Look) -> list[Look]:
        """What lies between the last look and the present one. The log does not say who ran: who runs now did, and of
        those that have stopped, who let current flow later."""
        looks = []
        later = frozenset(present.running)
        strangers = later - present.orders.keys()
        for record in reversed(records):
            taken_s = self._clock.here_s(record.time_s)
            if last_s is None or not last_s + EDGE_S < taken_s < present.taken_s - EDGE_S:
                continue
            current_a = self._mainframe.currents_of(record.current_a)
            flow_a = dict(zip(self._mainframe.places, current_a, strict=True))
            orders = {channel: order for channel, order in present.orders.items() if order.since_s <= taken_s}
            later |= {channel for channel, order in orders.items() if order.flows(flow_a[channel], taken_s)}
            looks.append(
                replace(
                    present,
                    taken_s=taken_s,
                    skew_s=0.0,
                    voltage_v=self._mainframe.voltages_of(record.voltage_v),
                    current_a=current_a,
                    output_v=self._mainframe.voltages_of(record.output_v),
                    running=later & (orders.keys() | strangers),
                    orders=orders,
                )
            )
        return looks[::-1]
