"""Whom a secured chamber lets in: one client by its certificate, with a login where it wants one."""

from dataclasses import dataclass
from pathlib import Path

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cycler.contract.world import SimulatedDevice

MODES = (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt)
KEY_SUFFIX = ".key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The chamber's own certificate and key, and whom it knows."""

    certificate: x509.Certificate
    key: RSAPrivateKey
    client: x509.Certificate
    login: tuple[str, str] | None  # user and password

    @property
    def application_uri(self) -> str | None:
        """That the certificate names."""
        names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), None)

    async def check_client(self, certificate: x509.Certificate, _: ua.ApplicationDescription) -> None:
        """Raises `ServiceError` for one that it does not know."""
        if certificate != self.client:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    def get_user(
        self, iserver: object, username: str | None = None, password: str | None = None, certificate: object = None
    ) -> User | None:
        """`None` where the login is another one."""
        if self.login is not None and (username, password) != self.login:
            return None
        return User(role=UserRole.User, name=username)


def guard_of(device: SimulatedDevice) -> Guard | None:
    """By the files that the rack file names for the driver; `None` where nothing is secured.

    The chamber's own key is the one secret that the driver is not told: it lies beside its certificate. Raises
    `ValueError` naming the device, the file and what is wrong.
    """
    options = device.options
    if options.get("security") == "none":
        return None
    file = Path(options["server_certificate"])
    try:
        key = load_pem_private_key(file.with_suffix(KEY_SUFFIX).read_bytes(), password=None)
        certificate, client = _certificate(file), _certificate(Path(options["certificate"]))
        lines = Path(options["login_file"]).read_text("utf-8").splitlines() if "login_file" in options else []
    except FileNotFoundError as error:
        wants = f"its simulated twin wants the key of {file} beside it, as {file.stem}{KEY_SUFFIX}"
        raise ValueError(f"{device.device}: {wants}: {error.filename} is not there") from None
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{device.device}: the files of its security: {error}") from None
    if not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError(f"{device.device}: {file.with_suffix(KEY_SUFFIX)} is not the key of {file}")
    return Guard(certificate=certificate, key=key, client=client, login=(lines[0], lines[1]) if lines else None)


def _certificate(file: Path) -> x509.Certificate:
    content = file.read_bytes()
    if content.startswith(b"-----"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)
