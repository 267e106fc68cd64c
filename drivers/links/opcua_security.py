"""How a session is secured: by certificates that are pinned on both sides, and a login that stands in a file."""

from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from drivers.links.opcua_nodes import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Ours, and the one server that we speak to. The certificate names our application."""

    certificate: x509.Certificate
    key: RSAPrivateKey
    server_certificate: x509.Certificate
    application_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user of the server."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """`keys` is `None` where nothing is secured. The policy is Basic256Sha256, and no other is agreed to."""

    mode: Mode
    keys: Keys | None = None
    login: Login | None = None

    @property
    def application_uri(self) -> str:
        """Who we say that we are: this program on this machine."""
        return f"urn:{gethostname()}:formation-cycler" if self.keys is None else self.keys.application_uri

    def apply(self, client: Client) -> None:
        """To a client that has not connected yet: its keys belong to one connection."""
        client.application_uri = self.application_uri
        if self.keys is not None:
            mode = ua.MessageSecurityMode.Sign if self.mode == "sign" else ua.MessageSecurityMode.SignAndEncrypt
            keys = self.keys
            policy = SecurityPolicyBasic256Sha256(keys.server_certificate, keys.certificate, keys.key, mode)
            client.security_policy = policy
            client.uaclient.set_security(policy)
        if self.login is not None:
            client.set_user(self.login.user)
            client.set_password(self.login.password)


NO_SECURITY = Security(mode="none")


def read_keys(*, certificate: Path, key: Path, server_certificate: Path) -> Keys:
    """Files in PEM or DER. Raises `ValueError` naming the file and what is wrong with it."""
    own = _certificate(certificate)
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if not uris:
        raise ValueError(f"{certificate}: names no application URI as its subject's alternative name")
    return Keys(
        certificate=own,
        key=_private_key(key),
        server_certificate=_certificate(server_certificate),
        application_uri=uris[0],
    )


def read_login(file: Path) -> Login:
    """Two lines, user and password. Raises `ValueError` naming the file, and never what stands in it."""
    try:
        lines = _bytes(file).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file}: is no text") from None
    if len(lines) != 2 or not lines[0]:
        raise ValueError(f"{file}: is not two lines, user and password")
    return Login(user=lines[0], password=lines[1])


def _certificate(file: Path) -> x509.Certificate:
    content = _bytes(file)
    try:
        if content.startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise ValueError(f"{file}: is no certificate in PEM or DER") from None


def _private_key(file: Path) -> RSAPrivateKey:
    content = _bytes(file)
    try:
        load = load_pem_private_key if content.startswith(b"-----") else load_der_private_key
        key = load(content, password=None)
    except (ValueError, TypeError):  # how an encrypted one is told
        raise ValueError(f"{file}: is no unencrypted private key in PEM or DER") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"{file}: is no RSA key, which Basic256Sha256 wants")
    return key


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
