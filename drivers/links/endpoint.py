"""Where a wire leads, as the resource says: a host and port, or a serial port of this machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from cycler.contract.plugin import Resource
from drivers.links.serial_port import open_serial_port

Parity = Literal["N", "E", "O"]

SERIAL_SCHEMES = ("serial", "modbus-rtu")
SERIAL_KEYS = ("baud", "parity", "stopbits")
"""Of the query of a serial resource: `serial:///dev/ttyUSB0?baud=9600&parity=N&stopbits=1` is what it means without."""

_PARITIES: Mapping[str, Parity] = {"N": "N", "E": "E", "O": "O"}


def refuse_unknown_keys(resource: Resource, *known: str) -> None:
    """Raises `ValueError` for a key in the query that nobody would read."""
    keys = (*known, *SERIAL_KEYS) if resource.scheme in SERIAL_SCHEMES else known
    if unknown := set(resource.query) - set(keys):
        there_are = f"there are {', '.join(keys)}" if keys else "there are none"
        raise ValueError(f"{resource.text!r}: {min(unknown)!r} is unknown; {there_are}")


class Endpoint(Protocol):
    """Equal ones lead to the same place in the same way."""

    @property
    def place(self) -> str:
        """What two endpoints have in common that lead over the same wire."""

    async def open(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Raises `OSError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpEndpoint:
    """A listening port of some host."""

    host: str
    port: int

    @property
    def place(self) -> str:
        """As `Endpoint` has it."""
        return f"{self.host}:{self.port}"

    async def open(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """As `Endpoint` has it."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: protocol, self.host, self.port)
        return transport


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialEndpoint:
    """A serial port by its path, best one of /dev/serial/by-id, which an adapter keeps when it is plugged in again."""

    path: str
    baud: int = 9600
    parity: Parity = "N"
    stopbits: Literal[1, 2] = 1

    @property
    def place(self) -> str:
        """As `Endpoint` has it."""
        return self.path

    async def open(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Fails also where somebody else has the port."""
        return open_serial_port(protocol, self.path, baud=self.baud, parity=self.parity, stopbits=self.stopbits)


def endpoint_of(resource: Resource, *, default_port: int) -> TcpEndpoint | SerialEndpoint:
    """Raises `ValueError` saying what is wrong."""
    if resource.scheme not in SERIAL_SCHEMES:
        if not resource.host:
            raise ValueError(f"{resource.text!r} names no host; write it like {resource.scheme}://192.168.0.21")
        return TcpEndpoint(host=resource.host, port=resource.port or default_port)
    if resource.host or len(resource.path) < 2:
        raise ValueError(f"{resource.text!r} names no port; write it like {resource.scheme}:///dev/serial/by-id/...")
    parity = _PARITIES.get(resource.query.get("parity", "N").upper())
    if parity is None:
        raise ValueError(f"{resource.text!r}: parity is N, E or O")
    stopbits = whole_number(resource, "stopbits", default=1, low=1, high=2)
    return SerialEndpoint(
        path=resource.path,
        baud=whole_number(resource, "baud", default=9600, low=300, high=4_000_000),
        parity=parity,
        stopbits=1 if stopbits == 1 else 2,
    )


def whole_number(resource: Resource, key: str, *, default: int, low: int, high: int) -> int:
    """An option of the resource. Raises `ValueError` for anything but a whole number in its range."""
    text = resource.query.get(key, str(default))
    if not (text.isascii() and text.isdecimal() and low <= int(text[:9]) <= high and len(text) <= 9):
        raise ValueError(f"{resource.text!r}: {key} is a whole number from {low} to {high}")
    return int(text)
