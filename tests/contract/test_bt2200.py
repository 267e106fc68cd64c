"""The BT2200 driver keeps the contract, against a simulated mainframe behind its wire."""

from bt2200_subject import Bt2200Subject

from cycler.contract.suite.connecting import ConnectingPromises
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.orders import OrderPromises
from cycler.contract.suite.overtaking import OvertakingPromises
from cycler.contract.suite.sweeps import SweepPromises
from sims.wire.keysight_bt2200.traits import Traits


class TestBt2200(CyclerContract):
    def make_subject(self) -> Bt2200Subject:
        return Bt2200Subject()


class OtherBt2200Subject(Bt2200Subject):
    """One that does otherwise wherever nobody at hand knows, and takes its time to answer."""

    traits = Traits(
        reply_s=0.001,
        charge_check_s=0.0,
        answers_wrong_queries=True,
        discharge_reads_positive=True,
        restarts_running=True,
        minds_idle_aborts=True,
        names_cells_in_log=False,
        failed_digit="5",
        aborted_digit="6",
        number=" {:+.4E}".format,
    )


class TestAnotherBt2200(ConnectingPromises, OrderPromises, SweepPromises, OvertakingPromises):
    def make_subject(self) -> Bt2200Subject:
        return OtherBt2200Subject()
