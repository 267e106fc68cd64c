"""The nodes that every OPC UA server has. Reading them in takes over a second: all servers of a process share them."""

import gc
from collections.abc import KeysView
from functools import cache
from pathlib import Path

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData, NodeManagementService
from asyncua.server.internal_server import InternalServer
from asyncua.server.standard_address_space import standard_address_space


class QuickServer(InternalServer):  # type: ignore[misc] # asyncua is not typed
    """An `InternalServer` that makes its own copy of a shared node when it first touches it."""

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Never from a shelf, and by the way that shelves take: another mapping in the same place."""
        self.aspace._nodes = _CopiedOnUse()


class _CopiedOnUse(dict[ua.NodeId, NodeData]):
    """Complete to whoever asks; what it holds itself is what has been asked for."""

    def __missing__(self, node_id: ua.NodeId) -> NodeData:
        shared = _shared()[node_id]
        # Values and references are replaced or added to, never changed: these two levels are enough.
        node = self[node_id] = NodeData(node_id)
        node.attributes = {name: AttributeValue(attribute.value) for name, attribute in shared.attributes.items()}
        node.references = list(shared.references)
        return node

    def get(self, node_id: ua.NodeId, default: NodeData | None = None) -> NodeData | None:
        try:
            return self[node_id]
        except KeyError:
            return default

    def __contains__(self, node_id: object) -> bool:
        return super().__contains__(node_id) or node_id in _shared()

    def keys(self) -> KeysView[ua.NodeId]:  # type: ignore[override]
        return {**_shared(), **self}.keys()


@cache
def _shared() -> dict[ua.NodeId, NodeData]:
    gc.collect()
    space = AddressSpace()
    standard_address_space.fill_address_space(NodeManagementService(space))
    nodes = {node_id: space[node_id] for node_id in space.keys()}  # noqa: SIM118 - it is no mapping
    gc.freeze()  # they stay to the end: without this every collection would look at half a million objects
    return nodes
