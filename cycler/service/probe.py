"""Which drivers there are, and what answers at an address. Only `connect` is called: it changes nothing on a device."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypedDict, cast

from cycler.contract.devices import CyclerDriver, Device, Meter
from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from cycler.contract.plugin import IN_PROCESS, DeviceSettings, Resource, Surroundings
from cycler.service.clock import utcnow
from cycler.service.device_lease import refuse_driven
from cycler.service.wiring import NotInstalled, installed_drivers, load_driver

LINE_ATTEMPTS = 2
"""On a serial line a device may still hold half a line of what it was asked before: that spoils the next question."""

LINE_QUIET_S = 0.2
"""What a device still answers to the question before comes within, and is thrown away when the port is opened."""


class DriverFact(TypedDict):
    """One installed driver."""

    name: str
    kind: str  # "by map" where a register map says it
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
                kind=driver.kind or "by map",
                schemes=list(driver.schemes),
                summary=driver.summary,
                confirmed_on_hardware=driver.confirmed_on_hardware,
            )
        )
    return facts


def probe_resource(text: str, driver: str | None, options: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Who answers; `options` are those of this driver in a rack file.

    Raises `ValueError` for an address that no driver opens, `DeviceError` where none gets an answer, `Refused` while
    control of this computer drives what is there.
    """
    resource = Resource.parse(text)
    if resource.in_process:
        raise ValueError(f"{text} exists only inside a simulation: there is nothing to probe")
    refuse_driven(text, resource)
    names = [driver] if driver is not None else list(installed_drivers())
    drivers = {name: load_driver(name) for name in names}
    # One that has to be told everything by a register map recognises nobody.
    candidates = [name for name, each in drivers.items() if each.kind and resource.scheme in each.schemes]
    if driver is not None and not candidates and resource.scheme in drivers[driver].schemes:
        raise NotInstalled(f"the driver {driver} identifies nobody by itself: a register map says what stands where")
    if not candidates:
        schemes = sorted({s for name in names for s in load_driver(name).schemes if s != IN_PROCESS}) or ["none"]
        who = f"the driver {driver} does not open" if driver else "no installed driver opens"
        raise NotInstalled(f"{who} {resource.scheme} addresses; what can be probed: {', '.join(schemes)}")
    refusals: dict[str, Exception] = {}
    for name in candidates:
        try:
            return asyncio.run(_identify_patiently(name, resource, options or {}))
        except (DeviceError, ValueError) as error:
            refusals[name] = error  # another driver may understand who answers there
    first, *others = refusals.values()
    if not others or any(all(isinstance(r, kind) for r in refusals.values()) for kind in (LinkError, ValueError)):
        raise first
    mapped = [name for name, each in drivers.items() if not each.kind and resource.scheme in each.schemes]
    reasons = "; ".join(
        f"{name}: {refusal.detail if isinstance(refusal, DeviceError) else refusal}"
        for name, refusal in refusals.items()
    )
    advice = "".join(
        f"; a device with a register map identifies itself to nobody: "
        f"it takes `driver: {name}` and its map in a rack file"
        for name in mapped
    )
    raise ProtocolError(resource.text, f"no installed driver knows what answers there ({reasons}){advice}")


async def _identify_patiently(name: str, resource: Resource, options: Mapping[str, str]) -> dict[str, Any]:
    is_serial = not resource.host and resource.path.startswith("/")
    for _ in range(LINE_ATTEMPTS - 1 if is_serial else 0):
        try:
            return await _identify(name, resource, options)
        except DeviceError:
            await asyncio.sleep(LINE_QUIET_S)
    return await _identify(name, resource, options)


async def _identify(name: str, resource: Resource, options: Mapping[str, str]) -> dict[str, Any]:
    driver = load_driver(name)
    settings = DeviceSettings(device=resource.text, resource=resource, options=options)
    device = driver.opens(settings, Surroundings(utcnow=utcnow))
    try:
        identity = await cast(Device, device).connect()
        found: dict[str, Any] = {"driver": name, "resource": resource.text, **asdict(identity)}
        if driver.kind == "cycler":
            capabilities = cast(CyclerDriver, device).capabilities
            found["channels"] = len(capabilities.channels)
            found.update(asdict(capabilities.range))
        elif driver.kind == "meter":
            able = cast(Meter, device).capabilities
            found.update({**asdict(able), "channels": len(able.channels), "kinds": sorted(able.kinds)})
        return found
    finally:
        await cast(Device, device).aclose()
