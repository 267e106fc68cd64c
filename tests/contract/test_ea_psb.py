"""The EA PSB driver keeps the contract, against a simulated PSB behind its wire."""

from contract_subjects import PsbSubject

from cycler.contract.suite.cycler import CyclerContract


class TestEaPsb(CyclerContract):
    def make_subject(self) -> PsbSubject:
        return PsbSubject()
