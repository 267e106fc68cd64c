"""The LADS driver keeps the contract, against a simulated chamber behind its OPC UA server."""

from lads_subject import LadsSubject

from cycler.contract.suite.chamber import ChamberContract


class TestLadsThermal(ChamberContract):
    def make_subject(self) -> LadsSubject:
        return LadsSubject()
