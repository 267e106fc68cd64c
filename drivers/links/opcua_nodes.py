"""How the nodes of an OPC UA server are named, and what passes to and fro. No stack is imported for it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

STANDARD = "http://opcfoundation.org/UA/"

Mode = Literal["encrypt", "sign", "none"]
"""How messages are secured."""


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A node by the URI of its namespace: the index that stands for it is agreed on anew in every session."""

    namespace: str
    identifier: int | str | bytes | UUID
    label: str = field(default="", compare=False)  # for people

    def __str__(self) -> str:
        return self.label or f"{self.identifier!r} of {self.namespace}"


@dataclass(frozen=True, slots=True)
class BrowseName:
    """One step of a path from node to node."""

    namespace: str
    name: str


Path = tuple[BrowseName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """An object beneath another. `type` is `None` where the server does not say."""

    node: NodeRef
    name: str
    type: NodeRef | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a server says of a variable. `source_utc` is by the server's clock, `None` where it gives none."""

    node: NodeRef
    content: Any
    kind: str  # of the variant: "Double"
    status: str  # "Good", or what is the matter
    is_good: bool
    source_utc: datetime | None


@dataclass(frozen=True, slots=True)
class Argument:
    """A value on its way to the server, as the kind of variant that is expected there."""

    content: Any
    kind: str
