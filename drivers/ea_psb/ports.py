"""The wires of the supply, as the resource names one.

| resource | orders and sweeps | commissioning |
|---|---|---|
| modbus-tcp://host:502?unit=0&scpi=5025 | Modbus TCP | SCPI on the second port |
| modbus-rtu-tcp://host:5025?unit=0 | Modbus RTU | SCPI on the same port |
| modbus-rtu:///dev/serial/by-id/...?unit=0&baud=115200 | Modbus RTU | SCPI on the same port |
| scpi-tcp://host:5025 | SCPI | the same |
| serial:///dev/serial/by-id/...?baud=115200 | SCPI | the same |
"""

from collections.abc import Mapping

from cycler.contract.plugin import DeviceSettings, Resource
from drivers.ea_psb import registers as reg
from drivers.ea_psb.instrument import Instrument
from drivers.ea_psb.over_modbus import ModbusInstrument
from drivers.ea_psb.over_scpi import ScpiInstrument
from drivers.links.endpoint import SERIAL_KEYS, SERIAL_SCHEMES, Endpoint, TcpEndpoint, endpoint_of, whole_number
from drivers.links.modbus import ModbusLink
from drivers.links.scpi import ScpiLink

MODBUS_PORT, SCPI_PORT = 502, 5025
GAP_S = 0.010  # V: between two messages, as recommended on Ethernet; 5 ms is the least
SERIAL_GAP_S = 0.015  # V: as recommended on USB
REPLY_S = 0.005  # V: within which it usually answers

_KEYS: Mapping[str, tuple[str, ...]] = {
    "modbus-tcp": ("unit", "scpi"),
    "modbus-rtu-tcp": ("unit",),
    "modbus-rtu": ("unit", *SERIAL_KEYS),
    "scpi-tcp": (),
    "serial": SERIAL_KEYS,
}

SCHEMES = tuple(_KEYS)


def instrument_of(settings: DeviceSettings) -> Instrument:
    """What orders and sweeps go over. Raises `ValueError` naming the device and what is wrong."""
    device, resource = settings.device, settings.resource
    _check(settings)
    message_s = _gap_s(resource) + REPLY_S
    if resource.scheme in ("scpi-tcp", "serial"):
        scpi = _scpi_link(device, resource, endpoint_of(resource, default_port=SCPI_PORT))
        return ScpiInstrument(device, scpi, message_s=message_s)
    link = ModbusLink.to(
        device,
        resource,
        default_port=MODBUS_PORT if resource.scheme == "modbus-tcp" else SCPI_PORT,
        default_unit=0,
        gap_s=_gap_s(resource),
        exceptions=reg.EXCEPTIONS,
    )
    return ModbusInstrument(device, link, message_s=message_s, serial_port=resource.scheme in SERIAL_SCHEMES)


def commissioning_link_of(settings: DeviceSettings) -> ScpiLink:
    """What commissioning goes over. Raises `ValueError` as `instrument_of` does."""
    resource = settings.resource
    _check(settings)
    endpoint: Endpoint = endpoint_of(resource, default_port=SCPI_PORT)
    if resource.scheme == "modbus-tcp":
        second = whole_number(resource, "scpi", default=SCPI_PORT, low=1, high=65535)
        endpoint = TcpEndpoint(host=resource.host, port=second)
    return _scpi_link(settings.device, resource, endpoint)


def _scpi_link(device: str, resource: Resource, endpoint: Endpoint) -> ScpiLink:
    return ScpiLink(device, endpoint, gap_s=_gap_s(resource))


def _gap_s(resource: Resource) -> float:
    return SERIAL_GAP_S if resource.scheme in SERIAL_SCHEMES else GAP_S


def _check(settings: DeviceSettings) -> None:
    resource, device = settings.resource, settings.device
    keys = _KEYS.get(resource.scheme)
    if keys is None:
        raise ValueError(f"{device}: {resource.text!r} is none of {', '.join(SCHEMES)}")
    if unknown := set(resource.query) - set(keys):
        known = f"there are {', '.join(keys)}" if keys else "there are none"
        raise ValueError(f"{device}: {resource.text!r}: {min(unknown)!r} is unknown; {known}")
    try:
        endpoint_of(resource, default_port=SCPI_PORT)
        # The guide gives unit 0; 1 is accepted in full compliance mode.
        whole_number(resource, "unit", default=0, low=0, high=1)
        whole_number(resource, "scpi", default=SCPI_PORT, low=1, high=65535)
    except ValueError as error:
        raise ValueError(f"{device}: {error}") from None
