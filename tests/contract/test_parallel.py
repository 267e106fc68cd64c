"""Channels in parallel keep the contract of one, on one device and over two."""

from parallel_subject import ParallelAutonomousSubject, ParallelSubject

from cycler.contract.suite.connecting import ConnectingPromises
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.orders import OrderPromises
from cycler.contract.suite.overtaking import OvertakingPromises
from cycler.contract.suite.silence import SilencePromises
from cycler.contract.suite.sweeps import SweepPromises


class TestParallelOverTwoDevices(CyclerContract):
    def make_subject(self) -> ParallelSubject:
        return ParallelSubject()


class TestParallelOnAnAutonomousDevice(
    ConnectingPromises, OrderPromises, SweepPromises, OvertakingPromises, SilencePromises
):
    def make_subject(self) -> ParallelAutonomousSubject:
        return ParallelAutonomousSubject()
