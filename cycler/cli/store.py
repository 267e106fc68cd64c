"""`cycler seal` and `cycler backup`: what people do to the store of a rack."""

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import FAILED, Failure, explained
from cycler.cli.rack_option import RACK, RackFile


def seal(
    config: RackFile = RACK,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Turn the samples of a rack that does not run into Parquet files; a running service does that by itself."""
    with explained(as_json=json):
        from cycler.record.sealing import SealFailed  # noqa: PLC0415 (help must not wait for it)
        from cycler.service.clock import utcnow  # noqa: PLC0415
        from cycler.service.rack_file import load_configuration  # noqa: PLC0415
        from cycler.service.stores import seal_all  # noqa: PLC0415

        try:
            segments = list(seal_all(load_configuration(config), now_utc=utcnow()))
        except SealFailed as error:
            hint = "nothing is lost: `cycler doctor --store` says what is damaged"
            raise Failure(FAILED, "seal", str(error), hint) from None
        if json:
            sys.stdout.write(json_module.dumps([asdict(segment) for segment in segments], indent=2) + "\n")
        else:
            for segment in segments:
                sys.stdout.write(f"{segment.file}: {segment.rows} samples\n")
            sys.stdout.write(f"{len(segments)} segments were made\n")


def backup(
    to: Annotated[Path, typer.Option(help="Where the copy goes; there must be nothing yet.")],
    config: RackFile = RACK,
) -> None:
    """Copy a rack's store, whether control runs or not, and read the copy once from end to end; 1 if it is damaged."""
    with explained():
        from cycler.record.backup import back_up  # noqa: PLC0415 (help must not wait for it)
        from cycler.record.verify import verify_store  # noqa: PLC0415
        from cycler.service.rack_file import load_configuration  # noqa: PLC0415
        from cycler.service.stores import in_words, store_of  # noqa: PLC0415

        back_up(store_of(load_configuration(config)), to)
        report = verify_store(to)
        if report.damages:
            hint = "what is damaged there is damaged in the store, too: `cycler doctor --store`"
            raise Failure(FAILED, "damaged", "; ".join(report.damages[:3]), hint)
        sys.stdout.write(f"{to}: {in_words(report)}\n")
