"""Who drives a device: one process of this computer at a time.

Held as an abstract Unix socket for each address, which ends with its process, however that ends: none is ever stale.
It says nothing of other computers, where only the device itself can tell, nor of processes in another network
namespace.
"""

import hashlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from cycler.contract.plugin import DeviceSettings, Resource
from cycler.service.refusal import Refused

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid


@contextmanager
def driven_alone(devices: Iterable[DeviceSettings]) -> Iterator[None]:
    """For as long as it is open. Raises `Refused`, naming the device and the process that has it."""
    with ExitStack() as held:
        for each in devices:
            own = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            try:
                own.bind(_address(each.resource))
            except OSError:
                raise _refused(each.device, each.resource, _holder(each.resource)) from None
            own.listen()
        yield


def refuse_driven(device: str, resource: Resource) -> None:
    """Raises `Refused` where a process of this computer drives it."""
    if (holder := _holder(resource)) is not None:
        raise _refused(device, resource, holder)


def _refused(device: str, resource: Resource, holder: int | None) -> Refused:
    process = f"process {holder}" if holder else "another process"
    message = f"{device}: {process} of this computer drives {resource.text} already"
    return Refused("device-in-use", message, "stop that one first: two masters would undo each other's orders")


def _holder(resource: Resource) -> int | None:
    """The number of its process; 0 where so many have asked that it can't be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(resource))
        except BlockingIOError:
            return 0
        except OSError:
            return None
        pid, _, _ = _CREDENTIALS.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return int(pid)


def _address(resource: Resource) -> str:
    """Equal for one unit at one address, whatever the scheme; a serial line is what its name leads to."""
    place = f"{resource.host}:{resource.port}" if resource.host else os.path.realpath(resource.path)
    unit = resource.query.get("unit", "")
    return f"\0formation-cycler/{hashlib.sha256(f'{place} {unit}'.encode()).hexdigest()}"
