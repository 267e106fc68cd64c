"""An EA PSB on each of its other wires."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, cast

from contract_subjects import PsbSubject

from sims.wire.ports import Conversation


class PsbRtuSubject(PsbSubject):
    """Modbus RTU on its second port, over which it is commissioned too."""

    resource = "modbus-rtu-tcp://127.0.0.1:5025"
    ports = (5025,)
    call_s_max = 6.0


class PsbScpiSubject(PsbSubject):
    """SCPI on its second port, and nothing else."""

    resource = "scpi-tcp://127.0.0.1:5025"
    ports = (5025,)
    call_s_max = 6.0

    def __init__(self) -> None:
        super().__init__()
        self._hooks: list[Callable[[], None]] = []
        for port in self.simulator._ports:
            port.conversation = self._tapped(port.conversation)

    def watch(self, hook: Callable[[], None]) -> None:
        """Each message counts: most of SCPI's writes are not answered."""
        self._hooks.append(hook)

    def _tapped(self, conversation: Conversation) -> Conversation:
        return lambda: Tapped(conversation(), self._hooks)


class PsbScpiLineSubject(PsbScpiSubject):
    """SCPI on its USB port. To unplug it is silence."""

    resource = "serial://LINE?baud=115200"
    ports: ClassVar[tuple[int, ...]] = ()


class PsbRtuLineSubject(PsbScpiLineSubject):
    """Modbus RTU on its USB port, over which it is commissioned too."""

    resource = "modbus-rtu://LINE?unit=0&baud=115200"


class Tapped(asyncio.Protocol, asyncio.Transport):
    """Between an instrument's conversation and its wire. Calls the hooks when a message has been carried out, before
    its answer, if it has one, sets out."""

    def __init__(self, inner: asyncio.Protocol, hooks: list[Callable[[], None]]) -> None:
        super().__init__()
        self._inner = inner
        self._hooks = hooks
        self._answers: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        self._inner.connection_made(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)
        for hook in tuple(self._hooks):
            hook()
        answers, self._answers = self._answers, []
        for answer in answers:
            self._wire.write(answer)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._answers.append(bytes(data))

    def close(self) -> None:
        self._wire.close()
