"""Names become objects here, and only here: drivers and simulated worlds are found through entry points."""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, Protocol, cast

from cycler.contract.capabilities import ChamberRange, ChannelRange, Keeps, MeterRange
from cycler.contract.devices import ChamberDriver, CyclerDriver, DigitalIo, Meter, TemperatureInput
from cycler.contract.plugin import Driver, Surroundings
from cycler.contract.world import SimulatedDevice, World
from cycler.control.devices import Devices
from cycler.model.rack import Rack
from cycler.model.world import WorldDeclaration, WorldError
from cycler.recipe.problems import InvalidFile, Problem, nearest
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.joined_rack import joined_cyclers, joined_ranges
from cycler.service.proof_record import proven_keeps
from cycler.service.proven_cycler import ProvenCycler
from cycler.service.shared_wires import wires_of

DRIVERS = "cycler.drivers"
WORLDS = "cycler.worlds"

Wire = Literal["memory", "loopback"]


class NotInstalled(Exception):
    """Nothing is installed under that name."""


class WorldOpener(Protocol):
    """What an entry point of the group `cycler.worlds` names.

    Raises `WorldError` for a declaration that cannot be simulated, `ValueError` for a rack that cannot.
    """

    def __call__(
        self,
        declaration: WorldDeclaration,
        rack: Rack,
        devices: Sequence[SimulatedDevice],
        *,
        wire: Wire,
        speed: float | None = None,
    ) -> World: ...


def installed_drivers() -> Mapping[str, EntryPoint]:
    """The drivers there are, by name; nothing is imported yet."""
    return {point.name: point for point in sorted(entry_points(group=DRIVERS), key=lambda point: point.name)}


def load_driver(name: str) -> Driver:
    """Raises `NotInstalled`."""
    points = installed_drivers()
    if name not in points:
        raise NotInstalled(f"no driver {name!r} is installed: {nearest(name, points)}")
    try:
        return cast(Driver, points[name].load())
    except (ImportError, AttributeError) as error:
        raise NotInstalled(f"the driver {name!r} cannot be loaded: {error}") from error


def offline_ranges(configuration: Configuration) -> Mapping[str, ChannelRange | None]:
    """What each cycler gives to a cell, as far as the rack file alone tells it; those in parallel give it together.

    Raises `NotInstalled` and `ValueError`.
    """
    ranges: dict[str, ChannelRange | None] = {}
    for config in configuration.devices:
        driver = load_driver(config.driver)
        if driver.kind_of(config.settings) == "cycler":
            own = None if driver.offline is None else driver.offline(config.settings).range
            ranges[config.settings.device] = own
    return joined_ranges(configuration.rack, ranges)


def offline_keeps(device: DeviceConfiguration) -> Keeps | None:
    """What a cycler keeps by itself, as far as the rack file and the record of its proof test tell.

    Raises `NotInstalled` and `ValueError`.
    """
    driver = load_driver(device.driver)
    keeps = None if driver.offline is None else driver.offline(device.settings).keeps
    return keeps if keeps is None or device.trust.proof is None else proven_keeps(keeps, device.trust.proof)


def offline_chamber(device: DeviceConfiguration) -> ChamberRange | None:
    """What a chamber can do as far as the rack file alone tells it. Raises `NotInstalled` and `ValueError`."""
    driver = load_driver(device.driver)
    return None if driver.offline is None else driver.offline(device.settings).chamber


def offline_meters(configuration: Configuration) -> Mapping[str, MeterRange | None]:
    """What each meter can do as far as the rack file alone tells it. Raises `NotInstalled` and `ValueError`."""
    found: dict[str, MeterRange | None] = {}
    for config in configuration.devices:
        driver = load_driver(config.driver)
        if driver.kind_of(config.settings) == "meter":
            name = config.settings.device
            found[name] = None if driver.offline is None else driver.offline(config.settings).meter
    return found


def open_devices(configuration: Configuration, surroundings: Surroundings) -> Devices:
    """Builds every device of the rack as control sees it (`joined_rack`); connects to none.

    Raises `NotInstalled`, and `ValueError` for bad settings.
    """
    cyclers: dict[str, CyclerDriver] = {}
    temperatures: dict[str, TemperatureInput] = {}
    ios: dict[str, DigitalIo] = {}
    chambers: dict[str, ChamberDriver] = {}
    meters: dict[str, Meter] = {}
    for config in configuration.devices:
        driver = load_driver(config.driver)
        device = driver.opens(config.settings, surroundings)
        name = config.settings.device
        match driver.kind_of(config.settings):
            case "cycler":
                cycler, proof = cast(CyclerDriver, device), config.trust.proof
                cyclers[name] = cycler if proof is None else ProvenCycler(cycler, proof)
            case "temperature":
                temperatures[name] = cast(TemperatureInput, device)
            case "digital-io":
                ios[name] = cast(DigitalIo, device)
            case "chamber":
                chambers[name] = cast(ChamberDriver, device)
            case "meter":
                meters[name] = cast(Meter, device)
    joined = joined_cyclers(configuration.rack, cyclers)
    wires = wires_of({config.settings.device: config.settings.resource for config in configuration.devices})
    return Devices(cyclers=joined, temperatures=temperatures, ios=ios, chambers=chambers, meters=meters, wires=wires)


def simulated_devices(configuration: Configuration) -> list[SimulatedDevice]:
    """The rack's devices, as far as their simulators have to know them."""
    return [
        SimulatedDevice(
            device=config.settings.device,
            driver=config.driver,
            resource=config.settings.resource,
            channels=configuration.channels_of(config.settings.device),
            rated_voltage_v=config.settings.rated_voltage_v,
            rated_current_a=config.settings.rated_current_a,
            rated_power_w=config.settings.rated_power_w,
            voltage_accuracy_v=config.settings.voltage_accuracy_v,
            current_accuracy_a=config.settings.current_accuracy_a,
            options=config.settings.options,
            register_map=config.settings.register_map,
        )
        for config in configuration.devices
    ]


def open_world(
    configuration: Configuration, declaration: WorldDeclaration, *, wire: Wire, speed: float | None = None
) -> World:
    """The simulated world for this rack. Raises `InvalidFile`, `NotInstalled` and `ValueError`."""
    points = {point.name: point for point in entry_points(group=WORLDS)}
    if "simulated" not in points:
        raise NotInstalled("no simulated world is installed")
    opener = cast(WorldOpener, points["simulated"].load())
    try:
        return opener(declaration, configuration.rack, simulated_devices(configuration), wire=wire, speed=speed)
    except WorldError as error:
        if not declaration.file:
            raise
        problem = Problem(file=declaration.file, line=error.line, code="world", message=str(error))
        raise InvalidFile([problem]) from None
