"""The rack file that control runs by, kept in the runtime folder: whoever opens the outputs goes by that one.

The file itself may have been edited since, or broken. A control that ends in order takes its copy away.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cycler.recipe.problems import InvalidFile
from cycler.service.configuration import RUNTIME, Configuration
from cycler.service.rack_file import load_configuration

FILE: Final = "rack-in-force.yaml"


@contextmanager
def in_force(configuration: Configuration, *, on_trouble: Callable[[str], None]) -> Iterator[None]:
    """While control runs by this rack file. `on_trouble`: a copy that cannot be written is no reason not to run."""
    path = configuration.runtime / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(configuration.content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        on_trouble(str(error))
    yield
    with suppress(OSError):
        path.unlink()


def configuration_in_force(config: Path) -> tuple[Configuration, str | None]:
    """The one to open a rack by, and what is to be told about that. Its relative paths begin beside `config`.

    Raises `InvalidFile` where neither the rack file nor a copy of it can be used. The runtime folder of a rack file
    that cannot be used is not known: it is systemd's `RUNTIME_DIRECTORY`, or the usual one.
    """
    try:
        configuration = load_configuration(config, builds_devices=False)
    except InvalidFile as invalid:
        folder = Path(os.environ.get("RUNTIME_DIRECTORY", RUNTIME))
        copied = _copied(config, folder)
        if copied is None:
            raise
        return copied, f"{invalid.problems[0]}; going by {folder / FILE}, by which control runs or ran"
    copied = _copied(config, configuration.runtime)
    if copied is None or copied.content_hash == configuration.content_hash:
        return configuration, None
    return copied, f"{config} has changed since control read it; going by {configuration.runtime / FILE}"


def _copied(config: Path, folder: Path) -> Configuration | None:
    """None where there is none that can be used."""
    try:
        return load_configuration(config, content=(folder / FILE).read_bytes(), builds_devices=False)
    except (OSError, InvalidFile):
        return None
