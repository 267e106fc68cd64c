"""The EA PSB driver keeps the contract over each of its wires, against a simulated PSB."""

from contract_subjects import PsbSubject, StubbornPsb
from psb_wires import PsbRtuLineSubject, PsbRtuSubject, PsbScpiLineSubject, PsbScpiSubject

from cycler.contract.suite.cycler import CyclerContract
from sims.wire.ea_psb.device import SetValue


class NarrowPsbSubject(PsbSubject):
    """One whose adjustment limits leave little more than the proof cell needs: 2.5 to 4.3 V, 1.5 A, 8 W."""

    def make_device(self) -> StubbornPsb:
        device = super().make_device()
        device.limit_raw = [22544, 13107, 5243, 0, 2796, 2796, 0, 0, 5243, 0]
        device.set_raw[SetValue.VOLTAGE] = 13107
        device.set_raw[SetValue.SOURCE_POWER] = device.set_raw[SetValue.SINK_POWER] = 2796
        return device


class TestEaPsb(CyclerContract):
    def make_subject(self) -> PsbSubject:
        return PsbSubject()


class TestEaPsbWithinAdjustmentLimits(CyclerContract):
    def make_subject(self) -> PsbSubject:
        return NarrowPsbSubject()


class TestEaPsbOverModbusRtuOnTcp(CyclerContract):
    def make_subject(self) -> PsbRtuSubject:
        return PsbRtuSubject()


class TestEaPsbOverModbusRtuOnALine(CyclerContract):
    def make_subject(self) -> PsbRtuLineSubject:
        return PsbRtuLineSubject()


class TestEaPsbOverScpi(CyclerContract):
    def make_subject(self) -> PsbScpiSubject:
        return PsbScpiSubject()


class TestEaPsbOverScpiOnALine(CyclerContract):
    def make_subject(self) -> PsbScpiLineSubject:
        return PsbScpiLineSubject()
