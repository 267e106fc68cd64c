"""The chamber drivers keep the contract, each over each of its wires, against simulated controllers."""

from wire_chambers import (
    F4tCascadeSubject,
    F4tLineSubject,
    F4tRtuSubject,
    F4tScpiSubject,
    F4tSubject,
    P300LineSubject,
    P300Subject,
)

from cycler.contract.suite.chamber import ChamberContract


class TestWatlowF4tOverModbusTcp(ChamberContract):
    def make_subject(self) -> F4tSubject:
        return F4tSubject()


class TestWatlowF4tOverModbusRtuOnTcp(ChamberContract):
    def make_subject(self) -> F4tRtuSubject:
        return F4tRtuSubject()


class TestWatlowF4tOverModbusRtu(ChamberContract):
    def make_subject(self) -> F4tLineSubject:
        return F4tLineSubject()


class TestWatlowF4tOverScpi(ChamberContract):
    def make_subject(self) -> F4tScpiSubject:
        return F4tScpiSubject()


class TestWatlowF4tWithACascade(ChamberContract):
    def make_subject(self) -> F4tCascadeSubject:
        return F4tCascadeSubject()


class TestEspecP300OverTcp(ChamberContract):
    def make_subject(self) -> P300Subject:
        return P300Subject()


class TestEspecP300OverALine(ChamberContract):
    def make_subject(self) -> P300LineSubject:
        return P300LineSubject()
