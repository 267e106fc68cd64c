"""Simulated cyclers whose channels are in parallel on common cells, joined to one: subjects for the contract suite."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from cycler.contract.devices import CyclerDriver
from cycler.contract.parallel.cycler import ParallelCycler
from cycler.contract.parallel.parts import Joint, Part
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from sims.devices.cycler import open_cycler
from sims.devices.cycler_hardware import CyclerHardware
from sims.loop import VirtualLoop, run_on
from sims.testing.bench import BenchWorld
from sims.testing.shared_bench import SharedCell
from sims.testing.troubles import Troubles, troubles
from sims.testing.wired import utcnow

T = TypeVar("T")


def joint(*parts: str, imbalance_ratio: float = 0.1) -> Joint:
    """Like `"a/1", "b/1"`."""
    named = tuple(Part(device, ChannelId(channel)) for device, _, channel in (part.partition("/") for part in parts))
    return Joint(parts=named, imbalance_ratio=imbalance_ratio)


class ParallelSubject:
    """Two set-point devices with two channels each: every cell has one of either."""

    call_s_max = 1.8  # an order that nobody answers is followed by an off that nobody answers
    options: ClassVar[Mapping[str, str]] = {"channels": "2"}
    joints: ClassVar[Sequence[Joint]] = (joint("a/1", "b/1"), joint("a/2", "b/2"))

    def __init__(self) -> None:
        self.world = BenchWorld()
        self.cells = {each.name: SharedCell(len(each.parts)) for each in self.joints}
        for each in self.joints:
            for part, lead in zip(each.parts, self.cells[each.name].leads, strict=True):
                self.world.cells[part.device, part.channel] = lead
        self.devices = list(dict.fromkeys(part.device for each in self.joints for part in each.parts))
        self.parts = {each.name: each.parts for each in self.joints}

    @property
    def troubles(self) -> Troubles:
        return troubles(self.world.faults(self.devices[-1]), driver="sim_cycler", scheme="sim")

    def hardware(self, device: str) -> CyclerHardware:
        return self.world.instruments[device]  # type: ignore[return-value]

    def open(self) -> CyclerDriver:
        return ParallelCycler(self.open_each(), self.joints)

    def open_each(self) -> Mapping[str, CyclerDriver]:
        """The devices by themselves."""
        surroundings = Surroundings(utcnow=utcnow, world=self.world)
        return {name: open_cycler(self._settings(name), surroundings) for name in self.devices}

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        self.open()  # installs the devices
        return run_on(VirtualLoop(), scenario)

    def watch(self, hook: Callable[[], None]) -> None:
        for device in self.devices:
            self.hardware(device).cable.taps.append(hook)

    def unplug(self) -> None:
        for device in self.devices:
            self.hardware(device).cable.unplug()

    def plug(self) -> None:
        for device in self.devices:
            self.hardware(device).cable.plug()

    async def restart(self) -> None:
        for device in self.devices:
            self.hardware(device).restart()

    def settings(self) -> object:
        found = [self.hardware(device) for device in self.devices]
        supplies = [cell.supply for cell in self.world.cells.values()]
        return supplies, [(each.order_ids, each.phases, each.alarms(), each.capabilities) for each in found]

    def output(self, channel: ChannelId) -> Output:
        cell = self.cells[channel]
        return Output(closed=cell.is_closed, voltage_v=cell.voltage_v(), current_a=cell.current_a())

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self.cells[channel].place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self.cells[channel].would_flow_a(cell_v) for cell_v in cells_v]

    def raise_alarm(self, channel: ChannelId) -> None:
        part = self.parts[channel][-1]
        self.hardware(part.device).trip(int(part.channel) - 1, "over_temperature")

    def has_alarm(self, channel: ChannelId) -> bool:
        part = self.parts[channel][-1]
        return self.hardware(part.device).alarms()[int(part.channel) - 1] is not None

    def ignore_offs(self) -> None:
        self.world.faults(self.devices[-1]).begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        return {}

    def _settings(self, device: str) -> DeviceSettings:
        return DeviceSettings(device=device, resource=Resource.parse("sim:bench"), options=self.options)


class ParallelAutonomousSubject(ParallelSubject):
    """One device that goes on by itself, with counters and without errors: every cell has two of its channels."""

    options: ClassVar[Mapping[str, str]] = {
        "channels": "4", "autonomous": "true", "counter": "true", "errors": "none",
    }  # fmt: skip
    joints: ClassVar[Sequence[Joint]] = (joint("a/1", "a/2"), joint("a/3", "a/4"))
