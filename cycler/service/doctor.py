"""What would happen to each output of a rack if control died now, and what has to be mended before it may run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from cycler.contract.capabilities import Keeps, Watchdog
from cycler.model.rack import Bay, BayId
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.controller_loss import Contactor, LossRule, Obstacle, Opener, openers, unguarded
from cycler.service.host_checks import Check, host_checks
from cycler.service.wiring import load_driver, offline_keeps

OVERRIDE_NOTICE: Final = timedelta(days=14)
"""So long before it ends, an override is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCare:
    """The outputs of one device in one bay. `opened_by` is empty where only the connected device tells.

    `obstacles` are what leaves them without anybody to open them, or without limits; a valid override answers for them.
    """

    device: str
    bay: BayId
    positions: tuple[str, ...]
    rule: LossRule
    opened_by: tuple[Opener, ...]
    limits: str
    second_path: str
    obstacles: tuple[Obstacle, ...]
    overridden: bool

    @property
    def has_to_be_mended(self) -> bool:
        """No cell may be started there."""
        return bool(self.obstacles) and not self.overridden


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Of one rack."""

    outputs: tuple[OutputCare, ...]
    checks: tuple[Check, ...]

    @property
    def is_fine(self) -> bool:
        """Nothing has to be mended."""
        return not any(each.has_to_be_mended for each in self.outputs) and all(
            check.verdict != "mend" for check in self.checks
        )


def diagnose(configuration: Configuration, today: date) -> Diagnosis:
    """By the rack file and this computer; no device is connected to, for that would disturb a running controller.

    Raises `NotInstalled`, and `ValueError` for settings that cannot be.
    """
    devices = {config.settings.device: config for config in configuration.devices}
    outputs = []
    for bay in configuration.rack.bays.values():
        contactor = _contactor(bay, devices)
        of_bay: dict[str, list[str]] = {}
        for name, position in bay.positions.items():
            for channel in position.channels:
                of_bay.setdefault(channel.device, []).append(name.partition("/")[2])
        for device, places in of_bay.items():
            outputs.append(_care(configuration, devices[device], bay, contactor=contactor, places=places, today=today))
    return Diagnosis(outputs=tuple(outputs), checks=(*_of_devices(configuration, today), *host_checks(configuration)))


def _care(
    configuration: Configuration,
    config: DeviceConfiguration,
    bay: Bay,
    *,
    contactor: Contactor | None,
    places: list[str],
    today: date,
) -> OutputCare:
    keeps, trust, device = offline_keeps(config), config.trust, config.settings.device
    override = configuration.rack.override(device, today=today)
    second = "none" if contactor is None else f"contactor {contactor.output}"
    if override is not None and contactor is None:
        second = f"override by {override.by} until {override.expires}"
    return OutputCare(
        device=device,
        bay=bay.bay,
        positions=tuple(dict.fromkeys(places)),
        rule=trust.on_loss,
        opened_by=() if keeps is None else tuple(openers(trust.on_loss, keeps, contactor)),
        limits="only the device tells" if keeps is None else _limits(config, keeps),
        second_path=second,
        obstacles=() if keeps is None else tuple(unguarded(keeps, contactor)),
        overridden=override is not None,
    )


def _limits(config: DeviceConfiguration, keeps: Keeps) -> str:
    match keeps.limit_readback:
        case "yes":
            return "read back"
        case "proof-tested":
            return "proof-tested" if config.trust.proof is None else f"proof-tested {config.trust.proof.day}"
        case "no":
            return "not proven (81)"


def _contactor(bay: Bay, devices: dict[str, DeviceConfiguration]) -> Contactor | None:
    if bay.contactor is None:
        return None
    config = devices[bay.contactor.device]
    driver = load_driver(config.driver)
    watchdog: Watchdog | None = None if driver.offline is None else driver.offline(config.settings).watchdog
    return Contactor(output=str(bay.contactor), watchdog=watchdog)


def _of_devices(configuration: Configuration, today: date) -> Iterator[Check]:
    """What the rack file itself says that a person should know of."""
    for bay in configuration.rack.bays.values():
        contactor = _contactor(bay, {config.settings.device: config for config in configuration.devices})
        if contactor is not None and contactor.watchdog is None:
            text = f"its I/O module keeps {contactor.output} closed when nobody speaks to it"
            remedy = "set the module's communication watchdog to 2 to 5 s, and write it into the rack file"
            yield Check(about=f"contactor of {bay.bay}", verdict="look", text=text, remedy=remedy)
    for device, override in configuration.rack.overrides.items():
        text = f"by {override.by} until {override.expires}: {override.reason}"
        if override.expires < today:
            yield Check(about=f"override of {device}", verdict="look", text=f"over: {text}", remedy="take it out")
        elif override.expires < today + OVERRIDE_NOTICE:
            remedy = "until then, mend what it stands for"
            yield Check(about=f"override of {device}", verdict="look", text=text, remedy=remedy)
    for config in configuration.devices:
        register_map = config.settings.register_map
        if register_map is not None and register_map.kind == "cycler" and register_map.commissioned is None:
            text = f"{register_map.file} is not commissioned: it refuses cells"
            remedy = "prove scales, signs, limits and watchdog on a dummy load, and write `commissioned` into it"
            yield Check(about=f"map of {config.settings.device}", verdict="mend", text=text, remedy=remedy)
    for problem in configuration.not_yet:
        yield Check(about="rack file", verdict="mend", text=str(problem), remedy="no run can start on it")
