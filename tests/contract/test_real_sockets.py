"""The contract over the kernel's own sockets: one driver stands for all, whose wires are otherwise in memory."""

from typing import Any

from ports import free_port
from psb_wires import PsbScpiLineSubject

from cycler.contract.suite.cycler import CyclerContract


class PsbLoopbackSubject(PsbScpiLineSubject):
    """An EA PSB on both of its ports."""

    def __init__(self) -> None:
        self.resource = f"modbus-tcp://127.0.0.1:{free_port()}?scpi={free_port()}"
        super().__init__()
        self.network: Any = None


class TestEaPsbOverRealSockets(CyclerContract):
    def make_subject(self) -> PsbLoopbackSubject:
        return PsbLoopbackSubject()
