"""`sim_cycler`: a cycler inside this process, driven by the contract, for racks that are simulated without a wire."""

import asyncio
import math
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from cycler.contract.capabilities import Capabilities, ChannelRange, Identity, Keeps
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, Order, Overtaken
from cycler.contract.overtaking import OffGenerations
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId, Running, Sweep
from sims.devices.cycler_hardware import (
    CHARGED,
    CURRENT,
    DISCHARGED,
    HOST_WATCHDOG,
    OUTPUT,
    STEP_TIME,
    VOLTAGE,
    CyclerHardware,
    Refused,
)
from sims.devices.metrology import CONVERTER_COUNTS, VOLTAGE_NOISE_RATIO, Metrology, PerfectMetrology, TypicalMetrology
from sims.devices.options import Options
from sims.devices.surroundings import installed, world_of
from sims.terminal import Column

T = TypeVar("T")

RATED_VOLTAGE_V = 5.0
RATED_CURRENT_A = 15.0
RESISTANCE_OHM_MIN, RESISTANCE_OHM_MAX = 0.001, 1000.0
ACCURACY_RATIO = 0.0002
PERFECT_RESOLUTION = 1e-6  # V and A
PHASES_MAX = 8
CHANNELS = 16
IDLE_S_MAX = 1.0


class SimCycler:
    """One host's connection to the hardware. A set-point device keeps no order ids: its host does, while it lives."""

    def __init__(self, device: str, hardware: CyclerHardware, utcnow: Callable[[], datetime]) -> None:
        self._device = device
        self._hardware = hardware
        self._utcnow = utcnow
        self._connected = False
        self._channels = channels = hardware.capabilities.channels
        self._row = {channel: row for row, channel in enumerate(channels)}
        self._offs = OffGenerations(channels)
        self._mine: set[int] = set(range(len(channels))) if hardware.capabilities.autonomous else set()
        self._counts = hardware.capabilities.charge_counter

    @property
    def capabilities(self) -> Capabilities:
        return self._hardware.capabilities

    async def connect(self) -> Identity:
        self._connected = True
        await self._exchange(self._hardware.alarms)
        return Identity(maker="formation-cycler", model="sim_cycler", serial=self._device, firmware="")

    async def adopt(self) -> Mapping[ChannelId, Running]:
        energised = await self._exchange(self._hardware.energised)
        (sweep,) = await self.read()
        return {
            channel: Running(
                energised=energised[row],
                regulation=sweep.regulation[row],
                order_id=sweep.order_id[row],
                step_time_s=sweep.step_time_s[row] if sweep.order_id[row] else None,
            )
            for row, channel in enumerate(sweep.channels)
        }

    async def commission(self) -> None:
        await self._exchange(self._hardware.commission)

    async def read(self) -> Sequence[Sweep]:
        return (await self._exchange(self._sweep),)

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        marks = {channel: self._offs.mark(channel) for channel in orders if channel in self._row}
        answers: dict[ChannelId, ApplyResult] = {
            channel: self._nowhere(channel) for channel in orders if channel not in self._row
        }
        lost: LinkError | None = None
        for channel, mark in marks.items():
            try:
                answers[channel] = lost or await self._apply(channel, orders[channel], mark)
            except LinkError as error:
                answers[channel] = lost = error
            except DeviceError as error:
                answers[channel] = error
        return answers

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        known = [channel for channel in channels if channel in self._row]
        self._offs.raise_for(known)
        self._connected = True
        rows = [self._row[channel] for channel in known]
        if closed := await self._exchange(lambda: self._hardware.open(rows)):
            names = ", ".join(self._channels[row] for row in closed)
            raise DeviceFault(self._device, f"output {names} is still on after it was switched off")
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        self._refuse_unknown(channels)
        rows = [self._row[channel] for channel in channels]
        await self._exchange(lambda: self._hardware.acknowledge(rows))

    async def aclose(self) -> None:
        self._connected = False

    async def _apply(self, channel: ChannelId, order: Order, mark: int) -> Applied | Overtaken:
        row = self._row[channel]
        if self._offs.overtook(channel, mark):
            return Overtaken(order_id=order.order_id)
        achieved = await self._exchange(lambda: self._hardware.load(row, order))
        if self._offs.overtook(channel, mark):
            return Overtaken(order_id=order.order_id)
        await self._exchange(lambda: self._hardware.start(row))
        if self._offs.overtook(channel, mark):
            return Overtaken(order_id=order.order_id)
        self._mine.add(row)
        return Applied(order_id=order.order_id, phases=achieved.phases, limits=achieved.limits)

    def _sweep(self) -> Sweep:
        hardware = self._hardware
        shown = hardware.measure()
        step_time_s = shown[STEP_TIME].tolist()
        order_ids, phases = hardware.order_ids, hardware.phases
        if len(self._mine) < len(order_ids):  # what another host ordered is unknown to this one
            for row in [row for row, order_id in enumerate(order_ids) if order_id and row not in self._mine]:
                order_ids, phases = _with(order_ids, row, 0), _with(phases, row, 0)
                step_time_s[row] = math.nan
        return Sweep(
            taken_s=asyncio.get_running_loop().time(),
            taken_utc=self._utcnow(),
            channels=self._channels,
            voltage_v=shown[VOLTAGE].tolist(),
            current_a=shown[CURRENT].tolist(),
            regulation=hardware.regulation,
            order_id=order_ids,
            phase=phases,
            step_time_s=step_time_s,
            output_v=_column(shown[OUTPUT]),
            charged_ah=shown[CHARGED].tolist() if self._counts else None,
            discharged_ah=shown[DISCHARGED].tolist() if self._counts else None,
        )

    def _nowhere(self, channel: ChannelId) -> ProtocolError:
        return ProtocolError(self._device, f"it has no channel {channel!r}, only {', '.join(self._channels)}")

    def _refuse_unknown(self, channels: Collection[ChannelId]) -> None:
        for channel in channels:
            if channel not in self._row:
                raise self._nowhere(channel)

    async def _exchange(self, call: Callable[[], T]) -> T:
        if not self._connected:
            raise LinkError(self._device, "not connected")
        try:
            return await self._hardware.cable.exchange(call)
        except Refused as refused:
            raise DeviceFault(self._device, str(refused)) from None


