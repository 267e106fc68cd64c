"""A small declared world for tests: bays of a few cells on one cycler, whose devices are built here by hand."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from cycler.contract.plugin import DeviceSettings, Opener, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from cycler.model.cell_type import CellType, SimulationNames
from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId, Rack
from cycler.model.world import Defect, Fault, SimulatedCell, WorldDeclaration
from sims.terminal import Supply
from sims.world import SimulatedWorld, open_world

HOUR_S = 3600.0
CELL_TYPE = CellType(
    name="nmc811-21700",
    chemistry="nmc811",
    rated_capacity_ah=5.0,
    rated_energy_wh=18.2,
    mass_kg=0.068,
    envelopes={},
    required_protections=frozenset(),
    simulation=SimulationNames(spread="good"),
)
CHARGE = Supply(on=True, voltage_v=4.2, source_current_a=2.5)
DISCHARGE = Supply(on=True, voltage_v=2.8, sink_current_a=2.5)


def rack(
    positions: int = 4, *, contactor: bool = False, bays: int = 1, chamber: str | None = None, empty: Sequence[str] = ()
) -> Rack:
    """Bay B01 …; position A<n> on channel <n> of cyc-01 and sensor <n> of tc-01, of cyc-02 and tc-02 in B02."""
    line = ChannelRef(device="io-01", channel="DO0") if contactor else None
    found = {}
    for bay in range(1, bays + 1):
        places = {
            PositionId(f"B{bay:02d}/A{n}"): Position(
                position=PositionId(f"B{bay:02d}/A{n}"),
                channels=(ChannelRef(device=f"cyc-{bay:02d}", channel=f"{n}"),),
                temperature=ChannelRef(device=f"tc-{bay:02d}", channel=f"{n}"),
                empty=f"A{n}" in empty,
            )
            for n in range(1, positions + 1)
        }
        name = BayId(f"B{bay:02d}")
        found[name] = Bay(bay=name, positions=places, contactor=line, chamber=chamber)
    return Rack(rack="R1", purpose="production", bays=found)


def cells_of(
    a_rack: Rack, cell_type: CellType = CELL_TYPE, state: str | None = None
) -> Mapping[PositionId, SimulatedCell]:
    return {
        name: SimulatedCell(cell_type=cell_type, state=state)
        for bay in a_rack.bays.values()
        for name, place in bay.positions.items()
        if not place.empty
    }


def devices_of(a_rack: Rack) -> tuple[SimulatedDevice, ...]:
    """What `world` takes faults for."""
    (first, *_) = a_rack.bays.values()
    channels = tuple(ChannelId(f"{n}") for n in range(1, len(first.positions) + 1))
    named = {
        "sim_cycler": [("cyc-01", channels)],
        "sim_temperature": [("tc-01", channels)],
        "sim_io": [("io-01", (ChannelId("DO0"),))],
        "sim_chamber": [("ch-01", ())],
    }
    return tuple(
        SimulatedDevice(device=device, driver=driver, resource=Resource.parse(f"sim:{device}"), channels=channels)
        for driver, found in named.items()
        for device, channels in found
    )


def world(
    *troubles: Defect | Fault,
    positions: int = 4,
    contactor: bool = False,
    bays: int = 1,
    chamber: str | None = None,
    empty: Sequence[str] = (),
    seed: int = 1,
    ideal: bool = False,
    cell_type: CellType = CELL_TYPE,
    state: str | None = None,
) -> SimulatedWorld:
    a_rack = rack(positions, contactor=contactor, bays=bays, chamber=chamber, empty=empty)
    declaration = WorldDeclaration(
        seed=seed,
        ideal=ideal,
        cells=cells_of(a_rack, cell_type, state),
        defects=tuple(trouble for trouble in troubles if isinstance(trouble, Defect)),
        faults=tuple(trouble for trouble in troubles if isinstance(trouble, Fault)),
        ambient_degc=23.0,
    )
    return open_world(declaration, a_rack, devices_of(a_rack), wire="memory")


def at(place: str) -> PositionId:
    return PositionId(place if "/" in place else f"B01/{place}")


def run(built: SimulatedWorld, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await built.start()
        await test()
        await built.aclose()

    built.run(main())


def opened(opens: Opener, built: SimulatedWorld, device: str, **options: str) -> Any:
    """A driver of one of the world's devices, not connected yet."""
    settings = DeviceSettings(device=device, resource=Resource.parse(f"sim:{device}"), options=options)
    return opens(settings, Surroundings(utcnow=built.utcnow, world=built))
