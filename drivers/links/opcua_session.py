"""A session with an OPC UA server, from its connection to its end. Nothing of it survives a loss.

Of asyncua's client the services are used and none of its tasks: no health checks, no renewing in the background, no
reconnecting. A session lives from what is asked on it, and its channel is renewed when its time has come and
something is asked.
"""

import asyncio

from asyncua import Client, ua
from asyncua.client.ua_client import UaClientState

from cycler.contract.errors import ProtocolError
from drivers.links.connection import reset
from drivers.links.opcua_nodes import STANDARD, BrowseName, NodeRef
from drivers.links.opcua_security import Security

SESSION_S = 30.0  # asked for; the server may grant another
CHANNEL_S = 3600.0
RENEW_AFTER = 0.75  # of the channel's time; OPC UA part 4, 5.5.2
NAMESPACE_ARRAY = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)


class OpcUaSession:
    """Raises what asyncua and the connection raise; `OpcUaLink` makes device errors of it."""

    def __init__(self, device: str, url: str, security: Security, *, patience_s: float) -> None:
        """Opens nothing. `patience_s` is the stack's own time limit and lies behind ours, which is the one to count."""
        self.device = device
        self._client = Client(url, timeout=patience_s)
        self._client.name = self._client.description = "formation-cycler"
        self._client.session_timeout = round(1000 * SESSION_S)
        self._client.secure_channel_timeout = round(1000 * CHANNEL_S)
        security.apply(self._client)
        self._login = security.login
        self._loop = asyncio.get_running_loop()
        self._uris: tuple[str, ...] = (STANDARD,)
        self._channel_since_s = self._heard_s = 0.0
        self.services = self._client.uaclient
        self.reads: dict[tuple[NodeRef, ...], ua.ReadParameters] = {}  # what is read again and again is built once

    async def open(self) -> None:
        """Connect, agree on keys, log in, and ask which index stands for which namespace."""
        client = self._client
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        self._channel_since_s = self._loop.time()
        await client.create_session()
        if self._login is None:
            await client.activate_session()
        else:
            await client.activate_session(username=self._login.user, password=self._login.password)
        (found,) = await self.services.read_attributes([NAMESPACE_ARRAY], ua.AttributeIds.Value)
        uris = found.Value.Value if found.Value is not None else None
        if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
            raise ProtocolError(self.device, f"its namespaces came as {uris!r:.80}")
        self._uris = tuple(uris)
        self.heard()

    def heard(self) -> None:
        """The server answered: the time of the session begins anew."""
        self._heard_s = self._loop.time()

    @property
    def is_over(self) -> bool:
        """Closed, or left alone for so long that the server has forgotten it."""
        now_s = self._loop.time()
        return (
            self._client.state is not UaClientState.CONNECTED
            or now_s > self._channel_since_s + self._client.secure_channel_timeout / 1000
            or now_s > self._heard_s + self._client.session_timeout / 1000
        )

    @property
    def is_ageing(self) -> bool:
        """It is time to renew its channel."""
        lifetime_s: float = self._client.secure_channel_timeout / 1000
        return self._loop.time() >= self._channel_since_s + RENEW_AFTER * lifetime_s

    async def renew(self) -> None:
        """The channel and its keys."""
        await self._client.open_secure_channel(renew=True)
        self._channel_since_s = self._loop.time()

    async def close(self) -> None:
        """Say good-bye: what the server keeps for this session, a lock for one, it lets go at once."""
        await self.services.close_session(True)
        await self._client.close_secure_channel()
        self._client.disconnect_socket()

    def drop(self) -> None:
        """Break it off. What has not gone out yet must not go out when the cable is back."""
        protocol = self.services.protocol
        if protocol is not None and protocol.transport is not None:
            reset(protocol.transport)
        self._client.disconnect_socket()

    # names

    def node_id(self, node: NodeRef) -> ua.NodeId:
        """Raises `ProtocolError` where the server has no such namespace."""
        return ua.NodeId(node.identifier, self._index(node.namespace))

    def qualified(self, name: BrowseName) -> ua.QualifiedName:
        """As `node_id`."""
        return ua.QualifiedName(name.name, self._index(name.namespace))

    def node_ref(self, node_id: ua.NodeId, label: str = "") -> NodeRef:
        """Raises `IndexError` for a namespace that the server has not told of."""
        return NodeRef(self._uris[node_id.NamespaceIndex], node_id.Identifier, label)

    def _index(self, uri: str) -> int:
        if uri not in self._uris:
            server = self._uris[1] if len(self._uris) > 1 else "that answers"
            others = ", ".join(self._uris[2:]) or "none of its own"
            raise ProtocolError(self.device, f"the server {server} has no namespace {uri}; it has {others}")
        return self._uris.index(uri)
