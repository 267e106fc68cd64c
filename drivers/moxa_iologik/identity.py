"""Who answers: read over Modbus, nothing written."""

import re

from cycler.contract.capabilities import Identity
from cycler.contract.errors import ProtocolError
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority
from drivers.moxa_iologik import registers as reg

_MODEL = re.compile(r"E12\d\d")


async def read_identity(device: str, link: ModbusLink, *, model: str | None) -> Identity:
    """`model` is what the rack file says. Older firmware does not say its model: then that is what counts.

    Raises `ProtocolError` for another device.
    """
    try:
        (field,) = await link.read(reg.MODEL, Priority.ORDER)
    except ProtocolError as error:
        if model is None:
            raise ProtocolError(
                device, f"it does not say its model ({error.detail}): write `model: E1212` or the like in the rack file"
            ) from None
        return Identity(maker="Moxa", model=model, serial="", firmware="")
    said = reg.text(field)
    found = _MODEL.search(said)
    if found is None or found[0] not in reg.MODELS:
        raise ProtocolError(device, f"registers 5000-5009 say {said!r}, expected one of {', '.join(reg.MODELS)}")
    if model not in (None, found[0]):
        raise ProtocolError(device, f"an {found[0]} answers, the rack file says {model}")
    (mac,) = await link.read(reg.MAC, Priority.ORDER)
    version = await link.read(reg.FIRMWARE, Priority.ORDER)
    return Identity(
        maker="Moxa", model=found[0], serial=mac.hex(":").upper(), firmware=".".join(str(part) for part in version)
    )
