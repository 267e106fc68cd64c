"""Who is at the other end of the command socket, and what that account may do."""

import os
import pwd
import socket
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cycler.model.audit import Role

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid
ROOT: Final = 0

OPERATING: Final[frozenset[Role]] = frozenset({"operator", "engineer", "maintenance", "admin"})
MAY: Final[Mapping[str, Collection[Role]]] = {
    "status": OPERATING | {"viewer"},
    "load": OPERATING - {"maintenance"},
    "start": OPERATING - {"maintenance"},
    "resume": OPERATING - {"maintenance"},
    "abort": OPERATING,
    "all-off": OPERATING,
    "ack": OPERATING,
    "shelve": OPERATING,
    "unshelve": OPERATING,
    "out-of-service": OPERATING - {"operator"},
    "in-service": OPERATING - {"operator"},
    "reset": frozenset({"maintenance", "admin"}),
    "decide": frozenset({"engineer", "admin"}),
    "sign": frozenset({"engineer", "admin"}),
}
"""The commands there are, and who may give them. Whoever may do anything at all may switch everything off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An account with a role on this rack."""

    uid: int
    user: str
    role: Role

    def may(self, command: str) -> bool:
        """Whether the role allows it."""
        return self.role in MAY[command]


def uid_of(connection: socket.socket) -> int:
    """The account at the other end of a Unix socket, by the kernel's word."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(data)
    return int(uid)


def peer_of(uid: int, users: Mapping[str, Role]) -> Peer | None:
    """None for an account without a role. Root and the service's own account need none."""
    user = login_of(uid)
    role = "admin" if uid in {ROOT, os.getuid()} else users.get(user)
    return None if role is None else Peer(uid=uid, user=user, role=role)


def login_of(uid: int) -> str:
    """The name of the account; its number where it has none, as in some containers."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
