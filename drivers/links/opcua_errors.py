"""What the status codes of OPC UA mean to whoever asked."""

import struct

from asyncua import ua

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError

LOST = frozenset(
    {
        "BadCommunicationError", "BadConnectionClosed", "BadConnectionRejected", "BadNoCommunication",
        "BadRequestTimeout", "BadResourceUnavailable", "BadSecureChannelClosed", "BadSecureChannelIdInvalid",
        "BadSecureChannelTokenUnknown", "BadServerHalted", "BadServerNotConnected", "BadSessionClosed",
        "BadSessionIdInvalid", "BadSessionNotActivated", "BadShutdown", "BadTcpInternalError",
        "BadTcpNotEnoughResources", "BadTcpSecureChannelUnknown", "BadTcpServerTooBusy", "BadTimeout",
        "BadTooManyOperations", "BadTooManySessions", "BadWaitingForInitialData",
    }
)  # fmt: skip
"""They pass: a new session, a little later, may find the server well."""

MISUNDERSTOOD = frozenset(
    {
        "BadArgumentsMissing", "BadAttributeIdInvalid", "BadDecodingError", "BadEncodingError", "BadInvalidArgument",
        "BadMethodInvalid", "BadNodeIdInvalid", "BadNodeIdUnknown", "BadNotImplemented", "BadNotSupported",
        "BadProtocolVersionUnsupported", "BadServiceUnsupported", "BadTcpEndpointUrlInvalid",
        "BadTcpMessageTooLarge", "BadTcpMessageTypeInvalid", "BadTypeMismatch", "BadUnknownResponse",
    }
)  # fmt: skip
"""Another kind of server than it was taken for."""

NONSENSE = (
    ua.UaError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError,
    MemoryError, struct.error,
)  # fmt: skip
"""What decoding a reply raises that is none: the stack lets through whatever its innermost parts raise."""


class Refused(DeviceFault):
    """The server understood and declined. `status` is its reason: a lock that is held can be broken."""

    def __init__(self, device: str, detail: str, status: str) -> None:
        super().__init__(device, detail)
        self.status = status


def error_of(device: str, what: str, status: str) -> DeviceError:
    """`what` was answered with this status."""
    detail = f"{what} was answered with {status}"
    if status in LOST:
        return LinkError(device, detail)
    if status in MISUNDERSTOOD:
        return ProtocolError(device, detail)
    return Refused(device, detail, status)


def name_of(code: int) -> str:
    """Of a status code, its number where no document names it."""
    name, _ = ua.status_codes.get_name_and_doc(code)
    return name if name not in ("Bad", "Uncertain") else f"{name} (0x{code:08X})"
