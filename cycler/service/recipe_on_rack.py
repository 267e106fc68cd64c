"""A recipe on a rack, as a whole: the power that each bay takes, and what each kind of channel keeps by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from cycler.contract.capabilities import Keeps
from cycler.model.rack import BayId
from cycler.recipe.problems import Problem
from cycler.recipe.worst_case import PeakPower
from cycler.service.configuration import Configuration
from cycler.service.wiring import load_driver, offline_keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class BayPower:
    """With a cell at every position that is not left empty, all of them at their peak at once."""

    bay: BayId
    cells: int
    charge_w: float
    discharge_w: float
    limit_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelKind:
    """Cyclers that keep the same by themselves. `keeps` is None where only the connected device tells."""

    driver: str
    devices: tuple[str, ...]
    keeps: Keeps | None


def bay_powers(configuration: Configuration, peak: PeakPower) -> list[BayPower]:
    """In the order of the rack file."""
    found = []
    for bay, entry in configuration.rack.bays.items():
        cells = sum(not position.empty for position in entry.positions.values())
        found.append(
            BayPower(
                bay=bay,
                cells=cells,
                charge_w=cells * peak.charge_w,
                discharge_w=cells * peak.discharge_w,
                limit_w=entry.power_limit_w,
            )
        )
    return found


def power_problems(configuration: Configuration, power: BayPower, peak: PeakPower) -> Iterator[Problem]:
    """Of a bay that would need more than it may have, or that would by itself need more than the whole rack may."""
    goes_in = power.charge_w >= power.discharge_w
    most_w, way = max(power.charge_w, power.discharge_w), "charging" if goes_in else "discharging"
    for limit_w, whose in ((power.limit_w, "its"), (configuration.rack.power_limit_w, "the rack's")):
        if limit_w is not None and most_w > limit_w:
            yield Problem(
                file=str(configuration.file),
                line=0,
                step=peak.charge_step if goes_in else peak.discharge_step,
                code="power",
                message=f"bay {power.bay}: its cells ({power.cells}) reach {most_w:.4g} W {way},"
                f" above {whose} power_limit of {limit_w:.4g} W",
                hint="lower the current of that step, or leave positions empty",
            )


def channel_kinds(configuration: Configuration) -> list[ChannelKind]:
    """Of the rack's cyclers, those that keep the same together. Raises `NotInstalled` and `ValueError`."""
    kinds: dict[tuple[str, Keeps | None], list[str]] = {}
    for device in configuration.devices:
        driver = load_driver(device.driver)
        if driver.kind_of(device.settings) == "cycler":
            kinds.setdefault((device.driver, offline_keeps(device)), []).append(device.settings.device)
    return [
        ChannelKind(driver=driver, devices=tuple(devices), keeps=keeps) for (driver, keeps), devices in kinds.items()
    ]
