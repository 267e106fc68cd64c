"""What the subjects of instruments have in common that listen at several ports, or on a serial line."""

from typing import ClassVar

from ports import line_path

from sims.network import Address
from sims.testing.wired import LastingSubject


class PortedSubject(LastingSubject):
    """`unplug` is a pulled cable on TCP, and silence on a serial line: there are no `ports` then, and its resource is
    written as `serial://LINE`."""

    ports: ClassVar[tuple[int, ...]] = ()

    def __init__(self) -> None:
        self.resource = self.resource.replace("LINE", line_path())  # type: ignore[misc]
        super().__init__()

    def unplug(self) -> None:
        for port in self.ports:
            self.network.unplug(Address("127.0.0.1", port))
        if not self.ports:
            self.faults.begin("no-reply")

    def plug(self) -> None:
        for port in self.ports:
            self.network.cut(Address("127.0.0.1", port))
            self.network.plug(Address("127.0.0.1", port))
        if not self.ports:
            self.faults.active.clear()
