"""The `devices:` of a rack file: which driver, where, and what it is told."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cycler.contract.plugin import DeviceKind, DeviceSettings, Driver, OfflineFacts, Resource, Surroundings
from cycler.contract.register_map import MapError, RegisterMap
from cycler.recipe.fields import Fields, as_list, as_text, as_title, as_word
from cycler.recipe.problems import InvalidFile, MistakeError, Problem
from cycler.recipe.yaml_nodes import ListNode, Node, ScalarNode
from cycler.service.clock import utcnow
from cycler.service.configuration import DeviceConfiguration
from cycler.service.device_trust import KEYS, read_trust, refuse_unqualified
from cycler.service.proof_record import proven_keeps
from cycler.service.rack_reading import ListedDevice, RackReading
from cycler.service.register_map_file import load_register_map
from cycler.service.shared_wires import clash
from cycler.service.wiring import NotInstalled, installed_drivers, load_driver

_KEYS = frozenset({"id", "driver", "resource", "rated", "accuracy", "map"}) | KEYS
"""The rack's own keys. Others are the driver's, which knows them."""


def read_devices(fields: Fields, reading: RackReading) -> tuple[DeviceConfiguration, ...]:
    """Fills `reading.devices`; what cannot be used is on record there."""
    found: list[DeviceConfiguration] = []
    known = tuple(installed_drivers())
    for node in fields.take("devices", as_list, required=True) or []:
        entry = reading.entry(node, owner="a device")
        if entry is None:
            continue
        name = entry.take("id", as_title, required=True)
        if name is not None and name in reading.devices:
            entry.refuse("id", "twice", f"the device {name} is there twice")
        device = _device(entry, name, known, reading)
        if device is None:
            continue
        for other in found:
            mine, theirs = device.settings, other.settings
            against = clash(mine.device, mine.resource, other=theirs.device, others=theirs.resource)
            if against is not None:
                entry.refuse("resource", "twice", against.message, against.hint)
        found.append(device)
    return tuple(found)


def _device(
    entry: Fields, name: str | None, known: tuple[str, ...], reading: RackReading
) -> DeviceConfiguration | None:
    before = len(entry.problems.found)
    driver_name = entry.take("driver", lambda node: as_word(node, known), required=True)
    resource = entry.take("resource", _resource, required=True)
    rated = _rated(entry)
    voltage_accuracy_v, current_accuracy_a = _accuracy(entry, rated)
    register_map = _register_map(entry)
    trust = read_trust(entry, name or "?")
    options = _options(entry)
    entry.close()
    if name is None:
        return None
    reading.devices.setdefault(name, None)
    if driver_name is None or resource is None or len(entry.problems.found) > before:
        return None
    settings = DeviceSettings(
        device=name,
        resource=resource,
        voltage_accuracy_v=voltage_accuracy_v,
        current_accuracy_a=current_accuracy_a,
        rated_voltage_v=rated.get("voltage"),
        rated_current_a=rated.get("current"),
        rated_power_w=rated.get("power"),
        options=options,
        register_map=register_map,
    )
    try:
        driver = load_driver(driver_name)
        kind, facts = _facts(driver, settings, builds=reading.builds_devices)
    except NotInstalled as error:
        entry.refuse("driver", "not-installed", str(error))
        return None
    except MistakeError as mistake:
        entry.refuse("driver" if mistake.code == "resource" else "id", mistake.code, mistake.message, mistake.hint)
        return None
    except MapError as error:
        file = "" if register_map is None else register_map.file
        _refuse_map(entry, [Problem(file=file, line=error.line, code="register-map", message=str(error))])
        return None
    if facts.keeps is not None:
        keeps = facts.keeps if trust.proof is None else proven_keeps(facts.keeps, trust.proof)
        facts = replace(facts, keeps=keeps)
        refuse_unqualified(entry, name, trust, keeps)
    reading.devices[name] = ListedDevice(driver=driver_name, kind=kind, facts=facts)
    return DeviceConfiguration(settings=settings, driver=driver_name, trust=trust)


def _options(entry: Fields) -> dict[str, str]:
    """The driver's own: one value each. A list is written as one text, like `0 1`."""
    options = {}
    for key, node in entry.node.entries.items():
        if key in _KEYS:
            continue
        entry.know(key)
        if isinstance(node, ScalarNode):
            options[key] = node.text
        else:
            items = node.items if isinstance(node, ListNode) else []
            flat = " ".join(item.text for item in items if isinstance(item, ScalarNode))
            hint = f'write {key}: "{flat}"' if flat else ""
            entry.refuse(key, "type", f"{key}: a driver's option is one value", hint)
    return options


