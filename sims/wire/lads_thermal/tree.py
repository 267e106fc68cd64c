"""Puts nodes into a server: objects, variables that are asked for their value, methods. Nothing of what they mean."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from asyncua import ua

from sims.wire.lads_thermal.published import BASE_OBJECT, DEVICE_SET, TypeId
from sims.wire.lads_thermal.server import LadsServer

Read = Callable[[], object]
"""What the variable holds now: a value, or a whole `ua.DataValue`."""
Write = Callable[[float], None]
Call = Callable[..., Awaitable[object]]
"""Takes the owner's id and variants; gives a `ua.StatusCode`, or the variants that the method gives back."""

PROPERTY = 68  # a type of variables
ARGUMENT = 296  # a data type
READABLE, WRITABLE = 1, 3


class Tree:
    """`namespaces` in the order of their indices. The last one is the maker's, and holds all instances."""

    def __init__(self, server: LadsServer, namespaces: Sequence[str], utcnow: Callable[[], datetime]) -> None:
        self._server = server
        self._indices = {"": 0, **{uri: index for index, uri in enumerate(namespaces)}}
        self._maker = len(namespaces) - 1
        self._utcnow = utcnow

    def type_id(self, found: TypeId) -> ua.NodeId:
        """The node of something published."""
        return ua.NodeId(found.number, self._indices[found.namespace])

    def object_type(self, supertype: ua.NodeId, node: TypeId, name: str) -> None:
        """One that is published."""
        item = self._item(supertype, node.namespace, name, ua.ObjectTypeAttributes())
        item.RequestedNewNodeId = self.type_id(node)
        item.NodeClass = ua.NodeClass.ObjectType
        item.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasSubtype)
        self._add(item)

    def published(self, parent: ua.NodeId, node: TypeId, name: str, type_id: TypeId) -> ua.NodeId:
        """An object with a number of its own."""
        item = self._item(parent, node.namespace, name, ua.ObjectAttributes())
        item.RequestedNewNodeId = self.type_id(node)
        item.NodeClass = ua.NodeClass.Object
        item.TypeDefinition = self.type_id(type_id)
        return self._add(item)

    def instance(self, parent: ua.NodeId, namespace: str, name: str, type_id: TypeId = BASE_OBJECT) -> ua.NodeId:
        """An object of the maker's own."""
        item = self._item(parent, namespace, name, ua.ObjectAttributes())
        item.NodeClass = ua.NodeClass.Object
        item.TypeDefinition = self.type_id(type_id)
        return self._add(item)

    def variable(
        self,
        parent: ua.NodeId,
        namespace: str,
        name: str,
        kind: ua.VariantType,
        read: Read,
        *,
        data_type: int | None = None,
        type_number: int = PROPERTY,
        write: Write | None = None,
    ) -> ua.NodeId:
        """What `write` refuses by `ua.UaStatusCodeError` is refused; without it nobody may write."""
        attributes = ua.VariableAttributes()
        attributes.DataType = ua.NodeId(kind.value if data_type is None else data_type)
        attributes.ValueRank = ua.ValueRank.Scalar
        attributes.AccessLevel = attributes.UserAccessLevel = READABLE if write is None else WRITABLE
        item = self._item(parent, namespace, name, attributes)
        item.NodeClass = ua.NodeClass.Variable
        item.TypeDefinition = ua.NodeId(type_number)
        if type_number == PROPERTY:
            item.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasProperty)
        node = self._add(item)
        self.answer(node, kind, read)
        if write is not None:
            self._server.set_attribute_value_setter(node, _setter(kind, write))
        return node

    def constant(
        self, parent: ua.NodeId, namespace: str, name: str, value: ua.Variant, *, data_type: int | None = None
    ) -> None:
        """A property that never changes."""
        self.variable(parent, namespace, name, value.VariantType, lambda: value.Value, data_type=data_type)

    def answer(self, node: ua.NodeId, kind: ua.VariantType, read: Read) -> None:
        """From now on this variable is asked for its value."""

        def answer(_: ua.NodeId, __: ua.AttributeIds) -> ua.DataValue:
            value = read()
            if isinstance(value, ua.DataValue):
                return value
            return ua.DataValue(ua.Variant(value, kind), SourceTimestamp=self._utcnow())

        self._server.set_attribute_value_callback(node, answer)
        self._server.sampler.add(node)

    def method(
        self,
        owner: ua.NodeId,
        namespace: str,
        name: str,
        call: Call,
        *,
        inputs: Sequence[tuple[str, int]] = (),
        outputs: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Arguments by name and number of their data type."""
        attributes = ua.MethodAttributes()
        attributes.Executable = attributes.UserExecutable = True
        item = self._item(owner, namespace, name, attributes)
        item.NodeClass = ua.NodeClass.Method
        node = self._add(item)
        for title, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                self.constant(node, "", title, ua.Variant(_described(arguments)), data_type=ARGUMENT)
        self._server.isession.add_method_callback(node, call)

    def _item(self, parent: ua.NodeId, namespace: str, name: str, attributes: Any) -> ua.AddNodesItem:
        attributes.DisplayName = ua.LocalizedText(name)
        item = ua.AddNodesItem()
        path = name if parent == self.type_id(DEVICE_SET) else f"{parent.Identifier}.{name}"
        item.RequestedNewNodeId = ua.NodeId(path, self._maker)
        item.BrowseName = ua.QualifiedName(name, self._indices[namespace])
        item.ParentNodeId = parent
        item.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasComponent)
        item.NodeAttributes = attributes
        return item

    def _add(self, item: ua.AddNodesItem) -> ua.NodeId:
        (result,) = self._server.node_mgt_service.add_nodes([item])
        result.StatusCode.check()
        return result.AddedNodeId


def _setter(kind: ua.VariantType, write: Write) -> Callable[[object, object, ua.DataValue], None]:
    def setter(_: object, __: object, data: ua.DataValue) -> None:
        if data.Value.VariantType is not kind or data.Value.is_array:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTypeMismatch)
        write(data.Value.Value)

    return setter


def _described(arguments: Sequence[tuple[str, int]]) -> list[ua.Argument]:
    return [
        ua.Argument(Name=name, DataType=ua.NodeId(data_type), ValueRank=ua.ValueRank.Scalar)
        for name, data_type in arguments
    ]
