"""Looks at the physics of a rack that runs, and at what passes on its wires; what control believes does not count.

An output that is on must have been heard of just now, and its cell be within its limits. What is wrong must end within
a budget: short where the device itself can be told, longer where only the contactor can, and where neither could be
reached, within a minute of the first that can.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan

from scenario import Scenario
from watched_world import WatchedWorld

from cycler.contract.devices import Temperatures
from cycler.contract.order import Order
from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.patience import stale_after_s
from cycler.model.cell_type import CellType, Envelope
from cycler.model.rack import ChannelRef, PositionId
from cycler.service.joined_rack import joined_rack
from sims.cells.bank import CellBank
from sims.terminal import Supply

OFF_S = 0.05  # from a reading beyond a hard limit to the off
DEVICE_S = 2.0  # for an order in flight, debouncing, the off and its transactions
CONTACTOR_S = 12.0  # until the device is known not to answer, and the contactor has been told
RECOVERED_S = 60.0  # a device is tried again at most half a minute apart
QUIET_S = 10.0  # for so long nothing may have been wrong with what is called reachable
WARM_S = 30.0  # a sensor on a cell lags
TEMPERATURE_STALE_S = 10.0
VOLTAGE_ERROR_V = 0.02
CURRENT_ERROR_RATIO = 0.1
TEMPERATURE_ERROR_K = 8.0  # beyond the limit: five to the hard trip, and the sensor's own error

LOOK_AGE_S = 1.2  # a sweep a second brings the physics up to the present anyway

BLINDING = frozenset({"frozen", "nan", "out-of-range", "scale-10", "drift", "word-order", "sensor-break", "exception"})
BLINDING_DEFECTS = frozenset(
    {"open-sense", "drifting-sense", "crossed-sense", "wrong-sensor", "double-loaded", "reversed", "missing"}
)


@dataclass(slots=True)
class Spot:
    """A position, and what is known of it from outside."""

    position: PositionId
    cell_type: CellType
    device: str  # as control names it; several in parallel are one
    channel: ChannelId
    own: tuple[str, ...]  # the devices themselves
    contactor: str | None  # the I/O device
    sensor: ChannelRef | None
    sees: bool  # nothing is ever wrong with the wires of its bay, by which its readings come
    sampled_s: float = -inf
    felt_s: float = -inf
    energised_s: float | None = None
    applied: int = 0
    off: int = 0
    bad: dict[str, float] = field(default_factory=dict)
    beyond_s: float | None = None  # since when a reading has called for an off
    energised_total_s: float = 0.0


class Observer:
    """Gathers `violations`; the last things that happened are in `recent`."""

    def __init__(self, scenario: Scenario, world: WatchedWorld) -> None:
        self.violations: list[str] = []
        self.recent: deque[str] = deque(maxlen=60)
        self.orders: dict[str, list[tuple[float, ChannelId, bool]]] = {}
        self._world = world
        self._count = 0
        self._looked_s = 0.0
        self._troubled_s: dict[str, float] = {}
        self._sweep_s: dict[str, float] = {}
        self._rows: dict[CellBank, list[tuple[int, Spot]]] = {}
        own = scenario.configuration.rack
        joined = joined_rack(own)
        spoilt = {
            defect.at.partition("/")[0] for defect in scenario.declaration.defects if defect.defect in BLINDING_DEFECTS
        }
        self._blinded = {fault.device for fault in scenario.declaration.faults if fault.fault in BLINDING}
        self.spots: dict[PositionId, Spot] = {}
        self._by_channel: dict[tuple[str, str], Spot] = {}  # as control names them
        self._by_clamp: dict[tuple[str, str], Spot] = {}
        for job in scenario.jobs:
            bay = joined.bays[job.bay]
            for name, position in bay.positions.items():
                (channel,) = position.channels
                clamps = own.bays[job.bay].positions[name].channels
                spot = Spot(
                    position=name,
                    cell_type=job.recipe.cell_type,
                    device=channel.device,
                    channel=ChannelId(channel.channel),
                    own=tuple(dict.fromkeys(clamp.device for clamp in clamps)),
                    contactor=None if bay.contactor is None else bay.contactor.device,
                    sensor=position.temperature,
                    sees=job.bay not in spoilt,
                )
                self.spots[name] = spot
                self._by_channel[channel.device, channel.channel] = spot
                self._by_clamp |= {(clamp.device, clamp.channel): spot for clamp in clamps}

    def expect(self, device: str, sweep_s: float) -> None:
        """How often control reads it."""
        self._sweep_s[device] = sweep_s

    def reads_well(self, spot: Spot) -> bool:
        """Whether nothing was meant to make its readings wrong, at any time."""
        return spot.sees and not self._blinded.intersection(spot.own)

    # what passes on the wires

    def heard(self, device: str, sweeps: Sequence[Sweep]) -> None:
        """Control has got these readings now."""
        now_s = self._world.loop.time()
        for sweep in sweeps:
            for row, channel in enumerate(sweep.channels):
                spot = self._by_channel.get((device, channel))
                if spot is None or isnan(sweep.voltage_v[row]):
                    continue
                spot.sampled_s = max(spot.sampled_s, sweep.taken_s)
                if sweep.regulation[row] == "off" or spot.energised_s is None:
                    continue
                envelope = widest(spot.cell_type)
                voltage_v, current_a = sweep.voltage_v[row], sweep.current_a[row]
                high_v = envelope.voltage_v_max + 2 * envelope.trip_margin_v
                most_a = 1.2 * max(envelope.charge_current_a, envelope.discharge_current_a) + 0.1
                if (voltage_v > high_v or abs(current_a) > most_a) and spot.applied > spot.off and not spot.beyond_s:
                    spot.beyond_s = now_s
                    self._note(f"{spot.position}: reads {voltage_v:.4f} V {current_a:.4f} A")

    def felt(self, device: str, reading: Temperatures) -> None:
        """Control has got these temperatures now."""
        shown = dict(zip(reading.channels, reading.temperature_degc, strict=True))
        for spot in self.spots.values():
            if spot.sensor is not None and spot.sensor.device == device:
                felt = shown.get(ChannelId(spot.sensor.channel))
                if felt is not None and not isnan(felt):
                    spot.felt_s = reading.taken_s

    def ordered(self, device: str, orders: Mapping[ChannelId, Order]) -> None:
        """Control sends these orders from now on."""
        now_s = self._world.loop.time()
        for channel, order in orders.items():
            self.orders.setdefault(device, []).append((now_s, channel, order.energises))
            spot = self._by_channel.get((device, channel))
            if spot is not None and order.energises:
                spot.applied = self._next()
                self._note(f"{spot.position}: order {order.order_id}")

    def off_begun(self, device: str, channels: Collection[ChannelId]) -> None:
        """Control tells these relays to open."""
        for spot in self._named(device, channels):
            self._note(f"{spot.position}: off")
            if spot.beyond_s is not None and self._world.loop.time() - spot.beyond_s > OFF_S:
                self._violated(spot, f"off {self._world.loop.time() - spot.beyond_s:.3f} s after the reading")
            spot.beyond_s = None

    def off_confirmed(self, device: str, channels: Collection[ChannelId]) -> None:
        """The device says that they are."""
        for spot in self._named(device, channels):
            spot.off = self._next()
            self._note(f"{spot.position}: off confirmed")

    # what is true

    def driven(self, device: str, channel: str, supply: Supply) -> None:
        """An instrument has set its output."""
        spot = self._by_clamp.get((device, channel))
        if spot is None or not supply.on:
            return
        if spot.off > spot.applied:
            self._violated(spot, f"{device}/{channel} switched on after its off was confirmed, without a new order")

    def look(self, now_s: float) -> None:
        """At all cells."""
        self._note_troubles(now_s)
        passed_s, self._looked_s = now_s - self._looked_s, now_s
        for bank, spots in self._banks().items():
            on = [(row, spot) for row, spot in spots if bank.is_energised(row)]
            if len(on) < len(spots):
                for row, spot in spots:
                    if not bank.is_energised(row):
                        spot.energised_s = None
                        spot.bad.clear()
            if not on:
                continue
            if now_s - bank.now_s > LOOK_AGE_S:
                bank.advance(now_s)
            current_a, degc = bank.measure().current_a, bank.temperatures_degc()
            for row, spot in on:
                if spot.energised_s is None:
                    spot.energised_s = now_s
                spot.energised_total_s += passed_s
                wrong = dict(self._wrong(spot, bank.cell_v(row), current_a[row], degc[row], now_s))
                if not wrong and not spot.bad:
                    continue
                for kind in list(spot.bad):
                    if kind not in wrong:
                        del spot.bad[kind]
                for kind, (text, grace_s) in wrong.items():
                    since_s = spot.bad.setdefault(kind, now_s)
                    self._judge(spot, kind, text, bad_s=now_s - since_s - grace_s, now_s=now_s)
                if spot.beyond_s is not None and now_s - spot.beyond_s > 1.0:
                    self._violated(spot, f"no off {now_s - spot.beyond_s:.3f} s after a reading beyond a hard limit")
                    spot.beyond_s = None

    # the machinery

    def _banks(self) -> Mapping[CellBank, list[tuple[int, Spot]]]:
        if not self._rows:
            for spot in self.spots.values():
                bank, row = self._world.place(spot.position)
                self._rows.setdefault(bank, []).append((row, spot))
        return self._rows

    def _wrong(
        self, spot: Spot, voltage_v: float, current_a: float, temperature_degc: float, now_s: float
    ) -> Iterable[tuple[str, tuple[str, float]]]:
        """By kind: what, and how much longer than usual it may take."""
        assert spot.energised_s is not None
        stale_s = stale_after_s(self._sweep_s.get(spot.device, 1.0))
        silent_s = now_s - max(spot.sampled_s, spot.energised_s)
        if silent_s > stale_s:
            yield "stale", (f"no reading for {silent_s:.2f} s", 0.0)
        if spot.sensor is not None:
            blind_s = now_s - max(spot.felt_s, spot.energised_s)
            if blind_s > TEMPERATURE_STALE_S:
                yield "blind", (f"no temperature for {blind_s:.2f} s", 2.0)
        envelope = widest(spot.cell_type)
        over_v = envelope.voltage_v_max + 2 * envelope.trip_margin_v + VOLTAGE_ERROR_V
        under_v = envelope.voltage_v_min - 2 * envelope.trip_margin_v - VOLTAGE_ERROR_V
        most_a = max(envelope.charge_current_a, envelope.discharge_current_a) * (1 + CURRENT_ERROR_RATIO) + 0.1
        hot_degc = max(envelope.charge_temperature_degc[1], envelope.discharge_temperature_degc[1])
        found = {
            "over-voltage": (voltage_v > over_v, f"{voltage_v:.4f} V", stale_s),
            "under-voltage": (voltage_v < under_v and current_a < -0.05, f"{voltage_v:.4f} V", stale_s),
            "over-current": (abs(current_a) > most_a, f"{current_a:.3f} A", stale_s),
            "hot": (
                temperature_degc > hot_degc + TEMPERATURE_ERROR_K,
                f"{temperature_degc:.1f} degC",
                WARM_S + stale_s,
            ),
        }
        if any(is_so for is_so, _, _ in found.values()) and self._sees(spot):
            yield from ((kind, (text, grace_s)) for kind, (is_so, text, grace_s) in found.items() if is_so)

    def _sees(self, spot: Spot) -> bool:
        devices = [*spot.own, *([spot.sensor.device] if spot.sensor else [])]
        return spot.sees and not any(
            active.fault in BLINDING for device in devices for active in self._world.faults(device).active
        )

    def _judge(self, spot: Spot, kind: str, text: str, *, bad_s: float, now_s: float) -> None:
        quiet_s = now_s - max(self._troubled_s.get(device, -inf) for device in spot.own)
        wired_s = -inf if spot.contactor is None else now_s - self._troubled_s.get(spot.contactor, -inf)
        late = (
            (bad_s > DEVICE_S and quiet_s > bad_s + QUIET_S)
            or (bad_s > CONTACTOR_S and wired_s > bad_s + QUIET_S)
            or min(bad_s, max(quiet_s, wired_s)) > RECOVERED_S
        )
        if late:
            self._violated(spot, f"{kind}: {text}, energised {bad_s:.1f} s longer than it takes to see it")
            spot.bad[kind] = inf  # once is enough

    def _note_troubles(self, now_s: float) -> None:
        for device, faults in self._world.all_faults().items():
            if faults.active:
                if now_s - self._troubled_s.get(device, -inf) > 1.0:
                    self._note(f"{device}: {', '.join(active.fault for active in faults.active)}")
                self._troubled_s[device] = now_s

    def _named(self, device: str, channels: Collection[ChannelId]) -> list[Spot]:
        return [spot for channel in channels if (spot := self._by_channel.get((device, channel))) is not None]

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _note(self, text: str) -> None:
        self.recent.append(f"{self._world.loop.time():.3f} {text}")

    def _violated(self, spot: Spot, text: str) -> None:
        if len(self.violations) < 20:
            self.violations.append(f"{self._world.loop.time():.3f} s {spot.position} on {spot.device}: {text}")
            if len(self.violations) == 1:
                self.violations += [f"    {line}" for line in list(self.recent)[-25:]]


def widest(cell_type: CellType) -> Envelope:
    """All that its cells may be asked for."""
    return cell_type.envelopes["formed"]
