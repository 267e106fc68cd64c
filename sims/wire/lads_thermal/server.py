"""An OPC UA server as small instruments have it: an endpoint without security, or two with it; few connections, narrow
limits."""

import asyncio
import logging
from contextvars import ContextVar

from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.node import Node
from asyncua.crypto.permission_rules import SimpleRoleRuleset
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256, SecurityPolicyFactory, SecurityPolicyNone
from asyncua.server.binary_server_asyncio import OPCUAProtocol
from asyncua.server.internal_session import InternalSession, SessionState
from cryptography.hazmat.primitives.serialization import Encoding

from sims.wire.lads_thermal.device import LadsDevice
from sims.wire.lads_thermal.guard import MODES, Guard
from sims.wire.lads_thermal.sampling import Sampler
from sims.wire.lads_thermal.standard_nodes import QuickServer

# What asyncua logs of clients that come and go and send nonsense would write to stderr beside the program.
logging.getLogger("asyncua").addHandler(logging.NullHandler())

CONNECTIONS_MAX = 10
SUBSCRIPTIONS_MAX = 20
ACTIVATION_S = 3.0  # a connection without a session is closed
SESSION_S_MIN, SESSION_S_MAX = 5.0, 60.0
CHUNK_BYTES, CHUNKS_MAX, MESSAGE_BYTES_MAX = 65535, 8, 512 * 1024
LOOK_S = 10.0  # how often the stack looks whether a session is still used


class DeviceSession(InternalSession):  # type: ignore[misc] # asyncua is not typed
    """A client's session. With it ends the lock that it holds."""

    client_uri = ""

    async def create_session(
        self, params: ua.CreateSessionParameters, sockname: tuple[str, int] | None = None
    ) -> ua.CreateSessionResult:
        self.client_uri = params.ClientDescription.ApplicationUri or ""
        return await super().create_session(params, sockname)

    async def close_session(self, delete_subs: bool = True) -> None:
        await super().close_session(delete_subs)
        self.iserver.device.exit_lock(self)

    async def create_monitored_items(self, params: ua.CreateMonitoredItemsParameters) -> object:
        created = await super().create_monitored_items(params)
        self.iserver.sampler.wake()
        return created

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        self._check()
        values: list[ua.DataValue] = await super().read(params)
        return values

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        """Each value has a status of its own."""
        self._check()
        _CALLER.set(self)
        statuses = []
        for item in params.NodesToWrite:
            one = ua.WriteParameters()
            one.NodesToWrite = [item]
            try:
                statuses += await super().write(one)
            except ua.UaStatusCodeError as error:
                statuses.append(ua.StatusCode(error.code))
        return statuses

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        self._check()
        _CALLER.set(self)
        results: list[ua.CallMethodResult] = await super().call(params)
        return results

    def _check(self) -> None:
        if self.iserver.device.fails():
            raise ua.UaStatusCodeError(ua.StatusCodes.BadInternalError)


_CALLER: ContextVar[DeviceSession] = ContextVar("caller")


def caller() -> DeviceSession:
    """On whose behalf a value is written or a method runs: the connection's own task does both."""
    return _CALLER.get()