def _column(values: Column) -> "array[float]":
    """For columns that are looked at once or not at all: making a list of floats would cost more than that."""
    return array("d", values.tobytes())


def _with(column: list[int], row: int, value: int) -> list[int]:
    return [*column[:row], value, *column[row + 1 :]]


def open_cycler(settings: DeviceSettings, surroundings: Surroundings) -> SimCycler:
    """Options: `channels`, `counter`, `autonomous` and `pulse_exclusive` (`true | false`), `errors: typical | none`.

    Without options: 16 channels, no counter, not autonomous, pulses on several channels at once, typical errors except
    in an ideal world. Raises `ValueError`.
    """
    world = world_of(settings, surroundings)
    capabilities, perfect = _capabilities(settings, ideal_world=world.declaration.ideal)
    channels = capabilities.channels

    def build() -> CyclerHardware:
        rng = world.rng(f"{settings.device} metrology")
        metrology: Metrology = (
            PerfectMetrology() if perfect else TypicalMetrology(capabilities.range, len(channels), rng)
        )
        bank = world.bank(settings.device, channels)
        return CyclerHardware(
            device=settings.device,
            bank=bank,
            capabilities=capabilities,
            metrology=metrology,
            faults=world.faults(settings.device),
        )

    return SimCycler(settings.device, installed(world, settings.device, CyclerHardware, build), surroundings.utcnow)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    capabilities, _ = _capabilities(settings, ideal_world=False)
    keeps = replace(Keeps.of(capabilities), watchdog=None if capabilities.autonomous else HOST_WATCHDOG)
    return OfflineFacts(channels=capabilities.channels, range=capabilities.range, keeps=keeps)


def _capabilities(settings: DeviceSettings, *, ideal_world: bool) -> tuple[Capabilities, bool]:
    """And whether it shows the truth."""
    options = Options(settings.device, settings.options)
    channels = tuple(ChannelId(name) for name in options.channels(CHANNELS))
    perfect = options.is_perfect(ideal_world=ideal_world)
    counter = options.flag("counter", default=False)
    autonomous = options.flag("autonomous", default=False)
    pulse_exclusive = options.flag("pulse_exclusive", default=False)
    options.finish()
    voltage_v = _given(settings.rated_voltage_v, RATED_VOLTAGE_V)
    current_a = _given(settings.rated_current_a, RATED_CURRENT_A)
    capabilities = Capabilities(
        channels=channels,
        range=ChannelRange(
            voltage_v_min=0.0,
            voltage_v_max=voltage_v,
            charge_current_a_max=current_a,
            discharge_current_a_max=current_a,
            power_w_max=_given(settings.rated_power_w, voltage_v * current_a),
            voltage_accuracy_v=_given(settings.voltage_accuracy_v, ACCURACY_RATIO * voltage_v),
            current_accuracy_a=_given(settings.current_accuracy_a, ACCURACY_RATIO * current_a),
            voltage_noise_v=0.0 if perfect else VOLTAGE_NOISE_RATIO * voltage_v,
            voltage_resolution_v=PERFECT_RESOLUTION if perfect else voltage_v / CONVERTER_COUNTS,
            current_resolution_a=PERFECT_RESOLUTION if perfect else 2.0 * current_a / CONVERTER_COUNTS,
            resistance_ohm_min=RESISTANCE_OHM_MIN,
            resistance_ohm_max=RESISTANCE_OHM_MAX,
        ),
        bipolar_sense=True,
        autonomous=autonomous,
        phases_max=PHASES_MAX,
        order_time_s=0.0,
        start_delay_s=0.0,
        sweep_time_s=0.0,
        idle_s_max=IDLE_S_MAX,
        rest="relay-open",
        regulation_reported=True,
        charge_counter=counter,
        order_id_kept=autonomous,
        pulse_exclusive=pulse_exclusive,
        ends=frozenset({"time_s", "voltage_v", "current_a", "charge_ah"} if autonomous else {"time_s"}),
        protections=frozenset({"over_voltage", "under_voltage", "over_current", "over_power", "over_charge", "time"}),
        limit_readback="yes",
    )
    return capabilities, perfect


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


DRIVER = Driver(
    kind="cycler",
    summary="a simulated cycler inside this process",
    schemes=("sim",),
    opens=open_cycler,
    offline=_offline,
)