def _facts(driver: Driver, settings: DeviceSettings, *, builds: bool) -> tuple[DeviceKind, OfflineFacts]:
    """What the driver says of these settings. Raises `MistakeError` and `MapError`."""
    if settings.resource.scheme not in driver.schemes:
        message = f"{settings.device}: its driver does not open {settings.resource.scheme} addresses"
        raise MistakeError("resource", message, f"there are: {', '.join(driver.schemes)}")
    try:
        kind = driver.kind_of(settings)
        facts = OfflineFacts() if driver.offline is None else driver.offline(settings)
        if builds and not settings.resource.in_process:  # a simulated device would want its world
            driver.opens(settings, Surroundings(utcnow=utcnow))
        return kind, facts
    except MapError:
        raise
    except ValueError as error:
        raise MistakeError("option", str(error)) from None


def _register_map(entry: Fields) -> RegisterMap | None:
    """Its path is relative to the rack file. What is wrong with it goes on record as that file's."""
    name = entry.text("map")
    if name is None:
        return None
    try:
        return load_register_map(Path(entry.problems.file).parent / name)
    except InvalidFile as invalid:
        _refuse_map(entry, invalid.problems)
        return None


def _refuse_map(entry: Fields, problems: Iterable[Problem]) -> None:
    """Here too: who reads the rack file does not know of the map's."""
    entry.refuse(
        "map", "register-map", "map: it cannot be used as it is", "what is wrong with it stands by its own name"
    )
    entry.problems.found.extend(problems)


def _resource(node: Node) -> Resource:
    try:
        return Resource.parse(as_text(node))
    except ValueError as error:
        raise MistakeError("resource", str(error)) from None


def _rated(entry: Fields) -> dict[str, float]:
    inner = entry.mapping("rated", owner="`rated`")
    if inner is None:
        return {}
    units = {"voltage": "V", "current": "A", "power": "W"}
    found = {}
    for key, unit in units.items():
        quantity = inner.quantity(key, unit)
        if quantity is None:
            continue
        if quantity.number <= 0:
            inner.refuse(key, "not-positive", f"{key}: {quantity} is not above 0")
        found[key] = quantity.number
    inner.close()
    return found


def _accuracy(entry: Fields, rated: Mapping[str, float]) -> tuple[float | None, float | None]:
    """`accuracy: {voltage: 5 mV, current: 0.2 %}`; a percentage is of the rating in the same entry."""
    inner = entry.mapping("accuracy", owner="`accuracy`")
    if inner is None:
        return None, None
    found: list[float | None] = []
    for key, unit in (("voltage", "V"), ("current", "A")):
        quantity = inner.quantity(key, unit, "%")
        if quantity is None:
            found.append(None)
        elif quantity.number <= 0:
            inner.refuse(key, "not-positive", f"{key}: {quantity} is not above 0")
            found.append(None)
        elif quantity.unit != "%":
            found.append(quantity.number)
        elif key in rated:
            found.append(quantity.number / 100 * rated[key])
        else:
            inner.refuse(key, "no-base", f"{key}: {quantity} of what?", f"give `rated: {{{key}: …}}` beside it")
            found.append(None)
    inner.close()
    return found[0], found[1]
