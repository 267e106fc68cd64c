"""Who has commanded what, when and why: for auditors, and only ever added to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

Role = Literal["viewer", "operator", "engineer", "maintenance", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One command and what became of it. `uid` and `user` are the account from which it came.

    `details` has what was commanded, in the words of the command; `text` says what came of it, or why it was refused.
    """

    utc: datetime
    uid: int
    user: str
    role: Role
    request: str  # the id that the client gave it
    command: str
    reason: str = ""
    answer: Literal["accepted", "done", "refused"]
    text: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