class LadsServer(QuickServer):
    """Listens nowhere by itself: `connection` makes the protocol of one."""

    def __init__(
        self, device: LadsDevice, *, url: str, application_uri: str, name: str, guard: Guard | None = None
    ) -> None:
        super().__init__(user_manager=guard)
        self.device = device
        self.sampler = Sampler(self.aspace)
        self.allow_remote_admin = False
        self.disabled_clock = True  # its clock is asked, instead of written every second
        self.max_connections = CONNECTIONS_MAX
        self.max_subscriptions = SUBSCRIPTIONS_MAX
        self.max_pending_activation_seconds = ACTIVATION_S
        self.min_session_timeout_ms, self.max_session_timeout_ms = 1000 * SESSION_S_MIN, 1000 * SESSION_S_MAX
        self.supported_tokens = (ua.AnonymousIdentityToken,)
        rules = SimpleRoleRuleset()
        if guard is None:
            none = ua.MessageSecurityMode.None_
            self._policies = [SecurityPolicyFactory(SecurityPolicyNone, none, permission_ruleset=rules)]
        else:
            self.certificate, self.private_key = guard.certificate, guard.key
            self.certificate_validator = guard.check_client
            if guard.login is not None:
                self.supported_tokens = (ua.UserNameIdentityToken,)
            self._policies = [
                SecurityPolicyFactory(
                    SecurityPolicyBasic256Sha256, mode, guard.certificate, guard.key, permission_ruleset=rules
                )
                for mode in MODES
            ]
        for policy in self._policies:
            self.add_endpoint(_endpoint(url, application_uri, name, policy, guard))
        self._limits = TransportLimits(CHUNK_BYTES, CHUNK_BYTES, CHUNKS_MAX, MESSAGE_BYTES_MAX)
        self._clients: list[OPCUAProtocol] = []
        self._sessions: list[DeviceSession] = []
        self._closing: list[asyncio.Task[None]] = []  # of connections that have ended

    def create_session(self, name: str, *args: object, **options: object) -> DeviceSession:
        """The kind of session that clients get."""
        session = DeviceSession(self, self.aspace, self.subscription_service, name, *args, **options)
        self._sessions = [*(other for other in self._sessions if other.state is not SessionState.Closed), session]
        return session

    async def introduce(self, namespaces: list[str], *, application_uri: str) -> None:
        """What it tells of itself. The application's own namespace has index 1."""
        for number, value in (
            (ua.ObjectIds.Server_NamespaceArray, namespaces),
            (ua.ObjectIds.Server_ServerArray, [application_uri]),
        ):
            await Node(self.isession, ua.NodeId(number)).write_value(value)

    def connection(self) -> OPCUAProtocol:
        """What talks to one client."""
        self._closing[:] = [task for task in self._closing if not task.done()]
        return _Connection(self, self._policies, self._clients, self._closing, self._limits)

    async def stop(self) -> None:
        """Its connections are closed already; what was begun then is ended."""
        await self.sampler.aclose()
        for session in self._sessions:
            await session.close_session()
        while self._closing:
            await self._closing.pop()
        await super().stop()


class _Connection(OPCUAProtocol):  # type: ignore[misc] # asyncua is not typed
    def connection_made(self, transport: object) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor._watchdog_interval = LOOK_S


def _endpoint(
    url: str, application_uri: str, name: str, policy: SecurityPolicyFactory, guard: Guard | None
) -> ua.EndpointDescription:
    token = ua.UserTokenPolicy()
    token.PolicyId = "anonymous"
    token.TokenType = ua.UserTokenType.Anonymous
    if guard is not None and guard.login is not None:
        token.PolicyId = "username"
        token.TokenType = ua.UserTokenType.UserName
        # Where all is encrypted, the password need not be once more.
        encrypted = policy.mode == ua.MessageSecurityMode.SignAndEncrypt
        token.SecurityPolicyUri = SecurityPolicyNone.URI if encrypted else policy.cls.URI
    application = ua.ApplicationDescription()
    application.ApplicationUri = application_uri
    application.ApplicationName = ua.LocalizedText(name)
    application.ApplicationType = ua.ApplicationType.Server
    application.DiscoveryUrls = [url]
    endpoint = ua.EndpointDescription()
    endpoint.EndpointUrl = url
    endpoint.Server = application
    endpoint.SecurityMode = policy.mode
    endpoint.SecurityPolicyUri = policy.cls.URI
    if guard is not None:
        endpoint.ServerCertificate = guard.certificate.public_bytes(Encoding.DER)
    endpoint.UserIdentityTokens = [token]
    endpoint.TransportProfileUri = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
    return endpoint
