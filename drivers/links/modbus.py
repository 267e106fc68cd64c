"""Modbus over pymodbus' asynchronous client, one transaction at a time, replies as raw bytes.

pymodbus brings the transport and its transaction manager. Framing and decoding are ours, for three reasons: a block is
decoded by one precompiled `struct` instead of register by register; nonsense on the wire becomes a `ProtocolError`
that says what came, where pymodbus skips it silently or lets the exception escape into the event loop; and two replies
that arrive in one piece (a late one and the one that is due) are both read.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, WriteSingleRegisterRequest

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from drivers.links.connection import reset
from drivers.links.queue import Priority, TransactionQueue

# What pymodbus logs it also reports, and we raise it: without a handler it would write to stderr beside the program.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())

ExceptionCodes = Mapping[int, tuple[type[DeviceError], str]]

STANDARD_EXCEPTIONS: ExceptionCodes = {
    0x01: (ProtocolError, "function not supported"),
    0x02: (ProtocolError, "address unknown"),
    0x03: (DeviceFault, "value refused"),
    0x04: (DeviceFault, "device failure"),
    0x06: (DeviceFault, "device busy"),
}
"""Source: MODBUS Application Protocol Specification V1.1b3, section 7. A driver passes its device's own table."""

_MBAP = struct.Struct(">HHHB")  # transaction, protocol 0, length from the unit on, unit
_ADU_BYTES_MAX = 260
_WORDS = struct.Struct(">HH")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Adjacent holding registers that are read in one transaction and decoded by one `struct`."""

    address: int
    layout: struct.Struct  # big-endian; a whole number of registers
    count: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", self.layout.size // 2)
        if self.layout.size % 2 or not 1 <= self.count <= 125:
            raise ValueError(f"a block at {self.address} of {self.layout.size} bytes is not 1 to 125 registers")


class Withdrawn(Exception):
    """The write was no longer wanted when its turn came: nothing was sent."""


class ModbusLink:
    """One connection to one unit. Every transaction opens the connection anew where it was lost.

    A transaction ends within `connect_timeout_s + timeout_s` of its turn, and raises `LinkError` for silence, refusal
    and closed connections, `ProtocolError` for answers that make no sense, and what `exceptions` says for exception
    replies. After silence or nonsense the connection is dropped: what still comes on it belongs to nobody.
    """

    def __init__(
        self,
        device: str,
        host: str,
        port: int,
        *,
        unit: int,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 0.5,
        exceptions: ExceptionCodes = STANDARD_EXCEPTIONS,
    ) -> None:
        self.sent_s = 0.0  # when the last request was sent, by the loop's clock: the caller's own until its next await
        self._device = device
        self._host = host
        self._port = port
        self._unit = unit
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._exceptions = exceptions
        self._queue = TransactionQueue(gap_s=gap_s)
        self._client: AsyncModbusTcpClient | None = None
        self._read_requests: dict[Block, ReadHoldingRegistersRequest] = {}  # per block, made once

    async def read(self, block: Block, priority: Priority) -> tuple[Any, ...]:
        """Read holding registers (function 3); what the block's layout unpacks them to."""
        request = self._read_requests.get(block)
        if request is None:
            request = ReadHoldingRegistersRequest(dev_id=self._unit, address=block.address, count=block.count)
            self._read_requests[block] = request
        body = await self._transact(request, priority)
        size = block.layout.size
        if len(body) != size + 1 or body[0] != size:
            raise self._nonsense(f"registers {block.address}+{block.count} came as {_hex(body)}, not {size} bytes")
        return block.layout.unpack_from(body, 1)

    async def write_register(
        self, address: int, value: int, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Write one register (function 6). The echo proves reception, not effect.

        `unless` is asked in the instant before sending, when all waiting is over: where it says yes, nothing is sent
        and `Withdrawn` is raised. Asked any earlier, an off could slip in between.
        """
        request = WriteSingleRegisterRequest(dev_id=self._unit, address=address, registers=[value])
        self._check_echo(await self._transact(request, priority, unless), address, value)

    async def write_coil(
        self, address: int, on: bool, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Write one coil (function 5); else as `write_register`."""
        request = WriteSingleCoilRequest(dev_id=self._unit, address=address, bits=[on])
        self._check_echo(await self._transact(request, priority, unless), address, 0xFF00 if on else 0)

    async def read_coil(self, address: int, priority: Priority) -> bool:
        """Read one coil (function 1). One byte, or the two of devices that answer as in a write (FF00 or 0000)."""
        body = await self._transact(ReadCoilsRequest(dev_id=self._unit, address=address, count=1), priority)
        if len(body) not in (2, 3) or body[0] != len(body) - 1:
            raise self._nonsense(f"coil {address} came as {_hex(body)}, not one or two bytes")
        return any(body[1:])

    def close(self) -> None:
        """Drop the connection. The next transaction opens a new one.

        It is reset, not closed: a write that a pulled cable has held back must not arrive when the cable is back.
        """
        client, self._client = self._client, None
        if client is not None:
            self._fail_pending(client)
            reset(client.ctx.transport)
            client.close()

    async def _transact(
        self, request: ModbusPDU, priority: Priority, unless: Callable[[], bool] | None = None
    ) -> bytes:
        await self._queue.enter(priority)
        try:
            reply = await self._exchange(request, unless)
        finally:
            self._queue.leave()
        if reply.unit != self._unit:
            raise self._nonsense(f"unit {reply.unit} answered, asked was unit {self._unit}")
        if reply.function_code == request.function_code:
            return reply.body
        if reply.function_code == request.function_code | 0x80 and len(reply.body) == 1:
            code = reply.body[0]
            error, meaning = self._exceptions.get(code, (ProtocolError, "unknown to its documents"))
            raise error(self._device, f"refused {_describe(request)} with code 0x{code:02X}: {meaning}")
        raise self._nonsense(f"answered {_describe(request)} with {_hex(bytes([reply.function_code]) + reply.body)}")

    async def _exchange(self, request: ModbusPDU, unless: Callable[[], bool] | None) -> "_Reply":
        client = self._client
        if client is None or not client.connected:
            client = await self._open()
        if unless is not None and unless():
            raise Withdrawn
        self.sent_s = client.ctx.loop.time()
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await client.execute(False, request)
                if task is not None and task.cancelling() > cancelled_before:
                    # asyncio.wait_for, inside, loses a cancellation that comes together with the reply.
                    raise asyncio.CancelledError
        except TimeoutError:
            self.close()
            raise LinkError(
                self._device, f"no answer to {_describe(request)} from {self._where} within {self._timeout_s:g} s"
            ) from None
        except (ModbusException, OSError) as error:
            self.close()
            raise LinkError(self._device, f"{self._where} gave up during {_describe(request)}: {error}") from None
        if not isinstance(reply, _Reply):
            raise self._nonsense(f"{_describe(request)} was answered by bytes that are not Modbus TCP")
        return reply

    async def _open(self) -> AsyncModbusTcpClient:
        self.close()
        # A fresh client each time, retries=0 and no reconnecting of its own: when to send again is not its decision.
        # Its own time limit lies behind ours, which is the one that counts.
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=self._connect_timeout_s + self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=lambda connected: None if connected else self._fail_pending(client),
        )
        client.ctx.framer = _RawFramer(DecodePDU(False))
        client.ctx.max_buffer_size = 4 * _ADU_BYTES_MAX
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                connected = await client.connect()
        except TimeoutError:
            client.close()
            detail = f"no connection to {self._where} within {self._connect_timeout_s:g} s"
            raise LinkError(self._device, detail) from None
        except BaseException:
            client.close()
            raise
        if not connected:
            client.close()
            raise LinkError(self._device, f"no connection to {self._where}: refused or unreachable")
        self._client = client
        return client

    @staticmethod
    def _fail_pending(client: AsyncModbusTcpClient) -> None:
        """A closed connection answers nothing any more; pymodbus alone would wait for its time limit."""
        pending = client.ctx.response_future
        if not pending.done():
            pending.set_exception(ConnectionError("the connection was closed"))
            pending.exception()  # if nobody waits any more, that is no error

    def _check_echo(self, body: bytes, address: int, value: int) -> None:
        if body != _WORDS.pack(address, value):
            raise self._nonsense(f"wrote 0x{value:04X} to {address}, the echo was {_hex(body)}")

    def _nonsense(self, detail: str) -> ProtocolError:
        self.close()
        return ProtocolError(self._device, detail)

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"


