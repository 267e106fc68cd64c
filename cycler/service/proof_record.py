"""The record of a proof test: which limits of a device were seen to open its output on a dummy load, when, and by whom.

It is of one very device: with another serial number or another firmware it proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, cast, get_args

import yaml

from cycler.contract.capabilities import Capabilities, DeviceProtection, Identity, Keeps, Watchdog
from cycler.recipe.fields import Fields, as_date, as_map, as_text
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.yaml_nodes import load_file

TESTED: Final[tuple[DeviceProtection, ...]] = ("over_voltage", "under_voltage", "over_current", "over_charge", "time")
"""What an order can make a device trip on a dummy load."""

NEEDED: Final[frozenset[DeviceProtection]] = frozenset({"over_voltage", "over_current"})
"""A device that keeps neither has no limits that could be proved."""

WATCHDOG: Final = "watchdog"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord:
    """`tripped`: for each limit that opened the output, what was seen. `WATCHDOG` among them is the host's silence."""

    device: str
    channel: str
    identity: Identity
    day: date
    by: str
    tripped: Mapping[str, str]

    def speaks_of(self, identity: Identity) -> bool:
        """Whether it is this very device, as it was then."""
        return (self.identity.serial, self.identity.firmware) == (identity.serial, identity.firmware)

    def proves_limits(self, protections: frozenset[DeviceProtection]) -> bool:
        """All that the device says it keeps, as far as a test can trip it."""
        return protections >= NEEDED and self.tripped.keys() >= protections.intersection(TESTED)


def proven_keeps(keeps: Keeps, record: ProofRecord) -> Keeps:
    """By the rack file alone: true once the device has shown to be the one that was tested."""
    return replace(
        keeps,
        watchdog=_proven(keeps.watchdog, record),
        limit_readback="proof-tested"
        if keeps.limit_readback == "no" and record.proves_limits(keeps.protections)
        else keeps.limit_readback,
    )


def proven_capabilities(capabilities: Capabilities, identity: Identity, record: ProofRecord) -> Capabilities:
    """What is declared, with what the record adds to it; where it does not speak of this device, why not."""
    if not record.speaks_of(identity):
        tested = f"the proof test of {record.day} was of serial number {record.identity.serial}"
        why = f"{tested} with firmware {record.identity.firmware}, this is {identity.serial} with {identity.firmware}"
        return replace(capabilities, limits_missing=(*capabilities.limits_missing, why))
    watchdog = _proven(capabilities.watchdog, record)
    if capabilities.limit_readback != "no":
        return replace(capabilities, watchdog=watchdog)
    if record.proves_limits(capabilities.protections):
        return replace(capabilities, watchdog=watchdog, limit_readback="proof-tested", limits_missing=())
    absent = sorted(capabilities.protections.intersection(TESTED) - record.tripped.keys())
    why = f"the proof test of {record.day} did not trip {', '.join(absent)}" if absent else ""
    return replace(capabilities, watchdog=watchdog, limits_missing=(*capabilities.limits_missing, *filter(None, [why])))


def load_proof(path: Path, *, device: str) -> ProofRecord:
    """Raises `InvalidFile`, also where the record is another device's."""
    root = load_file(path)
    problems = Problems(str(path))
    fields = Fields(root, problems, owner="a proof test's record")
    named = fields.text("device", required=True)
    if named is not None and named != device:
        fields.refuse("device", "device", f"device: this is the proof test of {named}, not of {device}")
    channel = fields.text("channel", required=True)
    texts = {key: fields.text(key, required=True) for key in ("maker", "model", "serial", "firmware", "by")}
    day = fields.take("date", as_date, required=True)
    limits = fields.take("tripped", as_map, required=True)
    tripped: dict[str, str] = {}
    if limits is not None:
        inner = Fields(limits, problems, owner="`tripped`")
        for word in (*get_args(DeviceProtection), WATCHDOG):
            if (seen := inner.take(word, as_text)) is not None:
                tripped[word] = seen
        inner.close()
    fields.close()
    if problems.found or named is None or channel is None or day is None:
        raise InvalidFile(problems.found)
    given = cast(Mapping[str, str], texts)
    identity = Identity(maker=given["maker"], model=given["model"], serial=given["serial"], firmware=given["firmware"])
    return ProofRecord(device=named, channel=channel, identity=identity, day=day, by=given["by"], tripped=tripped)


def proof_text(record: ProofRecord) -> str:
    """As `load_proof` reads it."""
    document = {
        "device": record.device,
        "channel": record.channel,
        "maker": record.identity.maker or "unknown",
        "model": record.identity.model or "unknown",
        "serial": record.identity.serial,
        "firmware": record.identity.firmware,
        "date": record.day.isoformat(),
        "by": record.by,
        "tripped": dict(record.tripped),
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _proven(watchdog: Watchdog | None, record: ProofRecord) -> Watchdog | None:
    if watchdog is None or WATCHDOG not in record.tripped:
        return watchdog
    return replace(watchdog, proven=True)
