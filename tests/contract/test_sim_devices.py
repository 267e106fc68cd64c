"""The in-process devices keep the contract."""

from contract_subjects import (
    AutonomousSubject,
    SimChamberSubject,
    SimCyclerSubject,
    SimIoSubject,
    SimMeterSubject,
    SimTemperatureSubject,
)

from cycler.contract.suite.chamber import ChamberContract
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.digital_io import DigitalIoContract
from cycler.contract.suite.meter import MeterContract
from cycler.contract.suite.temperature import TemperatureContract


class TestSetPointCycler(CyclerContract):
    def make_subject(self) -> SimCyclerSubject:
        return SimCyclerSubject()


class TestAutonomousCycler(CyclerContract):
    def make_subject(self) -> AutonomousSubject:
        return AutonomousSubject()


class TestThermometers(TemperatureContract):
    def make_subject(self) -> SimTemperatureSubject:
        return SimTemperatureSubject()


class TestChamber(ChamberContract):
    def make_subject(self) -> SimChamberSubject:
        return SimChamberSubject()


class TestMeter(MeterContract):
    def make_subject(self) -> SimMeterSubject:
        return SimMeterSubject()


class TestLines(DigitalIoContract):
    def make_subject(self) -> SimIoSubject:
        return SimIoSubject()
