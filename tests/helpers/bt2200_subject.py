"""A BT2200 behind its wire, for the contract suite: three channels of one card, the rest of the mainframe idle."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from loop_clock import utcnow

from cycler.contract.devices import CyclerDriver
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from drivers.keysight_bt2200.driver import KeysightBt2200
from sims.loop import VirtualLoop, run_on
from sims.network import Address, MemoryNetwork
from sims.testing.bench import BenchWorld
from sims.testing.troubles import troubles
from sims.wire.keysight_bt2200 import scpi
from sims.wire.keysight_bt2200.device import Bt2200
from sims.wire.keysight_bt2200.simulator import Bt2200Simulator
from sims.wire.keysight_bt2200.traits import Traits
from sims.wire.lines import LineConversation

T = TypeVar("T")

DEVICE = "bt-01"
BROKEN_V = 5.5  # above the upper FAIL test of any order


class WatchedSimulator(Bt2200Simulator):
    """Tells whoever wants to know of each line that the instrument has carried out, answered or not."""

    hooks: list[Callable[[], None]]

    def _converse(self) -> LineConversation:
        def answer(line: bytes) -> Any:
            reply = scpi.answer(self.device, line)
            for hook in self.hooks:
                hook()
            return reply

        return LineConversation(answer, bytes_max=scpi.LINE_BYTES)


class Bt2200Subject:
    """Without start delays, so that what the suite expects within a second can be seen."""

    call_s_max = 8.0
    address = Address("127.0.0.1", 5025)
    channels = (101, 102, 103)
    traits = Traits(reply_s=0.0, charge_check_s=0.0)
    options: ClassVar[Mapping[str, str]] = {"channels": "101..103", "start_delay": "0 s"}

    troubles = property(lambda self: troubles(self._world.faults(DEVICE), driver="keysight_bt2200", scheme="scpi-tcp"))

    def __init__(self) -> None:
        self._network = MemoryNetwork(seed=1)
        self._world = BenchWorld()
        self._resource = Resource.parse(f"scpi-tcp://{self.address}")
        self._simulator = WatchedSimulator(self.make_device, self._resource, faults=self._world.faults(DEVICE))
        self._simulator.hooks = []
        self._world.faults(DEVICE).wire([str(channel) for channel in self.channels], self._simulator.restart)

    def make_device(self) -> Bt2200:
        bank = self._world.bank(DEVICE, [str(channel) for channel in self.channels])
        return Bt2200(bank, self.channels, traits=self.traits, faults=self._world.faults(DEVICE))

    @property
    def device(self) -> Bt2200:
        return self._simulator.device

    def open(self) -> CyclerDriver:
        settings = DeviceSettings(
            device=DEVICE, resource=self._resource, rated_voltage_v=5.0, rated_current_a=6.0, options=self.options
        )
        return KeysightBt2200(settings, Surroundings(utcnow=utcnow))

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        async def powered() -> T:
            await self._simulator.start()
            try:
                return await scenario
            finally:
                await self._simulator.aclose()
                await asyncio.sleep(1.0)  # what was under way on the wire ends

        return run_on(VirtualLoop(self._network), powered())

    def watch(self, hook: Callable[[], None]) -> None:
        self._simulator.hooks.append(hook)

    def unplug(self) -> None:
        self._network.unplug(self.address)

    def plug(self) -> None:
        self._network.cut(self.address)
        self._network.plug(self.address)

    async def restart(self) -> None:
        self._simulator.restart()
        await asyncio.sleep(0.1)

    def settings(self) -> object:
        device = self.device
        cells = {
            number: (cell.channels, cell.sequence, cell.steps, cell.step, cell.running, cell.verdict)
            for number, cell in device.cells.items()
        }
        return cells, {number: dict(steps) for number, steps in device.sequences.steps.items()}, tuple(device.errors)

    def output(self, channel: ChannelId) -> Output:
        reading = self._world.cell(DEVICE, channel).measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self._world.cell(DEVICE, channel).place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self._world.cell(DEVICE, channel).would_flow_a(cell_v) for cell_v in cells_v]

    def raise_alarm(self, channel: ChannelId) -> None:
        """Its cell shows a voltage at which a FAIL test stops it."""
        before_v = self.output(channel).voltage_v
        self.place(channel, BROKEN_V)
        self.device.look()
        self.place(channel, before_v)

    def has_alarm(self, channel: ChannelId) -> bool:
        return any(
            cell.verdict.result == "FAIL" for cell in self.device.cells.values() if int(channel) in cell.channels
        )

    def ignore_offs(self) -> None:
        self._world.faults(DEVICE).begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        """None is known."""
        return {}
