"""`CyclerContract`: every promise of a cycler's driver."""

from cycler.contract.suite.connecting import ConnectingPromises
from cycler.contract.suite.cycler_troubles import CyclerTroubles
from cycler.contract.suite.orders import OrderPromises
from cycler.contract.suite.overtaking import OvertakingPromises
from cycler.contract.suite.silence import SilencePromises
from cycler.contract.suite.sweeps import SweepPromises
from cycler.contract.suite.writes import WritePromises


class CyclerContract(
    ConnectingPromises,
    OrderPromises,
    SweepPromises,
    OvertakingPromises,
    WritePromises,
    SilencePromises,
    CyclerTroubles,
):
    """Inherit it, name the class `Test…`, and say in `make_subject` how driver and device are made."""
