"""The Hioki BT3562 driver keeps the contract, against a simulated instrument behind its socket."""

from hioki_subject import HiokiSubject

from cycler.contract.suite.meter import MeterContract


class TestHiokiBt3562(MeterContract):
    def make_subject(self) -> HiokiSubject:
        return HiokiSubject()