class _Reply(ModbusPDU):
    """Any reply, not decoded."""

    def __init__(self, asked: int, unit: int, transaction: int, frame: bytes) -> None:
        # Not the parent's: what pymodbus reads of a reply is set here, the rest of its twelve fields is not needed.
        self.transaction_id = transaction
        self.dev_id = asked  # pymodbus compares it with the unit asked; we do, and say what came
        self.retries = 0
        self.unit = unit
        self.function_code = frame[0]
        self.body = frame[1:]


class _Garbage(ModbusPDU):
    """What came is not Modbus TCP."""


class _RawFramer(FramerSocket):
    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802
        used = 0
        while len(data) - used >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(data, used)
            if protocol != 0 or not 2 <= length <= _ADU_BYTES_MAX - 6:
                return len(data), _Garbage(dev_id=exp_devid)
            end = used + 6 + length
            if end > len(data):
                break
            if transaction == exp_tid:
                return end, _Reply(exp_devid, unit, transaction, data[used + 7 : end])
            used = end  # the late answer to a request that nobody waits for any more
        return used, None


def _describe(request: ModbusPDU) -> str:
    match request:
        case ReadHoldingRegistersRequest():
            return f"the read of registers {request.address}+{request.count}"
        case WriteSingleRegisterRequest():
            return f"the write of 0x{request.registers[0]:04X} to register {request.address}"
        case WriteSingleCoilRequest():
            return f"the write of {'on' if request.bits[0] else 'off'} to coil {request.address}"
        case _:
            return f"the read of coil {request.address}"


def _hex(data: bytes) -> str:
    return data.hex(" ").upper() or "nothing"
