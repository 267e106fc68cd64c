"""What the in-process devices want from the world around them, and how they find it."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from cycler.contract.plugin import DeviceSettings, Surroundings
from cycler.model.world import WorldDeclaration
from sims.chamber import Chamber
from sims.faults import Faults
from sims.terminal import Bank, Column

T = TypeVar("T")


@runtime_checkable
class DeviceWorld(Protocol):
    """The part of a simulated world that instruments are wired to."""

    @property
    def declaration(self) -> WorldDeclaration:
        """What the world was declared to be."""

    @property
    def instruments(self) -> MutableMapping[str, object]:
        """The in-process devices by their ids: they outlive the drivers that connect to them."""

    def bank(self, device: str, channels: Sequence[str]) -> Bank:
        """The clamps of a cycler's channels, in this order."""

    def thermometers(self, device: str, channels: Sequence[str]) -> Callable[[], Column]:
        """What the sensors are warmed to now, in degC and in this order; NaN where one looks at nothing."""

    def tips(self, device: str, channel: str) -> Callable[[], tuple[float, float]]:
        """What is between the four tips of a meter's channel: voltage, and resistance at 1 kHz; NaN for no cell."""

    def set_contactor(self, device: str, line: str, closed: bool) -> None:
        """A contactor output moved. Lines that nothing is wired to are ignored."""

    def chamber(self, device: str) -> Chamber:
        """The chamber that this device controls."""

    def faults(self, device: str) -> Faults:
        """What is wrong with this device."""

    def rng(self, name: str) -> np.random.Generator:
        """A generator of its own for each name, equal for equal seeds."""


def world_of(settings: DeviceSettings, surroundings: Surroundings) -> DeviceWorld:
    """Raises `ValueError` where no simulated world is running in this process."""
    if not isinstance(surroundings.world, DeviceWorld):
        raise ValueError(f"{settings.device}: {settings.resource.text} exists only inside a simulation")
    return surroundings.world


def installed(world: DeviceWorld, device: str, kind: type[T], build: Callable[[], T]) -> T:
    """The device that stands in the world under this id, built when it is first asked for."""
    found = world.instruments.get(device)
    if found is None:
        found = world.instruments[device] = build()
    if not isinstance(found, kind):
        raise ValueError(f"{device} is already there and is no {kind.__name__}")
    return found
