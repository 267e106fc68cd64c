"""Which wire a resource names."""

from collections.abc import Callable

import pytest

from cycler.contract.plugin import Resource
from drivers.links.ascii import AsciiLink
from drivers.links.endpoint import SerialEndpoint, TcpEndpoint, endpoint_of
from drivers.links.modbus import ModbusLink
from drivers.links.scpi import ScpiLink
from drivers.links.visa import VisaEndpoint, visa_endpoint_of


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("scpi-tcp://10.0.0.7", TcpEndpoint(host="10.0.0.7", port=5025)),
        ("modbus-rtu-tcp://gateway:4001?unit=3", TcpEndpoint(host="gateway", port=4001)),
        ("serial:///dev/ttyUSB0", SerialEndpoint(path="/dev/ttyUSB0", baud=9600, parity="N", stopbits=1)),
        (
            "modbus-rtu:///dev/serial/by-id/usb-1?baud=19200&parity=e&stopbits=2&unit=4",
            SerialEndpoint(path="/dev/serial/by-id/usb-1", baud=19200, parity="E", stopbits=2),
        ),
    ],
)
def test_a_resource_names_a_host_and_port_or_a_serial_port(text: str, endpoint: object) -> None:
    assert endpoint_of(Resource.parse(text), default_port=5025) == endpoint


def test_a_visa_resource_is_named_as_visa_does() -> None:
    text = "visa:USB0::0x05E6::0x2450::04012345::INSTR"
    assert visa_endpoint_of(Resource.parse(text)) == VisaEndpoint(name="USB0::0x05E6::0x2450::04012345::INSTR")


@pytest.mark.parametrize("before", ["user:secret", "secret", ":secret", "user:sec/secret", "user:12secret"])
@pytest.mark.parametrize("scheme", ["modbus-tcp", "scpi-tcp", "opc.tcp"])
def test_an_address_with_a_password_is_refused_and_the_password_not_shown(scheme: str, before: str) -> None:
    with pytest.raises(ValueError, match="names no user and no password") as refused:
        Resource.parse(f"{scheme}://{before}@192.168.0.21:502?unit=1")
    assert "sec" not in str(refused.value)


@pytest.mark.parametrize(
    ("link", "text", "says"),
    [
        (ModbusLink.to, "scpi-tcp://h", "is no Modbus; schemes are modbus-tcp, modbus-rtu-tcp and modbus-rtu"),
        (ModbusLink.to, "modbus-tcp:///dev/ttyS0", "names no host; write it like modbus-tcp://192.168.0.21"),
        (ModbusLink.to, "modbus-rtu://ttyS0", "names no port; write it like modbus-rtu:///dev/serial/by-id/..."),
        (ModbusLink.to, "modbus-rtu:///dev/ttyS0?parity=X", "parity is N, E or O"),
        (ModbusLink.to, "modbus-rtu:///dev/ttyS0?stopbits=3", "stopbits is a whole number from 1 to 2"),
        (ModbusLink.to, "modbus-rtu:///dev/ttyS0?baud=fast", "baud is a whole number from 300 to 4000000"),
        (ModbusLink.to, "modbus-tcp://h?unit=256", "unit is a whole number from 0 to 255"),
        (ModbusLink.to, "modbus-tcp://h?unit=²", "unit is a whole number from 0 to 255"),
        (ScpiLink.to, "modbus-tcp://h", "is no SCPI; schemes are scpi-tcp, serial and visa"),
        (ScpiLink.to, "visa:inst0", "names no VISA resource"),
        (
            lambda device, resource: AsciiLink.to(device, resource, default_port=1),
            "scpi-tcp://h",
            "schemes are ascii-tcp and serial",
        ),
    ],
)
def test_a_resource_that_cannot_be_is_refused(link: Callable[..., object], text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        link("dev-1", Resource.parse(text))
