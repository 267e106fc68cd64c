"""`modbus_map`: a device of any kind by its register map."""

from cycler.contract.capabilities import Keeps, Watchdog
from cycler.contract.plugin import AnyDevice, DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.register_map import RegisterMap
from drivers.modbus_map.chamber import MappedChamber, chamber_range_of
from drivers.modbus_map.cycler import MappedCycler
from drivers.modbus_map.digital_io import MappedIo
from drivers.modbus_map.mapped import Mapped, link_to, map_of
from drivers.modbus_map.needs import channels_of
from drivers.modbus_map.orders import capabilities_of, range_of
from drivers.modbus_map.switches import can_be_switched
from drivers.modbus_map.temperature import MappedTemperatures


def open_mapped(settings: DeviceSettings, surroundings: Surroundings) -> AnyDevice:
    """Raises `ValueError`, and `MapError` for a map that says too little for its kind."""
    mapped = Mapped(settings, surroundings)
    match mapped.map.kind:
        case "temperature":
            return MappedTemperatures(mapped)
        case "digital-io":
            return MappedIo(mapped)
        case "chamber":
            return MappedChamber(mapped)
        case "cycler":
            return MappedCycler(mapped)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    register_map = map_of(settings)
    link_to(settings)
    match register_map.kind:
        case "temperature":
            return OfflineFacts(channels=channels_of(register_map.registers))
        case "digital-io":
            outputs = [bit for bit in register_map.bits if can_be_switched(bit)]
            inputs = [bit for bit in register_map.bits if not can_be_switched(bit)]
            return OfflineFacts(
                channels=channels_of(outputs), inputs=channels_of(inputs), watchdog=_watchdog(register_map)
            )
        case "chamber":
            return OfflineFacts(chamber=chamber_range_of(register_map))
        case "cycler":
            return OfflineFacts(
                channels=channels_of(register_map.registers), range=range_of(register_map), keeps=_keeps(register_map)
            )


def _keeps(register_map: RegisterMap) -> Keeps:
    """With the watchdog that the map asks for: commissioning reads back what became of it."""
    watchdog = _watchdog(register_map)
    return Keeps.of(capabilities_of(register_map, sweep_transactions=1, watchdog=watchdog))


def _watchdog(register_map: RegisterMap) -> Watchdog | None:
    wanted_s, commissioned = register_map.watchdog_s, register_map.commissioned is not None
    return None if wanted_s is None else Watchdog(watches="host", timeout_s=wanted_s, proven=commissioned)


DRIVER = Driver(
    kind=None,
    summary="any thermometer, digital I/O, chamber or cycler on Modbus of which a register map says what stands where",
    schemes=("modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"),
    opens=open_mapped,
    offline=_offline,
)
