"""Drivers with one mistake each, as an author might make it: a good driver inside, and the mistake around it."""

import asyncio
import contextlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cycler.contract.capabilities import Capabilities, Identity, IoRange, Watchdog
from cycler.contract.devices import ApplyResult, ChamberReading, IoReading, Temperatures
from cycler.contract.errors import DeviceError, DeviceFault, LinkError
from cycler.contract.order import Applied, Order, Overtaken
from cycler.contract.sweep import ChannelId, Running, Sweep

Orders = Mapping[ChannelId, Order]
Answers = Mapping[ChannelId, ApplyResult]


class Wrapped:
    """Does what the good driver does. `memory` belongs to the subject and outlives the driver."""

    def __init__(self, good: Any, memory: dict[str, Any]) -> None:
        self.good = good
        self.memory = memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self.good, name)


def with_phases(order: Order, **changes: Any) -> Order:
    return replace(order, phases=tuple(replace(phase, **changes) for phase in order.phases))


# off


class TriesAgainWhenOvertaken(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        answers = dict(await self.good.apply(orders))
        again = {channel: orders[channel] for channel, answer in answers.items() if isinstance(answer, Overtaken)}
        return answers | dict(await self.good.apply(again))


class LetsOffsQueue(Wrapped):
    def __init__(self, good: Any, memory: dict[str, Any]) -> None:
        super().__init__(good, memory)
        self.lock = asyncio.Lock()

    async def apply(self, orders: Orders) -> Answers:
        async with self.lock:
            return await self.good.apply(orders)

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        async with self.lock:
            await self.good.make_safe(channels)


class StopsTheWholeDevice(Wrapped):
    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        await self.good.make_safe(self.good.capabilities.channels)


class BelievesItsOffs(Wrapped):
    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        with contextlib.suppress(DeviceError):
            await self.good.make_safe(channels)


class KeepsItsLockWhenCancelled(Wrapped):
    def __init__(self, good: Any, memory: dict[str, Any]) -> None:
        super().__init__(good, memory)
        self.lock = asyncio.Lock()

    async def apply(self, orders: Orders) -> Answers:
        await self.lock.acquire()
        answers = await self.good.apply(orders)
        self.lock.release()
        return answers

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        async with asyncio.timeout(1.0):
            await self.lock.acquire()
        self.lock.release()
        await self.good.make_safe(channels)


class WantsToBeCommissionedBeforeAnOff(Wrapped):
    async def commission(self) -> None:
        await self.good.commission()
        self.memory["commissioned"] = True

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        if "commissioned" not in self.memory:
            raise DeviceFault("dut", "not commissioned")
        await self.good.make_safe(channels)


class WantsToBeConnectedBeforeAnOff(Wrapped):
    """Of a cycler, or of lines."""

    knows_it = False

    async def connect(self) -> Identity:
        self.knows_it = True
        identity: Identity = await self.good.connect()
        return identity

    async def make_safe(self, *channels: Collection[ChannelId]) -> None:
        if not self.knows_it:
            raise LinkError("dut", "not connected yet")
        await self.good.make_safe(*channels)


# writes


class WritesTheCurrentBeforeTheVoltage(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        for channel, order in orders.items():
            before: Order | None = self.memory.get(channel)
            if before is not None and before.energises and order.energises:
                await self.good.apply({channel: with_phases(before, current_a=order.phases[0].current_a)})
            self.memory[channel] = order
        return await self.good.apply(orders)


class LeavesTheResistanceBeforeItIsHeldAgain(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        await self.good.apply({channel: with_phases(order, resistance_ohm=None) for channel, order in orders.items()})
        return await self.good.apply(orders)


class SwitchesOnBeforeItSetsTheCurrent(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        for channel, order in orders.items():
            if order.energises and channel not in self.memory:
                await self.good.apply({channel: with_phases(order, current_a=5.0)})
            self.memory[channel] = order
        return await self.good.apply(orders)


class CallsLostOrdersApplied(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        answers = dict(await self.good.apply(orders))
        for channel, answer in answers.items():
            if isinstance(answer, LinkError):
                order = orders[channel]
                answers[channel] = Applied(order_id=order.order_id, phases=order.phases, limits=order.limits)
        return answers


class DischargesWithoutClamp(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        unclamped = {
            channel: with_phases(order, voltage_v=0.5) if order.phases[0].direction == "discharge" else order
            for channel, order in orders.items()
        }
        return await self.good.apply(unclamped)


class PromisesAWatchdogThatIsOff(Wrapped):
    @property
    def capabilities(self) -> Capabilities:
        return replace(self.good.capabilities, watchdog=Watchdog(watches="host", timeout_s=2.0, proven=True))

    async def commission(self) -> None:
        """Forgets to switch it on."""


# coming and going


class AcknowledgesOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        with contextlib.suppress(DeviceFault):
            await self.good.acknowledge(self.good.capabilities.channels)
        return identity


class SwitchesOffOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        await self.good.make_safe(self.good.capabilities.channels)
        return identity


class CommissionsOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        await self.good.commission()
        return identity


class ResumesOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        if "orders" in self.memory:
            await self.good.apply(self.memory["orders"])
        return identity

    async def apply(self, orders: Orders) -> Answers:
        self.memory["orders"] = orders
        return await self.good.apply(orders)


class ResumesOnceItIsAcknowledged(ResumesOnConnect):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        return identity

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        await self.good.acknowledge(channels)
        await self.good.apply(self.memory["orders"])


class SwitchesOffOnClose(Wrapped):
    async def aclose(self) -> None:
        with contextlib.suppress(LinkError):
            await self.good.make_safe(self.good.capabilities.channels)
        await self.good.aclose()


class CommissionsWhatRuns(Wrapped):
    async def commission(self) -> None:
        await self.good.make_safe(self.good.capabilities.channels)
        await self.good.commission()


class CommissionsWhateverIsSet(Wrapped):
    async def commission(self) -> None:
        with contextlib.suppress(DeviceFault):
            await self.good.commission()


class InventsOrderIds(Wrapped):
    async def adopt(self) -> Mapping[ChannelId, Running]:
        found: Mapping[ChannelId, Running] = await self.good.adopt()
        return {channel: replace(running, order_id=99) for channel, running in found.items()}


class SaysThatNothingRuns(Wrapped):
    async def adopt(self) -> Mapping[ChannelId, Running]:
        found: Mapping[ChannelId, Running] = await self.good.adopt()
        return {channel: replace(running, energised=False) for channel, running in found.items()}


# orders


class RaisesForTheWholeBatch(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        answers: Answers = await self.good.apply(orders)
        for answer in answers.values():
            if isinstance(answer, DeviceError):
                raise answer
        return answers


class ClipsOrders(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        limits = self.good.capabilities.range
        clipped = {
            channel: with_phases(order, voltage_v=min(order.phases[0].voltage_v, limits.voltage_v_max))
            if order.phases
            else order
            for channel, order in orders.items()
        }
        return await self.good.apply(clipped)


class RoundsUp(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        return await self.good.apply(
            {
                channel: with_phases(order, current_a=math.ceil(order.phases[0].current_a / 0.01) * 0.01)
                for channel, order in orders.items()
            }
        )


class HoldsACurrentInstead(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        answers = await self.good.apply({channel: with_phases(o, resistance_ohm=None) for channel, o in orders.items()})
        return {
            channel: replace(answer, phases=orders[channel].phases) if isinstance(answer, Applied) else answer
            for channel, answer in answers.items()
        }


class RestsAtZeroCurrent(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        resting = {
            channel: with_phases(order, direction="charge", current_a=0.0, voltage_v=4.0)
            if not order.energises
            else order
            for channel, order in orders.items()
        }
        return await self.good.apply(resting)


class HoldsOnlyTheFirstPhase(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        return await self.good.apply(
            {channel: replace(order, phases=order.phases[:1]) for channel, order in orders.items()}
        )


class OverlooksUnknownChannels(Wrapped):
    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        await self.good.make_safe([channel for channel in channels if channel in self.good.capabilities.channels])


class MixesUpDirections(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        other = {"charge": ("discharge", 1.0), "discharge": ("charge", 4.9), "rest": ("rest", math.nan)}
        return await self.good.apply(
            {
                channel: with_phases(
                    order,
                    direction=other[order.phases[0].direction][0],
                    voltage_v=other[order.phases[0].direction][1],
                )
                for channel, order in orders.items()
            }
        )


# sweeps


class Rereads(Wrapped):
    """Reads, and then something becomes of each sweep."""

    def became(self, sweep: Sweep) -> Sweep:
        raise NotImplementedError

    async def read(self) -> Sequence[Sweep]:
        return [self.became(sweep) for sweep in await self.good.read()]


class TurnsTheSign(Rereads):
    def became(self, sweep: Sweep) -> Sweep:
        return replace(sweep, current_a=[-current_a for current_a in sweep.current_a])


class LosesARow(Rereads):
    def became(self, sweep: Sweep) -> Sweep:
        return replace(sweep, phase=sweep.phase[:-1])


class SlipsAUnit(Rereads):
    def became(self, sweep: Sweep) -> Sweep:
        return replace(sweep, voltage_v=[voltage_v / 1000.0 for voltage_v in sweep.voltage_v])


class StampsSweepsOfLongAgo(Rereads):
    def became(self, sweep: Sweep) -> Sweep:
        return replace(sweep, taken_s=sweep.taken_s - 60.0)


class ShowsOrdersFromTheStart(Rereads):
    async def apply(self, orders: Orders) -> Answers:
        self.memory["id"] = next(iter(orders.values())).order_id
        return await self.good.apply(orders)

    def became(self, sweep: Sweep) -> Sweep:
        return replace(sweep, order_id=[self.memory.get("id", 0)] * len(sweep.channels))


class StartsStepTimeAtTheWrongMoment(Rereads):
    def became(self, sweep: Sweep) -> Sweep:
        return replace(sweep, step_time_s=[time_s + 1.0 for time_s in sweep.step_time_s])


class CountsBothWaysInOne(Rereads):
    def became(self, sweep: Sweep) -> Sweep:
        assert sweep.charged_ah is not None and sweep.discharged_ah is not None
        net_ah = [into - out for into, out in zip(sweep.charged_ah, sweep.discharged_ah, strict=True)]
        return replace(sweep, charged_ah=net_ah, discharged_ah=[0.0] * len(net_ah))


# silence


class TriesForAMinute(Wrapped):
    async def read(self) -> Sequence[Sweep]:
        for _ in range(60):
            try:
                sweeps: Sequence[Sweep] = await self.good.read()
            except LinkError:
                await asyncio.sleep(1.0)
            else:
                return sweeps
        raise LinkError("dut", "no answer for a minute")


class AnswersFromMemory(Wrapped):
    async def read(self) -> Sequence[Sweep]:
        with contextlib.suppress(LinkError):
            self.memory["sweeps"] = await self.good.read()
        return self.memory.get("sweeps", [])


class GuessesWhoAnswers(Wrapped):
    async def connect(self) -> Identity:
        try:
            identity: Identity = await self.good.connect()
        except DeviceError:
            identity = Identity(maker="the usual", model="", serial="", firmware="")
        return identity


class WaitsForEachChannel(Wrapped):
    async def apply(self, orders: Orders) -> Answers:
        answers: dict[ChannelId, ApplyResult] = {}
        for channel, order in orders.items():
            answers |= dict(await self.good.apply({channel: order}))
        return answers


class GivesUpAfterALoss(Wrapped):
    async def read(self) -> Sequence[Sweep]:
        return await self._unless_lost(self.good.read())

    async def apply(self, orders: Orders) -> Answers:
        answers: Answers = await self.good.apply(orders)
        self.memory["lost"] = any(isinstance(answer, LinkError) for answer in answers.values())
        return answers

    async def _unless_lost(self, call: Any) -> Any:
        if self.memory.get("lost"):
            call.close()
            raise LinkError("dut", "was lost")
        return await call


# thermometers and lines


class ShowsAmbientForBrokenSensors(Wrapped):
    async def read(self) -> Temperatures:
        shown: Temperatures = await self.good.read()
        filled = [25.0 if math.isnan(degc) else degc for degc in shown.temperature_degc]
        return replace(shown, temperature_degc=filled)


class SwapsSensors(Wrapped):
    async def read(self) -> Temperatures:
        shown: Temperatures = await self.good.read()
        return replace(shown, temperature_degc=shown.temperature_degc[::-1])


class ResetsTheTargetOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        await self.good.set_target(temperature_degc=20.0, rate_k_per_min=None)
        return identity


class SetsTheTargetInFahrenheit(Wrapped):
    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        await self.good.set_target(temperature_degc=temperature_degc * 1.8 + 32.0, rate_k_per_min=rate_k_per_min)

    async def read(self) -> ChamberReading:
        shown: ChamberReading = await self.good.read()
        return replace(shown, target_degc=(shown.target_degc - 32.0) / 1.8)


class ForgetsTheRate(Wrapped):
    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        await self.good.set_target(temperature_degc=temperature_degc, rate_k_per_min=None)


class ClipsTargets(Wrapped):
    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        able = self.good.capabilities
        within_degc = min(max(temperature_degc, able.temperature_degc_min), able.temperature_degc_max)
        await self.good.set_target(temperature_degc=within_degc, rate_k_per_min=rate_k_per_min)


class SwapsItsLimits(Wrapped):
    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        low_degc, high_degc = sorted((temperature_degc_min, temperature_degc_max))
        await self.good.set_limits(temperature_degc_min=low_degc, temperature_degc_max=high_degc)


class BelievesItsChamber(Wrapped):
    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        with contextlib.suppress(DeviceFault):
            await self.good.set_target(temperature_degc=temperature_degc, rate_k_per_min=rate_k_per_min)


class GoesBackToItsTargetWhenSafe(Wrapped):
    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        self.memory["target"] = temperature_degc
        await self.good.set_target(temperature_degc=temperature_degc, rate_k_per_min=rate_k_per_min)

    async def make_safe(self) -> None:
        await self.good.make_safe()
        if "target" in self.memory:
            await self.good.set_target(temperature_degc=self.memory["target"], rate_k_per_min=None)


class SetsTheTargetAgainAfterAnOff(Wrapped):
    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        try:
            await self.good.set_target(temperature_degc=temperature_degc, rate_k_per_min=rate_k_per_min)
        except DeviceFault:
            await self.good.set_target(temperature_degc=temperature_degc, rate_k_per_min=rate_k_per_min)


class StopsTheChamberOnClose(Wrapped):
    async def aclose(self) -> None:
        with contextlib.suppress(DeviceError):
            await self.good.make_safe()
        await self.good.aclose()


class WritesAgainAfterAnOff(Wrapped):
    async def write(self, outputs: Mapping[str, bool]) -> None:
        await self.good.write(outputs)
        if "off" in self.memory:
            await self.good.write(outputs)

    async def make_safe(self) -> None:
        self.memory["off"] = True
        await self.good.make_safe()


class BelievesItsLines(Wrapped):
    async def make_safe(self) -> None:
        with contextlib.suppress(DeviceFault):
            await self.good.make_safe()


class BelievesItsWrites(Wrapped):
    async def write(self, outputs: Mapping[str, bool]) -> None:
        with contextlib.suppress(DeviceError):
            await self.good.write(outputs)


class ReadsInputsUpsideDown(Wrapped):
    async def read(self) -> IoReading:
        shown: IoReading = await self.good.read()
        return replace(shown, inputs={line: not high for line, high in shown.inputs.items()})


class OpensLinesOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        await self.good.make_safe()
        return identity


class ClosesOnlyOnce(Wrapped):
    async def aclose(self) -> None:
        if self.memory.get("closed"):
            raise LinkError("dut", "closed already")
        self.memory["closed"] = True
        await self.good.aclose()


class WritesEveryLine(Wrapped):
    async def write(self, outputs: Mapping[str, bool]) -> None:
        await self.good.write(dict.fromkeys(self.good.capabilities.outputs, any(outputs.values())))


class OverlooksUnknownLines(Wrapped):
    async def write(self, outputs: Mapping[str, bool]) -> None:
        known = self.good.capabilities.outputs
        await self.good.write({line: closed for line, closed in outputs.items() if line in known})


class RestoresLinesOnConnect(Wrapped):
    async def connect(self) -> Identity:
        identity: Identity = await self.good.connect()
        await self.good.write(self.memory.get("outputs", {}))
        return identity

    async def commission(self) -> None:
        """Does not mind outputs that are on."""

    async def write(self, outputs: Mapping[str, bool]) -> None:
        self.memory["outputs"] = outputs
        await self.good.write(outputs)


class PromisesAFasterWatchdog(Wrapped):
    @property
    def capabilities(self) -> IoRange:
        return replace(self.good.capabilities, watchdog=Watchdog(watches="host", timeout_s=0.8, proven=True))
