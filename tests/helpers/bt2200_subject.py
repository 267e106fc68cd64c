"""A BT2200 behind its wire, for the contract suite: three channels of one card, the rest of the mainframe idle."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from cycler.contract.plugin import DeviceSettings, Surroundings
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from drivers.keysight_bt2200.driver import DRIVER, KeysightBt2200
from sims.testing.bench import BenchWorld
from sims.testing.wired import DEVICE, LastingSubject, utcnow
from sims.wire.keysight_bt2200 import scpi
from sims.wire.keysight_bt2200.device import Bt2200
from sims.wire.keysight_bt2200.simulator import Bt2200Simulator
from sims.wire.keysight_bt2200.traits import Traits
from sims.wire.lines import LineConversation

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


class Bt2200Subject(LastingSubject):
    """Without start delays, so that what the suite expects within a second can be seen."""

    call_s_max = 8.0
    driver = DRIVER
    sort = "keysight_bt2200"
    resource = "scpi-tcp://127.0.0.1:5025"
    channels = (101, 102, 103)
    traits = Traits(reply_s=0.0, charge_check_s=0.0)
    options: ClassVar[Mapping[str, str]] = {"channels": "101..103", "start_delay": "0 s"}

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> WatchedSimulator:
        names, faults = [str(channel) for channel in self.channels], world.faults(DEVICE)
        simulator = WatchedSimulator(
            lambda: Bt2200(world.bank(DEVICE, names), self.channels, traits=self.traits, faults=faults),
            device.resource,
            faults=faults,
        )
        simulator.hooks = []
        faults.wire(names, simulator.restart)
        return simulator

    @property
    def device(self) -> Bt2200:
        return self.simulator.device

    def open(self) -> KeysightBt2200:
        settings = DeviceSettings(
            device=DEVICE, resource=self.where, rated_voltage_v=5.0, rated_current_a=6.0, options=self.options
        )
        return KeysightBt2200(settings, Surroundings(utcnow=utcnow))

    def watch(self, hook: Callable[[], None]) -> None:
        self.simulator.hooks.append(hook)

    def settings(self) -> object:
        device = self.device
        cells = {
            number: (cell.channels, cell.sequence, cell.steps, cell.step, cell.running, cell.verdict)
            for number, cell in device.cells.items()
        }
        return cells, {number: dict(steps) for number, steps in device.sequences.steps.items()}, tuple(device.errors)

    def output(self, channel: ChannelId) -> Output:
        reading = self.world.cell(DEVICE, channel).measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self.world.cell(DEVICE, channel).place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self.world.cell(DEVICE, channel).would_flow_a(cell_v) for cell_v in cells_v]

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
        self.faults.begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        """None is known."""
        return {}
