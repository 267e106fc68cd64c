"""pymodbus' asynchronous client, without its connecting, retrying and locking: what is sent when is decided elsewhere.

Each connection gets a fresh one.
"""

import logging
from itertools import cycle

from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

from drivers.links.access import Noise, Nonsense
from drivers.links.modbus_frames import ADU_BYTES_MAX, MbapFramer, Reply, RtuFramer
from drivers.links.wire import Speaker

# What pymodbus logs it also reports, and we raise it: without a handler it would write to stderr beside the program.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())


# A gateway may keep a reply and hand it to the next connection: there its number must not be due again, as it would be
# if every connection began to count anew, which is how pymodbus does it.
_transactions = cycle(range(1, 0x10000))


class ModbusClient(TransactionManager, Speaker[ModbusPDU, Reply]):
    """The heart of pymodbus' client, on a connection that it is given."""

    def __init__(self, framer: FramerBase) -> None:
        super().__init__(CommParams(comm_type=CommType.TCP), framer, 0, False, None, None, None)
        self.max_buffer_size = 4 * ADU_BYTES_MAX  # a late reply and the one that is due may come in one piece

    async def exchange(self, message: ModbusPDU) -> Reply:
        """As `Speaker` has it. pymodbus' own waits in `asyncio.wait_for`, which may lose a cancellation."""
        message.transaction_id = next(_transactions)
        self.response_future = self.loop.create_future()
        self.pdu_send(message)
        reply = await self.response_future
        if isinstance(reply, Reply):
            return reply
        if reply.damaged:
            raise Noise(reply.detail)
        raise Nonsense(reply.detail)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """A closed connection answers nothing any more."""
        pending = self.response_future
        if not pending.done():
            pending.set_exception(exc if isinstance(exc, OSError) else ConnectionError("the connection was closed"))
            pending.exception()  # if nobody waits any more, that is no error


class TcpClient(ModbusClient):
    """Modbus TCP."""

    def __init__(self) -> None:
        super().__init__(MbapFramer(DecodePDU(False)))


class RtuClient(ModbusClient):
    """Modbus RTU."""

    def __init__(self) -> None:
        super().__init__(RtuFramer(DecodePDU(False)))
