"""Devices some of whose channels are in parallel, as one cycler on which each cell has one channel."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, Order, Overtaken
from cycler.contract.overtaking import OffGenerations
from cycler.contract.parallel.balance import Balance, agreement_v
from cycler.contract.parallel.declaration import joined_capabilities, joined_identity, joined_range
from cycler.contract.parallel.exchange import all_of, gravest, together
from cycler.contract.parallel.parts import Joint, Part, device_name
from cycler.contract.parallel.rows import Row, joined_regulation, joined_sweep
from cycler.contract.parallel.shares import joined_answer, refusal, shared_order
from cycler.contract.sweep import ChannelId, Running, Sweep

T = TypeVar("T")


class ParallelCycler:
    """A `CyclerDriver`. Every channel of the devices goes by its full name here: `psb-01/1+psb-02/1`, `psb-03/1`.

    The devices are asked at the same time. What concerns one of them concerns all: their errors are this cycler's.
    """

    def __init__(self, devices: Mapping[str, CyclerDriver], joints: Sequence[Joint]) -> None:
        """Raises `ValueError` for joints that do not have equally many sub-channels: they share one declared range."""
        self._device = device_name(list(devices))
        self._devices = devices
        self._joints = {joint.name: joint for joint in joints}
        sizes = {len(joint.parts) for joint in joints}
        if len(sizes) != 1:
            raise ValueError(f"{self._device}: its cells must all have equally many channels in parallel")
        (self._size,) = sizes
        self._capabilities: Capabilities | None = None
        self._groups = {joint.name: joint.parts for joint in joints}
        self._rows: dict[ChannelId, tuple[Row, ...]] = {}
        self._balances: dict[ChannelId, Balance] = {}
        self._tolerance_v = 0.0
        self._offs = OffGenerations(self._groups)

    @property
    def capabilities(self) -> Capabilities:
        if self._capabilities is None:
            raise LinkError(self._device, "not connected yet: what it can do is not known")
        return self._capabilities

    async def connect(self) -> Identity:
        identities = all_of(await together({name: device.connect() for name, device in self._devices.items()}))
        channels = {name: device.capabilities.channels for name, device in self._devices.items()}
        self._rows = {}
        self._groups = _groups(self._joints.values(), channels)
        for name, group in self._groups.items():
            self._rows[name] = tuple(Row(device=p.device, row=channels[p.device].index(p.channel)) for p in group)
        self._offs.add(self._groups)
        self._declare()
        return joined_identity(list(identities.values()))

    async def adopt(self) -> Mapping[ChannelId, Running]:
        found = all_of(await together({name: device.adopt() for name, device in self._devices.items()}))
        return {
            name: _joined_running([found[part.device][part.channel] for part in group])
            for name, group in self._groups.items()
        }

    async def commission(self) -> None:
        all_of(await together({name: device.commission() for name, device in self._devices.items()}))
        self._declare()

    async def read(self) -> Sequence[Sweep]:
        """What only a single device kept while we were away is there, too; of several the past does not fit together.

        Sub-channels that go together no more are opened before they are reported.
        """
        taken = all_of(await together({name: device.read() for name, device in self._devices.items()}))
        if not all(taken.values()):
            return ()
        earlier = []
        if len(taken) == 1:
            earlier = [self._joined({name: sweep}) for name, sweeps in taken.items() for sweep in sweeps[:-1]]
        newest = {name: sweeps[-1] for name, sweeps in taken.items()}
        opened = {name: why for name, balance in self._balances.items() if (why := balance.judge(newest)) is not None}
        if opened:
            unopened = await self._open(opened)
            opened = {name: f"{why}{unopened.get(name, '')}" for name, why in opened.items()}
        return (*earlier, self._joined(newest, opened))

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        answers: dict[ChannelId, ApplyResult] = {
            channel: self._nowhere(channel) for channel in orders if channel not in self._groups
        }
        known = {channel: order for channel, order in orders.items() if channel in self._groups}
        for channel in list(known):
            why = refusal(known[channel]) if channel in self._balances else None
            if why is not None:
                del known[channel]
                answers[channel] = DeviceFault(self._device, why)
        marks = {channel: self._offs.mark(channel) for channel in known}
        for channel in known.keys() & self._balances.keys():
            self._balances[channel].follow(None)
        given = await together({name: self._give(name, known, marks) for name in self._devices})
        half_done = []
        for channel, order in known.items():
            group = self._groups[channel]
            parts = [_answer_of(given[part.device], part, order) for part in group]
            answers[channel] = self._joined_result(channel, order, marks[channel], parts)
            if any(isinstance(part, Applied) for part in parts) and not isinstance(answers[channel], Applied):
                half_done.append(channel)
        if half_done:
            await self._open(half_done)
        return answers

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        known = [channel for channel in channels if channel in self._groups]
        self._offs.raise_for(known)
        all_of(await self._switch_off(known))
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        self._refuse_unknown(channels)
        by_device = self._by_device(channels)
        all_of(await together({name: self._devices[name].acknowledge(own) for name, own in by_device.items()}))

    async def aclose(self) -> None:
        all_of(await together({name: device.aclose() for name, device in self._devices.items()}))

    # the machinery

    def _declare(self) -> None:
        declared = {name: device.capabilities for name, device in self._devices.items()}
        names = {name: tuple(ChannelId(str(part)) for part in group) for name, group in self._groups.items()}
        self._capabilities = joined_capabilities(declared, names, self._size)
        any_part = joined_range([each.range for each in declared.values()], 1)
        self._tolerance_v = agreement_v(any_part)
        self._balances = {
            name: Balance(joint, self._rows[name], any_part)
            for name, joint in self._joints.items()
            if name in self._rows
        }

    def _joined(self, sweeps: Mapping[str, Sweep], opened: Mapping[ChannelId, str] | None = None) -> Sweep:
        return joined_sweep(sweeps, self._rows, tolerance_v=self._tolerance_v, opened=opened)

    async def _give(
        self, device: str, orders: Mapping[ChannelId, Order], marks: Mapping[ChannelId, int]
    ) -> Mapping[ChannelId, ApplyResult]:
        """Its part of the batch, without what an off has overtaken until now."""
        shares = {}
        for channel, order in orders.items():
            own = [part for part in self._groups[channel] if part.device == device]
            if own and not self._offs.overtook(channel, marks[channel]):
                shared = shared_order(order, len(self._groups[channel]))
                shares.update({part.channel: shared for part in own})
        return await self._devices[device].apply(shares) if shares else {}

    def _joined_result(
        self, channel: ChannelId, order: Order, mark: int, answers: Sequence[ApplyResult]
    ) -> ApplyResult:
        if self._offs.overtook(channel, mark):
            return Overtaken(order_id=order.order_id)
        applied = [answer for answer in answers if isinstance(answer, Applied)]
        if len(applied) == len(answers):
            if channel in self._balances:
                self._balances[channel].follow(order)
            return joined_answer(order, applied)
        errors = [answer for answer in answers if isinstance(answer, DeviceError)]
        if errors:
            return gravest(errors)
        return DeviceFault(self._device, f"{channel} was opened while order {order.order_id} was on its way")

    async def _open(self, channels: Iterable[ChannelId]) -> Mapping[ChannelId, str]:
        """At once, on all devices. For those of which one did not confirm it, what it said: others must hear of it."""
        channels = list(channels)
        failed = {
            device: answer
            for device, answer in (await self._switch_off(channels)).items()
            if isinstance(answer, DeviceError)
        }
        return {
            channel: "".join(f"; {failed[device]}" for device in _devices_of(self._groups[channel]) if device in failed)
            for channel in channels
        }

    async def _switch_off(self, channels: Iterable[ChannelId]) -> Mapping[str, DeviceError | None]:
        channels = list(channels)
        for channel in channels:
            if channel in self._balances:
                self._balances[channel].follow(None)
        by_device = self._by_device(channels)
        return await together({name: self._devices[name].make_safe(own) for name, own in by_device.items()})

    def _by_device(self, channels: Iterable[ChannelId]) -> Mapping[str, list[ChannelId]]:
        found: dict[str, list[ChannelId]] = {}
        for channel in channels:
            for part in self._groups[channel]:
                found.setdefault(part.device, []).append(part.channel)
        return found

    def _nowhere(self, channel: ChannelId) -> ProtocolError:
        return ProtocolError(self._device, f"it has no channel {channel!r}, only {', '.join(self._groups)}")

    def _refuse_unknown(self, channels: Iterable[ChannelId]) -> None:
        for channel in channels:
            if channel not in self._groups:
                raise self._nowhere(channel)


def _groups(joints: Iterable[Joint], channels: Mapping[str, Sequence[ChannelId]]) -> dict[ChannelId, tuple[Part, ...]]:
    """The joined channels whose sub-channels are all there, then whatever else the devices have."""
    there = {Part(device, channel) for device, own in channels.items() for channel in own}
    groups = {joint.name: joint.parts for joint in joints if there.issuperset(joint.parts)}
    taken = {part for group in groups.values() for part in group}
    alone = [Part(device, channel) for device, own in channels.items() for channel in own]
    return groups | {ChannelId(str(part)): (part,) for part in alone if part not in taken}


def _devices_of(group: Iterable[Part]) -> list[str]:
    return list(dict.fromkeys(part.device for part in group))


def _answer_of(given: Mapping[ChannelId, ApplyResult] | DeviceError, part: Part, order: Order) -> ApplyResult:
    """Overtaken is what was held back."""
    if isinstance(given, DeviceError):
        return given
    return given.get(part.channel, Overtaken(order_id=order.order_id))


def _joined_running(found: Sequence[Running]) -> Running:
    """The order's id and its time are known where they are known of all."""
    ids = {each.order_id for each in found}
    times_s = [each.step_time_s for each in found if each.step_time_s is not None]
    return Running(
        energised=any(each.energised for each in found),
        regulation=joined_regulation(each.regulation for each in found),
        order_id=ids.pop() if len(ids) == 1 else 0,
        step_time_s=min(times_s) if len(times_s) == len(found) else None,
    )
