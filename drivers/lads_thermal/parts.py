"""What a chamber consists of, as far as the driver uses it."""

from collections.abc import Sequence
from dataclasses import dataclass

from cycler.contract.capabilities import Identity
from drivers.lads_thermal.nodes import Unit
from drivers.links.opcua_nodes import NodeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """To be called on its owner."""

    owner: NodeRef
    node: NodeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A temperature: how it is written, and its range in degC. `kind` is the variant's."""

    node: NodeRef
    unit: Unit
    kind: str
    range_degc: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockNodes:
    """Of the unit that is locked."""

    init: Method
    renew: Method
    break_it: Method | None
    client: NodeRef
    remaining: NodeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of the sensor's alarm."""

    low: NodeRef
    high: NodeRef
    unit: Unit
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that the driver uses. `None`, or nothing, where the device does not offer it."""

    identity: Identity
    name: str
    device_state: NodeRef | None
    health: NodeRef | None
    enabled: NodeRef | None
    current: Quantity
    target: Quantity
    state: NodeRef
    start: Method | None
    start_with_target: Method | None
    clear: Method | None
    stop: Method  # the best way there is to end the heating
    lock: LockNodes | None
    doors: Sequence[NodeRef]
    limits: Limits | None
