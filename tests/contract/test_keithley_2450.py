"""The Keithley 2450 driver keeps the contract, against a simulated instrument behind its socket."""

from keithley_subject import KeithleySubject

from cycler.contract.suite.cycler import CyclerContract


class TestKeithley2450(CyclerContract):
    def make_subject(self) -> KeithleySubject:
        return KeithleySubject()
