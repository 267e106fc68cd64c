"""The rack file, read and judged as a whole: what it names must be there, and nothing may be named twice."""

from pathlib import Path
from typing import Literal, cast

from cycler.model.rack import Rack
from cycler.recipe.fields import Fields, as_title
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.yaml_nodes import load_bytes, read_file
from cycler.service.abuse import missing_interlocks
from cycler.service.bay_entries import read_bays
from cycler.service.configuration import RUNTIME, Configuration
from cycler.service.device_entries import read_devices
from cycler.service.interlock_entries import read_interlocks
from cycler.service.rack_reading import RackReading
from cycler.service.safety_entries import read_common_cause, read_reset, read_watch_s
from cycler.service.user_entries import read_users

ELSEWHERE = ("scada", "hmi", "calibration")
"""Keys of other processes, or of none yet; whoever needs one reads it."""


def load_configuration(path: Path, *, content: bytes | None = None, builds_devices: bool = True) -> Configuration:
    """Raises `InvalidFile` with everything that is wrong.

    `content` takes the place of what is in the file. `builds_devices`: each is built once to see whether it can be,
    which may import what only that device needs.
    """
    if content is None:
        content = read_file(path)
    root = load_bytes(content, str(path))
    problems = Problems(str(path))
    reading = RackReading(problems, builds_devices=builds_devices)
    fields = Fields(root, problems, owner="a rack file")
    head = fields.mapping("rack", owner="`rack`", required=True)
    rack_id = head.take("id", as_title, required=True) if head else None
    purpose = (head.word("purpose", ("production", "abuse")) if head else None) or "production"
    if head:
        head.close()
    devices = read_devices(fields, reading)
    bays = read_bays(fields, reading)
    interlocks = tuple(read_interlocks(fields, reading, bays))
    if head and purpose == "abuse":
        for missing in missing_interlocks(bays, interlocks):
            hint = "on a rack for abuse tests door, gas, smoke and an independent over-temperature switch each bay off"
            problems.add(head.line("purpose"), "abuse-interlock", missing, hint)
    reset = read_reset(fields, reading, interlocks)
    watch_s, common_cause = read_watch_s(fields), read_common_cause(fields)
    store = fields.mapping("store", owner="`store`")
    store_path = store.text("path", required=True) if store else None
    if store:
        store.close()
    power = fields.quantity("power_limit", "W")
    if power is not None:
        reading.defer(fields.line("power_limit"), "power_limit", "take it out to run without")
    runtime = fields.mapping("runtime", owner="`runtime`")
    runtime_path = runtime.text("path", required=True) if runtime else None
    if runtime:
        runtime.close()
    resume = fields.word("resume", ("auto", "ask"))
    users = read_users(fields)
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
            overrides={
                device.settings.device: device.trust.override for device in devices if device.trust.override is not None
            },
            reset=reset,
            watch_s=watch_s,
            common_cause=common_cause,
        ),
        devices=devices,
        store=None if store_path is None else path.parent / store_path,
        runtime=RUNTIME if runtime_path is None else path.parent / runtime_path,
        file=path,
        users=users,
        content=content,
        resume="ask" if resume == "ask" else "auto",
        not_yet=tuple(reading.not_yet),
    )
