"""The driver of register maps keeps the contract of every kind, on each wire that has a network."""

from map_subjects import MapChamberSubject, MapCyclerSubject, MapIoSubject, MapTemperatureSubject

from cycler.contract.suite.chamber import ChamberContract
from cycler.contract.suite.cycler import CyclerContract
from cycler.contract.suite.digital_io import DigitalIoContract
from cycler.contract.suite.temperature import TemperatureContract

RTU = "modbus-rtu-tcp"


class TestThermometers(TemperatureContract):
    def make_subject(self) -> MapTemperatureSubject:
        return MapTemperatureSubject()


class TestThermometersOverRtu(TemperatureContract):
    def make_subject(self) -> MapTemperatureSubject:
        return MapTemperatureSubject(RTU)


class TestLines(DigitalIoContract):
    def make_subject(self) -> MapIoSubject:
        return MapIoSubject()


class TestLinesOverRtu(DigitalIoContract):
    def make_subject(self) -> MapIoSubject:
        return MapIoSubject(RTU)


class TestChamber(ChamberContract):
    def make_subject(self) -> MapChamberSubject:
        return MapChamberSubject()


class TestChamberOverRtu(ChamberContract):
    def make_subject(self) -> MapChamberSubject:
        return MapChamberSubject(RTU)


class TestCycler(CyclerContract):
    def make_subject(self) -> MapCyclerSubject:
        return MapCyclerSubject()


class TestCyclerOverRtu(CyclerContract):
    def make_subject(self) -> MapCyclerSubject:
        return MapCyclerSubject(RTU)
