"""Modbus, one transaction at a time: TCP, and RTU over TCP and serial ports.

Requests are encoded by pymodbus, and those that are sent again and again once; replies stay raw bytes. A block is
decoded by one precompiled `struct` instead of register by register, and nonsense on the wire becomes an error that says
what came.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import Resource
from drivers.links.access import Access, Nonsense
from drivers.links.endpoint import Endpoint, endpoint_of, whole_number
from drivers.links.modbus_client import RtuClient, TcpClient
from drivers.links.modbus_frames import Reply, Request
from drivers.links.queue import Priority

__all__ = ["STANDARD_EXCEPTIONS", "Block", "ExceptionCodes", "ModbusLink"]

ExceptionCodes = Mapping[int, tuple[type[DeviceError], str]]

STANDARD_EXCEPTIONS: ExceptionCodes = {
    0x01: (ProtocolError, "function not supported"),
    0x02: (ProtocolError, "address unknown"),
    0x03: (DeviceFault, "value refused"),
    0x04: (DeviceFault, "device failure"),
    0x06: (DeviceFault, "device busy"),
    0x0A: (LinkError, "gateway path unavailable"),
    0x0B: (LinkError, "gateway target does not respond"),
}
"""Source: MODBUS Application Protocol Specification V1.1b3, section 7. A driver passes its device's own table."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Adjacent registers that are read in one transaction and decoded by one `struct`."""

    address: int
    layout: struct.Struct  # big-endian; a whole number of registers
    table: Literal["holding", "input"] = "holding"
    count: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", self.layout.size // 2)
        if self.layout.size % 2 or not 1 <= self.count <= 125:
            raise ValueError(f"a block at {self.address} of {self.layout.size} bytes is not 1 to 125 registers")


