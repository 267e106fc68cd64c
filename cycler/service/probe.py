"""Which drivers there are, and what answers at an address. Only `connect` is called: it changes nothing on a device."""

import asyncio
from dataclasses import asdict
from typing import Any, TypedDict, cast

from cycler.contract.devices import CyclerDriver, Device
from cycler.contract.errors import DeviceError, ProtocolError
from cycler.contract.plugin import IN_PROCESS, DeviceSettings, Resource, Surroundings
from cycler.service.clock import utcnow
from cycler.service.wiring import NotInstalled, installed_drivers, load_driver


class DriverFact(TypedDict):
    """One installed driver."""

    name: str
    kind: str
    schemes: list[str]
    summary: str
    confirmed_on_hardware: bool


def driver_facts() -> list[DriverFact]:
    """All installed drivers, by name."""
    facts: list[DriverFact] = []
    for name in installed_drivers():
        driver = load_driver(name)
        facts.append(
            DriverFact(
                name=name,
                kind=driver.kind,
                schemes=list(driver.schemes),
                summary=driver.summary,
                confirmed_on_hardware=driver.confirmed_on_hardware,
            )
        )
    return facts


def probe_resource(text: str, driver: str | None) -> dict[str, Any]:
    """Who answers. Raises `ValueError` for an address that no driver opens, `DeviceError` where none gets an answer."""
    resource = Resource.parse(text)
    if resource.in_process:
        raise ValueError(f"{text} exists only inside a simulation: there is nothing to probe")
    names = [driver] if driver is not None else list(installed_drivers())
    candidates = [name for name in names if resource.scheme in load_driver(name).schemes]
    if not candidates:
        schemes = sorted({s for name in names for s in load_driver(name).schemes if s != IN_PROCESS}) or ["none"]
        who = f"the driver {driver} does not open" if driver else "no installed driver opens"
        raise NotInstalled(f"{who} {resource.scheme} addresses; what can be probed: {', '.join(schemes)}")
    last: DeviceError | None = None
    for name in candidates:
        try:
            return asyncio.run(_identify(name, resource))
        except ProtocolError as error:
            last = error  # another driver may understand it
    assert last is not None  # noqa: S101 (there was a candidate)
    raise last


async def _identify(name: str, resource: Resource) -> dict[str, Any]:
    driver = load_driver(name)
    settings = DeviceSettings(device=resource.text, resource=resource)
    device = driver.opens(settings, Surroundings(utcnow=utcnow))
    try:
        identity = await cast(Device, device).connect()
        found: dict[str, Any] = {"driver": name, "resource": resource.text, **asdict(identity)}
        if driver.kind == "cycler":
            capabilities = cast(CyclerDriver, device).capabilities
            found["channels"] = len(capabilities.channels)
            found.update(asdict(capabilities.range))
        return found
    finally:
        await cast(Device, device).aclose()
