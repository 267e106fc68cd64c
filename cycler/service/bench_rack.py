"""The rack of `cycler simulate`: as many ideal places as there are cells, in a chamber of their own."""

from pathlib import Path

from cycler.contract.plugin import DeviceSettings, Resource
from cycler.model.cell_type import CellType
from cycler.model.rack import Bay, BayId, BayOutput, ChannelRef, Position, PositionId, Rack
from cycler.recipe.model import Purpose
from cycler.service.configuration import Configuration, DeviceConfiguration

BAY = BayId("S01")
VOLTAGE_V = 5.0
C_RATE = 3.0
ACCURACY_RATIO = 0.0002


def bench_configuration(cells: int, cell_type: CellType, purpose: Purpose = "production") -> Configuration:
    """Channels of 0 to 5 V and ±3C with an accuracy of 0.02 %, thermometer and meter on each cell, one contactor.

    For abuse tests it has a `short-switch`, of which the simulated cell feels nothing.
    """
    current_a = C_RATE * cell_type.rated_capacity_ah
    positions = {}
    for number in range(1, cells + 1):
        position = PositionId(f"{BAY}/{number}")
        positions[position] = Position(
            position=position,
            channels=(ChannelRef(device="bench", channel=str(number)),),
            temperature=ChannelRef(device="thermometers", channel=str(number)),
            meter=ChannelRef(device="meter", channel=str(number)),
        )
    contactor = ChannelRef(device="contactors", channel="DO0")
    switch = BayOutput(output=ChannelRef(device="contactors", channel="DO1"), needs_open=True)
    bay = Bay(
        bay=BAY,
        positions=positions,
        chamber="chamber",
        contactor=contactor,
        outputs={"short-switch": switch} if purpose == "abuse" else {},
    )
    devices = (
        DeviceConfiguration(
            settings=DeviceSettings(
                device="bench",
                resource=Resource.parse("sim:bench"),
                voltage_accuracy_v=ACCURACY_RATIO * VOLTAGE_V,
                current_accuracy_a=ACCURACY_RATIO * current_a,
                rated_voltage_v=VOLTAGE_V,
                rated_current_a=current_a,
                rated_power_w=VOLTAGE_V * current_a,
                options={"channels": str(cells), "counter": "true"},
            ),
            driver="sim_cycler",
        ),
        DeviceConfiguration(
            settings=DeviceSettings(
                device="thermometers", resource=Resource.parse("sim:thermometers"), options={"channels": str(cells)}
            ),
            driver="sim_temperature",
        ),
        DeviceConfiguration(
            settings=DeviceSettings(
                device="meter", resource=Resource.parse("sim:meter"), options={"channels": str(cells)}
            ),
            driver="sim_meter",
        ),
        DeviceConfiguration(
            settings=DeviceSettings(device="contactors", resource=Resource.parse("sim:contactors")), driver="sim_io"
        ),
        DeviceConfiguration(
            settings=DeviceSettings(device="chamber", resource=Resource.parse("sim:chamber")), driver="sim_chamber"
        ),
    )
    return Configuration(
        rack=Rack(rack="SIM", purpose=purpose, bays={BAY: bay}),
        devices=devices,
        store=None,
        file=Path("simulate"),
        content=f"{cells} {cell_type.name}".encode(),
    )
