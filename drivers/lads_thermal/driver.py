"""`lads_thermal`: made known without the OPC UA stack, which takes half a second to import and few racks need."""

from math import inf

from cycler.contract.capabilities import ChamberRange
from cycler.contract.devices import ChamberDriver
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from drivers.lads_thermal.options import parse_options


def open_chamber(settings: DeviceSettings, surroundings: Surroundings) -> ChamberDriver:
    """Raises `ValueError` for settings that cannot be."""
    from drivers.lads_thermal.thermostat import LadsThermal  # noqa: PLC0415 - only where such a device is opened

    return LadsThermal(settings, surroundings)


ANY_TEMPERATURE = ChamberRange(temperature_degc_min=-inf, temperature_degc_max=inf, rate_k_per_min_max=0.0)
"""What is known of every LADS chamber: it takes no rate of change. Its server says which temperatures it takes."""


def _offline(settings: DeviceSettings) -> OfflineFacts:
    parse_options(settings)
    return OfflineFacts(chamber=ANY_TEMPERATURE)


DRIVER = Driver(
    kind="chamber",
    summary="chambers and thermostats that follow OPC UA LADS (OPC 30500-1)",
    schemes=("opc.tcp",),
    opens=open_chamber,
    offline=_offline,
)
