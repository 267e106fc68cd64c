"""`cycler doctor --proof-test`: what a device keeps by itself, tripped on a dummy load and put on record."""

import json as json_module
import sys
from pathlib import Path

from cycler.cli.errors import REFUSED, WRONG_USE, Failure
from cycler.model.rack import ChannelRef
from cycler.recipe.problems import MistakeError
from cycler.recipe.units import parse_quantity
from cycler.service.clock import utcnow
from cycler.service.proof_bench import run_proof_test, write_proof
from cycler.service.rack_file import load_configuration


def prove(
    config: Path,
    target: str,
    *,
    on_dummy_load: bool,
    by: str | None,
    current: str | None,
    record: Path | None,
    as_json: bool,
) -> bool:
    """Whether all that the device keeps has opened. `target`: a channel like bt-01/101. Raises `Failure` and as
    `run_proof_test` does."""
    device, slash, channel = target.partition("/")
    if not (device and slash and channel):
        raise Failure(WRONG_USE, "reference", f"--proof-test {target}: write a channel like bt-01/101")
    if not by:
        raise Failure(WRONG_USE, "by", "--by is missing: a record is signed by whoever stands beside the device")
    if not on_dummy_load:
        hint = "put a dummy load there, and say so by --on-dummy-load"
        raise Failure(REFUSED, "dummy-load", f"{target}: a proof test drives current where a cell may be", hint)
    configuration = load_configuration(config)
    file = record or config.parent / f"{device}-proof.yaml"
    result = run_proof_test(
        configuration,
        ChannelRef(device=device, channel=channel),
        by=by,
        current_a=_amperes(current),
        utcnow=utcnow,
        say=_say,
    )
    if result.record.tripped:
        write_proof(file, result)
    if as_json:
        document = {
            "device": device,
            "channel": channel,
            "serial": result.record.identity.serial,
            "firmware": result.record.identity.firmware,
            "tripped": dict(result.record.tripped),
            "failed": dict(result.failed),
            "record": str(file) if result.record.tripped else None,
        }
        sys.stdout.write(json_module.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write(f"{len(result.record.tripped)} opened, {len(result.failed)} not proven\n")
        if result.record.tripped:
            sys.stdout.write(f"record: {file} (write `proof_test: {file.name}` to {device} in the rack file)\n")
    return not result.failed


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _amperes(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_quantity(text, ("A",)).number
    except MistakeError as mistake:
        raise Failure(WRONG_USE, "current", f"--current: {mistake.message}", mistake.hint) from None
