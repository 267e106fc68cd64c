"""A plain OPC UA server with a few nodes, and links to it, on the running loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path

from asyncua import Server, ua
from asyncua.crypto import cert_gen
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from ports import free_port

from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_nodes import NodeRef
from drivers.links.opcua_security import NO_SECURITY, Security
from sims.transport import Address
from sims.wire.lads_thermal.standard_nodes import QuickServer

HOST, PORT = "127.0.0.1", free_port()
OPC_UA_ADDRESS = Address(HOST, PORT)
URL = f"opc.tcp://{HOST}:{PORT}/plain"
ONE, TWO = "urn:test:one", "urn:test:two"
LEVEL = NodeRef(TWO, "level", "Level")
FIXED = NodeRef(ONE, "fixed", "Fixed")
MACHINE = NodeRef(ONE, "machine", "Machine")
DOUBLE_IT = NodeRef(ONE, "double it", "DoubleIt")
GUARDED_POLICIES = [ua.SecurityPolicyType.Basic256Sha256_Sign, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]


class OneUser:
    """Lets in `rack` with the password `secret word`, and nobody else."""

    def get_user(
        self, iserver: object, username: str = "", password: str = "", certificate: object = None
    ) -> User | None:
        return User(role=UserRole.User, name=username) if (username, password) == ("rack", "secret word") else None


@contextlib.asynccontextmanager
async def opcua_server(*, namespaces: Sequence[str] = (ONE, TWO), guarded: Path | None = None) -> AsyncIterator[Server]:
    """`guarded` is the folder of `certificates`: nobody gets in without a certificate and a login then."""
    server = Server(iserver=QuickServer(user_manager=OneUser() if guarded else None))
    await server.init()
    server.disable_clock()
    server.set_endpoint(URL)
    if guarded is None:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    else:
        await server.set_application_uri("urn:server")
        server.set_security_policy(GUARDED_POLICIES)
        server.set_identity_tokens([ua.UserNameIdentityToken])
        await server.load_certificate((guarded / "server.der").read_bytes(), "DER")
        await server.load_private_key((guarded / "server.pem").read_bytes(), format="PEM")
    for uri in namespaces:
        await server.register_namespace(uri)
    one, two = [await server.get_namespace_index(uri) for uri in (ONE, TWO)]
    level = await server.nodes.objects.add_variable(ua.NodeId("level", two), "Level", 1.5)
    await level.set_writable()
    await server.nodes.objects.add_variable(ua.NodeId("fixed", one), "Fixed", 7.0)
    machine = await server.nodes.objects.add_object(ua.NodeId("machine", one), ua.QualifiedName("Machine", one))

    async def double_it(parent: ua.NodeId, value: ua.Variant) -> list[ua.Variant]:
        return [ua.Variant(2.0 * value.Value, ua.VariantType.Double)]

    await machine.add_method(ua.NodeId("double it", one), ua.QualifiedName("DoubleIt", one), double_it)
    async with server:
        try:
            yield server
        finally:
            await asyncio.sleep(0.1)  # the ends of connections are on their way


@contextlib.asynccontextmanager
async def opcua_link(security: Security = NO_SECURITY) -> AsyncIterator[OpcUaLink]:
    link = OpcUaLink("ua-01", URL, security)
    try:
        yield link
    finally:
        await link.aclose()
        await asyncio.sleep(0.1)


@cache
def _pair(name: str) -> tuple[bytes, bytes]:
    """A certificate and its key. Making one takes a second of the processor."""
    key = cert_gen.generate_private_key()
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    certificate = cert_gen.generate_self_signed_app_certificate(
        key, name, {}, [cert_gen.x509.UniformResourceIdentifier(f"urn:{name}")], extended=usage
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.DER), pem


def certificates(folder: Path) -> Path:
    """`server`, `rack` and `other`, each with `.der` and `.pem`; and a login."""
    for name in ("server", "rack", "other"):
        certificate, key = _pair(name)
        (folder / f"{name}.der").write_bytes(certificate)
        (folder / f"{name}.pem").write_bytes(key)
    (folder / "login").write_text("rack\nsecret word\n")
    return folder
