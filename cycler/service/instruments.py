"""The simulated instruments of a rack file without a controller, at the addresses that the file gives them."""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cycler.contract.world import World
from cycler.model.cell_type import CellType
from cycler.model.world import WorldDeclaration
from cycler.recipe.lookup import cell_type_names, find_cell_type
from cycler.service.configuration import Configuration
from cycler.service.rack_file import load_configuration
from cycler.service.wiring import open_world
from cycler.service.world_file import everywhere, load_world

SEED = 1


def serve_instruments(
    config: Path,
    world: Path | None,
    *,
    cell_type: str | None,
    seed: int | None,
    speed: float,
    outputs: bool,
    say: Callable[[str], None],
) -> None:
    """Says `<device> <resource>` for each instrument and then `ready`; runs until interrupted.

    With `outputs` it goes on to say `output <position> closed <s>` and `... opened <s>`, in simulated seconds since it
    began: when a supply that is on reached a cell, by the simulated wiring and not by what an instrument shows.

    Raises `InvalidFile`, and `ValueError` for addresses that are not on loopback or cannot be had.
    """
    configuration = _with_closed_contactors(load_configuration(config))
    _refuse_outside(configuration)
    declaration = declared_world(configuration, world, cell_type=cell_type, seed=seed)
    opened = open_world(configuration, declaration, wire="loopback", speed=speed)
    opened.run(_serve(configuration, opened, outputs, say))


def declared_world(
    configuration: Configuration, world: Path | None, *, cell_type: str | None, seed: int | None
) -> WorldDeclaration:
    """Of the world file, else a healthy cell at every position. Where the file says nothing of one, it is `cell_type`.

    Raises `InvalidFile`, and `ValueError` for a cell type that is not there.
    """
    default = _default_cell_type(configuration.file.parent, cell_type)
    if world is None:
        return everywhere(configuration.rack, default, seed=SEED if seed is None else seed)
    return load_world(world, configuration.rack, cell_type=default, seed=seed)


async def _serve(configuration: Configuration, world: World, outputs: bool, say: Callable[[str], None]) -> None:
    def moved(position: str, on: bool, at_s: float) -> None:
        say(f"output {position} {'closed' if on else 'opened'} {at_s:.3f}")

    try:
        await world.start()
        for device in configuration.devices:
            if not device.settings.resource.in_process:
                say(f"{device.settings.device} {device.settings.resource.text}")
        if outputs:
            world.watch_outputs(moved)
        say("ready")
        await asyncio.Event().wait()
    finally:
        await world.aclose()


def _with_closed_contactors(configuration: Configuration) -> Configuration:
    """A contactor on a device inside this process can be closed by nobody from outside: it counts as closed."""
    inside = {d.settings.device for d in configuration.devices if d.settings.resource.in_process}
    bays = {
        name: replace(bay, contactor=None) if bay.contactor is not None and bay.contactor.device in inside else bay
        for name, bay in configuration.rack.bays.items()
    }
    return replace(configuration, rack=replace(configuration.rack, bays=bays))


def _refuse_outside(configuration: Configuration) -> None:
    for device in configuration.devices:
        resource = device.settings.resource
        on_a_line = not resource.host and resource.path.startswith("/")  # a serial one, which no network reaches
        if not (resource.in_process or on_a_line or _is_loopback(resource.host)):
            name = device.settings.device
            raise ValueError(f"{name}: {resource.text}: simulated instruments listen on loopback only, like 127.0.0.1")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _default_cell_type(beside: Path, name: str | None) -> CellType:
    """The one named, else the first beside the rack file, else the library's first."""
    own = sorted(path.stem for path in (beside / "cell-types").glob("*.yaml"))
    chosen = name or (own or cell_type_names(beside))[0]
    try:
        return find_cell_type(chosen, beside=beside)
    except LookupError as error:
        raise ValueError(f"there is no cell type {chosen}: {error}") from None
