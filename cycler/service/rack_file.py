"""The rack file, read and judged as a whole: what it names must be there, and nothing may be named twice."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

from cycler.model.rack import Interlock, Rack
from cycler.recipe.fields import Fields, as_list, as_text, as_title
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.yaml_nodes import load_file
from cycler.service.bay_entries import read_bays
from cycler.service.configuration import Configuration
from cycler.service.device_entries import read_devices
from cycler.service.rack_reading import RackReading

ELSEWHERE = ("scada", "hmi", "users", "calibration", "runtime", "resume")
"""Keys of other processes, or of none yet; whoever needs one reads it."""

SCOPES = ("channel", "bay", "zone", "chamber", "device", "rack")
ACTIONS = ("off", "off-latched", "hold", "no-start", "warn")


def load_configuration(path: Path) -> Configuration:
    """Raises `InvalidFile` with everything that is wrong."""
    root = load_file(path)
    problems = Problems(str(path))
    reading = RackReading(problems)
    fields = Fields(root, problems, owner="a rack file")
    head = fields.mapping("rack", owner="`rack`", required=True)
    rack_id = head.take("id", as_title, required=True) if head else None
    purpose = (head.word("purpose", ("production", "abuse")) if head else None) or "production"
    if head:
        head.close()
        if purpose == "abuse":
            reading.defer(head.line("purpose"), "purpose: abuse", "write production: the formed envelope holds")
    devices = read_devices(fields, reading)
    bays = read_bays(fields, reading)
    interlocks = tuple(_interlocks(fields, reading))
    store = fields.mapping("store", owner="`store`")
    store_path = store.text("path", required=True) if store else None
    if store:
        store.close()
    power = fields.quantity("power_limit", "W")
    if power is not None:
        reading.defer(fields.line("power_limit"), "power_limit", "take it out to run without")
    for key in ELSEWHERE:
        fields.know(key)
    fields.close()
    if problems.found:
        raise InvalidFile(dict.fromkeys(problems.found))  # of a map that two devices name, once
    assert rack_id is not None  # noqa: S101 (required)
    return Configuration(
        rack=Rack(
            rack=rack_id,
            purpose=cast(Literal["production", "abuse"], purpose),
            bays=bays,
            interlocks=interlocks,
            power_limit_w=None if power is None else power.number,
        ),
        devices=devices,
        store=None if store_path is None else path.parent / store_path,
        file=path,
        content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        not_yet=tuple(reading.not_yet),
    )


def _interlocks(fields: Fields, reading: RackReading) -> Iterator[Interlock]:
    names: set[str] = set()
    for node in fields.take("interlocks", as_list) or []:
        entry = reading.entry(node, owner="an interlock")
        if entry is None:
            continue
        name = entry.take("id", as_title, required=True)
        reference = entry.take("input", lambda node: reading.digital_input(as_text(node)), required=True)
        active = entry.word("active", ("low", "high"), required=True)
        scope = entry.word("scope", SCOPES, required=True)
        action = entry.word("action", ACTIONS, required=True)
        entry.close()
        reading.defer(entry.line("id"), f"interlock {name}", "nothing would watch its input")
        if name in names:
            entry.refuse("id", "twice", f"the interlock {name} is there twice")
        if name and reference and active and scope and action:
            names.add(name)
            words: dict[str, Any] = {"active": active, "scope": scope, "action": action}
            yield Interlock(interlock=name, input=reference, **words)
