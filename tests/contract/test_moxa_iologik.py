"""The ioLogik driver keeps the contract, against simulated modules behind their wire."""

from iologik_subject import CurrentLoopSubject, IologikSubject, JumperedSubject

from cycler.contract.suite.digital_io import DigitalIoContract


class TestRelays(DigitalIoContract):
    def make_subject(self) -> IologikSubject:
        return IologikSubject()


class TestJumperedChannels(DigitalIoContract):
    def make_subject(self) -> JumperedSubject:
        return JumperedSubject()


class TestCurrentLoops(DigitalIoContract):
    def make_subject(self) -> CurrentLoopSubject:
        return CurrentLoopSubject()