class ModbusLink:
    """One unit, over a connection that it may share with others. Every transaction opens it anew where it was lost.

    Errors are those of `Access`, and what `exceptions` says for exception replies. `unless`: see `Access.transact`.
    """

    def __init__(
        self,
        device: str,
        endpoint: Endpoint,
        *,
        unit: int,
        rtu: bool = False,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 0.5,
        exceptions: ExceptionCodes = STANDARD_EXCEPTIONS,
    ) -> None:
        self._device = device
        self._unit = unit
        self._exceptions = exceptions
        self._access: Access[Request, Reply] = Access(
            device,
            endpoint,
            "rtu" if rtu else "mbap",
            RtuClient if rtu else TcpClient,
            numbered=not rtu,
            gap_s=gap_s,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
        )
        self._reads: dict[Block, tuple[Request, Callable[[Reply], tuple[Any, ...]], str]] = {}  # made once each

    @classmethod
    def to(
        cls,
        device: str,
        resource: Resource,
        *,
        default_port: int = 502,
        default_unit: int = 1,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 0.5,
        exceptions: ExceptionCodes = STANDARD_EXCEPTIONS,
    ) -> "ModbusLink":
        """`modbus-tcp://host:port?unit=`, `modbus-rtu-tcp://host:port?unit=`, `modbus-rtu:///dev/...?unit=&baud=...`.

        Raises `ValueError` for a bad resource.
        """
        if resource.scheme not in ("modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"):
            raise ValueError(f"{resource.text!r} is no Modbus; schemes are modbus-tcp, modbus-rtu-tcp and modbus-rtu")
        return cls(
            device,
            endpoint_of(resource, default_port=default_port),
            unit=whole_number(resource, "unit", default=default_unit, low=0, high=255),
            rtu=resource.scheme != "modbus-tcp",
            gap_s=gap_s,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
            exceptions=exceptions,
        )

    @property
    def sent_s(self) -> float:
        """When the last request was sent, by the loop's clock: the caller's own until its next await."""
        return self._access.sent_s

    async def read(self, block: Block, priority: Priority) -> tuple[Any, ...]:
        """Read registers (function 3 or 4); what the block's layout unpacks them to."""
        request, understand, what = self._reads.get(block) or self._prepare(block)
        return await self._access.transact(request, priority, understand, what=what)

    async def read_bits(
        self, address: int, count: int, priority: Priority, *, table: Literal["coils", "discrete"] = "coils"
    ) -> tuple[bool, ...]:
        """Read 1 to 2000 coils (function 1) or discrete inputs (function 2).

        A single one may come in two bytes, FF00 or 0000: some devices answer as in a write.
        """
        kind = ReadCoilsRequest if table == "coils" else ReadDiscreteInputsRequest
        request, what = self._request(kind(address=address, count=count)), f"the read of {table} {address}+{count}"

        def understand(reply: Reply) -> tuple[bool, ...]:
            body = self._body_of(reply, request, what)
            if count == 1 and body in (b"\x02\xff\x00", b"\x02\x00\x00"):
                return (body[1] == 0xFF,)
            if len(body) != 1 + (count + 7) // 8 or body[0] != len(body) - 1:
                raise Nonsense(f"{_hex(body)} came, not {(count + 7) // 8} bytes")
            return tuple(bool(body[1 + at // 8] >> at % 8 & 1) for at in range(count))

        return await self._access.transact(request, priority, understand, what=what)

    async def write_register(
        self, address: int, value: int, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Write one register (function 6). The echo proves reception, not effect."""
        request = self._request(WriteSingleRegisterRequest(address=address, registers=[value]))
        await self._write(request, priority, unless, f"the write of 0x{value:04X} to register {address}", value)

    async def write_registers(
        self, address: int, values: Sequence[int], priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Write 1 to 123 adjacent registers (function 16). The echo proves that so many were received."""
        request = self._request(WriteMultipleRegistersRequest(address=address, registers=list(values)))
        what = f"the write of {_words(values)} to registers {address}+{len(values)}"
        await self._write(request, priority, unless, what, len(values))

    async def write_coil(
        self, address: int, on: bool, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Write one coil (function 5). The echo proves reception, not effect."""
        request = self._request(WriteSingleCoilRequest(address=address, bits=[on]))
        what = f"the write of {'on' if on else 'off'} to coil {address}"
        await self._write(request, priority, unless, what, 0xFF00 if on else 0)

    async def write_coils(
        self, address: int, values: Sequence[bool], priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """Write 1 to 1968 adjacent coils (function 15). The echo proves that so many were received."""
        request = self._request(WriteMultipleCoilsRequest(address=address, bits=list(values)))
        what = f"the write of {''.join('01'[on] for on in values)} to coils {address}+{len(values)}"
        await self._write(request, priority, unless, what, len(values))

    def close(self) -> None:
        """Let go of the connection; the next transaction opens it again. See `Access.close`."""
        self._access.close()

    def _prepare(self, block: Block) -> tuple[Request, Callable[[Reply], tuple[Any, ...]], str]:
        kind = ReadHoldingRegistersRequest if block.table == "holding" else ReadInputRegistersRequest
        request = self._request(kind(address=block.address, count=block.count))
        size, unpack_from = block.layout.size, block.layout.unpack_from
        what = f"the read of registers {block.address}+{block.count}"

        def understand(reply: Reply) -> tuple[Any, ...]:
            body = self._body_of(reply, request, what)
            if len(body) != size + 1 or body[0] != size:
                raise Nonsense(f"{_hex(body)} came, not {size} bytes")
            return unpack_from(body, 1)

        self._reads[block] = prepared = request, understand, what
        return prepared

    async def _write(
        self, request: Request, priority: Priority, unless: Callable[[], bool] | None, what: str, echoed: int
    ) -> None:
        def understand(reply: Reply) -> None:
            body = self._body_of(reply, request, what)
            if body != request.pdu[1:3] + echoed.to_bytes(2, "big"):
                raise Nonsense(f"its echo was {_hex(body)}")

        await self._access.transact(request, priority, understand, what=what, unless=unless)

    def _request(self, pdu: ModbusPDU) -> Request:
        return Request(self._unit, bytes((pdu.function_code,)) + pdu.encode())

    def _body_of(self, reply: Reply, request: Request, what: str) -> bytes:
        unit, function, body = reply
        if unit != self._unit:
            raise Nonsense(f"unit {unit} answered, asked was unit {self._unit}")
        asked = request.pdu[0]
        if function == asked:
            return body
        if function == asked | 0x80 and len(body) == 1:
            code = body[0]
            error, meaning = self._exceptions.get(code, (ProtocolError, "unknown to its documents"))
            raise error(self._device, f"refused {what} with code 0x{code:02X}: {meaning}")
        raise Nonsense(f"it was answered with {_hex(bytes([function]) + body)}")


def _words(values: Sequence[int]) -> str:
    return " ".join(f"{value:04X}" for value in values)


def _hex(data: bytes) -> str:
    return data.hex(" ").upper() or "nothing"
