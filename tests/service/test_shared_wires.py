"""Which devices go silent together, because they share a wire."""

from cycler.contract.plugin import Resource
from cycler.service.shared_wires import wires_of


def test_units_behind_one_gateway_and_stations_on_one_line_share_a_wire() -> None:
    resources = {
        "psb-01": "modbus-tcp://10.0.0.5?unit=1",
        "psb-02": "modbus-tcp://10.0.0.5:502?unit=2",
        "psb-03": "modbus-tcp://10.0.0.6?unit=1",
        "ch-01": "modbus-rtu:///dev/ttyUSB0?baud=38400&unit=1",
        "ch-02": "modbus-rtu:///dev/ttyUSB0?baud=38400&unit=2",
        "cyc-01": "sim:cyc-01",
        "cyc-02": "sim:cyc-01",
    }
    gateway, line = "modbus-tcp://10.0.0.5:502", "modbus-rtu:///dev/ttyUSB0"
    found = wires_of({device: Resource.parse(text) for device, text in resources.items()})
    assert found == {"psb-01": gateway, "psb-02": gateway, "ch-01": line, "ch-02": line}
