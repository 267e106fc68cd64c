"""256 cells for 48 hours at one sweep a second, simulated in process with everything on: CPU seconds."""

import tempfile
import time
from pathlib import Path

from cycler.cli.logs import quiet_logs
from cycler.model.cell import Cell, CellId
from cycler.model.rack import TrayId
from cycler.recipe.compile import load_recipe_text
from cycler.recipe.lookup import LIBRARY
from cycler.record.reader import Reader
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.running_rack import Job
from cycler.service.session import run_session
from cycler.service.wiring import open_world
from cycler.service.world_file import everywhere

CELLS = 256
HOURS = 48
RECIPE = """
recipe: two-days
version: 1.0.0
cell_type: nmc811-21700
from_state: formed
record: {every: 10 s, voltage: 5 mV, current: 20 mA, temperature: 0.5 degC}
steps:
  - charge:    {current: C/20, voltage: 4.2 V, until: [current <= C/50], fail: [capacity > 120 %, time > 30 h]}
  - rest:      {time: 1 h}
  - discharge: {current: C/10, until: [voltage <= 2.5 V], fail: [capacity > 120 %, time > 15 h], tag: cap}
  - rest:      {time: 1 h}
  - charge:    {current: C/10, voltage: 4.2 V, until: [current <= C/50], fail: [capacity > 120 %, time > 15 h]}
  - rest:      {time: 4 h}
"""


def main() -> None:
    """Print the figure, scaled from the hours that the recipe really took."""
    quiet_logs()
    recipe = load_recipe_text(RECIPE, file="two-days.yaml", beside=LIBRARY)
    configuration = bench_configuration(CELLS, recipe.cell_type)
    declaration = everywhere(configuration.rack, recipe.cell_type, seed=1, state="formed@0%")
    positions = configuration.rack.bays[BAY].positions
    cells = {p: Cell(cell_id=CellId(p), cell_type=recipe.cell_type.name, state="formed") for p in positions}
    job = Job(bay=BAY, tray=TrayId("T"), cells=cells, recipe=recipe)
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(configuration, declaration, wire="memory")
        began_s = time.process_time()
        (run,) = run_session(configuration, world, [job], store=Path(folder) / "store", seed=1)
        cpu_s = time.process_time() - began_s
        with Reader(Path(folder) / "store") as reader:
            record = reader.record(run.run_id)
    assert all(outcome.ended == "completed" for outcome in record.outcomes.values())
    hours = max(event.elapsed_s for event in record.events) / 3600
    print(f"{CELLS} cells × {hours:.1f} h: {cpu_s:.1f} CPU s; {cpu_s * HOURS / hours:.1f} s for {HOURS} h (at most 60)")
    print(f"{cpu_s / hours / 3600 / CELLS * 1e6:.2f} µs a cell and second")


if __name__ == "__main__":
    main()
