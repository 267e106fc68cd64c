"""The demo's three trays, without their wire."""

from expected import REASONS
from trays import Looked, ran, without_wires

from cycler.cli.demo import FILES
from cycler.cli.demo_run import demo_job
from cycler.service.rack_file import load_configuration
from cycler.service.world_file import load_world


def look_at_demo(*, seed: int) -> list[Looked]:
    """Every position of the rack."""
    configuration = without_wires(load_configuration(FILES / "rack.yaml"))
    declaration = load_world(FILES / "world.yaml", configuration.rack, cell_type=None, seed=seed)
    bays = configuration.rack.bays
    sensors = {place.temperature: at for bay in bays.values() for at, place in bay.positions.items()}
    planted = {str(defect.at): defect.defect for defect in declaration.defects}
    for fault in declaration.faults:
        planted |= {
            at: fault.fault for sensor, at in sensors.items() if str(sensor) == f"{fault.device}/{fault.channel}"
        }
    trays = ran(configuration, declaration, [demo_job(bay, beside=FILES) for bay in bays.values()])
    return [
        Looked(
            tray="demo",
            seed=seed,
            position=cell.result.position,
            planted=planted.get(cell.result.position),
            wanted=REASONS.get(planted.get(cell.result.position, ""), frozenset()),
            verdict=cell.result.verdict,
            codes=cell.result.reason_codes,
        )
        for cell in trays.cells
    ]
