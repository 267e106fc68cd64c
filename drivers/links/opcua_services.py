"""What is asked of an OPC UA server within a session, request by request: our words in, our words out.

Raises `DeviceError` for what the server says, and lets through whatever the stack raises.
"""

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from cycler.contract.errors import ProtocolError
from drivers.links.opcua_errors import error_of, name_of
from drivers.links.opcua_nodes import Argument, Child, NodeRef, Path, Value
from drivers.links.opcua_session import OpcUaSession

HIERARCHICAL = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
WHOLE_PATH = 0xFFFFFFFF  # the remaining path index of a path that was followed to its end


async def read(session: OpcUaSession, nodes: tuple[NodeRef, ...]) -> tuple[Value, ...]:
    """Values, good or not."""
    parameters = session.reads.get(nodes)
    if parameters is None:
        parameters = session.reads[nodes] = _read_parameters(session, nodes, ua.AttributeIds.Value)
    found = await session.services.read(parameters)
    return tuple(_value(session, node, data) for node, data in zip(nodes, found, strict=True))


async def browse_name(session: OpcUaSession, node: NodeRef) -> str:
    """Of one node."""
    (found,) = await session.services.read(_read_parameters(session, (node,), ua.AttributeIds.BrowseName))
    value = _value(session, node, found)
    if not value.is_good:
        raise error_of(session.device, f"the read of the name of {node}", value.status)
    return str(value.content.Name)


async def write(session: OpcUaSession, values: Sequence[tuple[NodeRef, Argument]]) -> None:
    """All in one request; raises for the first that is not taken."""
    request = ua.WriteParameters()
    request.NodesToWrite = [
        ua.WriteValue(
            NodeId=session.node_id(node),
            AttributeId=ua.AttributeIds.Value,
            Value=ua.DataValue(ua.Variant(value.content, ua.VariantType[value.kind])),
        )
        for node, value in values
    ]
    for (node, _), status in zip(values, await session.services.write(request), strict=True):
        if not status.is_good():
            raise error_of(session.device, f"the write of {node}", name_of(status.value))


async def call(
    session: OpcUaSession, owner: NodeRef, method: NodeRef, arguments: Sequence[Argument]
) -> tuple[Any, ...]:
    """What the method gives back."""
    request = ua.CallMethodRequest(
        ObjectId=session.node_id(owner),
        MethodId=session.node_id(method),
        InputArguments=[ua.Variant(given.content, ua.VariantType[given.kind]) for given in arguments],
    )
    (result,) = await session.services.call([request])
    if not result.StatusCode.is_good():
        raise error_of(session.device, f"the call of {method}", name_of(result.StatusCode.value))
    return tuple(variant.Value for variant in result.OutputArguments or ())


async def find(session: OpcUaSession, start: NodeRef, paths: Sequence[Path]) -> tuple[NodeRef | None, ...]:
    """Where these paths lead."""
    request = [_browse_path(session, start, path) for path in paths]
    found = await session.services.translate_browsepaths_to_nodeids(request)
    return tuple(_target(session, path, result) for path, result in zip(paths, found, strict=True))


async def children(session: OpcUaSession, node: NodeRef) -> tuple[Child, ...]:
    """The objects beneath it."""
    references = await _browse(session, node, HIERARCHICAL, ua.BrowseDirection.Forward)
    return tuple(
        Child(
            node=session.node_ref(reference.NodeId, reference.BrowseName.Name),
            name=reference.BrowseName.Name,
            type=None if reference.TypeDefinition.is_null() else session.node_ref(reference.TypeDefinition),
        )
        for reference in references
        if reference.NodeClass == ua.NodeClass.Object
    )


async def supertype(session: OpcUaSession, node: NodeRef) -> NodeRef | None:
    """Of a type."""
    references = await _browse(session, node, HAS_SUBTYPE, ua.BrowseDirection.Inverse)
    return session.node_ref(references[0].NodeId) if references else None


async def _browse(
    session: OpcUaSession, node: NodeRef, references: ua.NodeId, direction: ua.BrowseDirection
) -> list[ua.ReferenceDescription]:
    request = ua.BrowseParameters()
    request.RequestedMaxReferencesPerNode = 0
    request.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=session.node_id(node),
            BrowseDirection=direction,
            ReferenceTypeId=references,
            ResultMask=ua.BrowseResultMask.All,
        )
    ]
    (result,) = await session.services.browse(request)
    if not result.StatusCode.is_good():
        raise error_of(session.device, f"the search around {node}", name_of(result.StatusCode.value))
    if result.ContinuationPoint:
        raise ProtocolError(session.device, f"{node} has more neighbours than fit into one answer")
    return result.References or []


def _read_parameters(session: OpcUaSession, nodes: Sequence[NodeRef], attribute: ua.AttributeIds) -> ua.ReadParameters:
    parameters = ua.ReadParameters()
    parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
    parameters.NodesToRead = [ua.ReadValueId(NodeId=session.node_id(node), AttributeId=attribute) for node in nodes]
    return parameters


def _value(session: OpcUaSession, node: NodeRef, data: ua.DataValue) -> Value:
    status = data.StatusCode or ua.StatusCode()
    variant = data.Value or ua.Variant()
    content = variant.Value
    return Value(
        node=node,
        content=session.node_ref(content) if isinstance(content, ua.NodeId) else content,
        kind=variant.VariantType.name,
        status=name_of(status.value),
        is_good=status.is_good(),
        source_utc=data.SourceTimestamp,
    )


def _browse_path(session: OpcUaSession, start: NodeRef, path: Path) -> ua.BrowsePath:
    elements = [
        ua.RelativePathElement(
            ReferenceTypeId=HIERARCHICAL, IsInverse=False, IncludeSubtypes=True, TargetName=session.qualified(name)
        )
        for name in path
    ]
    return ua.BrowsePath(StartingNode=session.node_id(start), RelativePath=ua.RelativePath(Elements=elements))


def _target(session: OpcUaSession, path: Path, result: ua.BrowsePathResult) -> NodeRef | None:
    if not result.StatusCode.is_good():
        return None
    label = "/".join(name.name for name in path)
    for target in result.Targets or ():
        if target.RemainingPathIndex == WHOLE_PATH:
            return session.node_ref(target.TargetId, label)
    return None
