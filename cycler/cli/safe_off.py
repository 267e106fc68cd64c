"""`cycler safe-off`: open every output of a rack, with or without control. It imports no more than that takes."""

import asyncio
import json as json_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cycler.cli.errors import FAILED, UNREACHABLE, explained

if TYPE_CHECKING:
    from cycler.service.safe_off import OutputState


def safe_off(
    config: Annotated[Path, typer.Option(help="The rack file.")],
    mode: Annotated[
        Literal["dead", "handover"], typer.Option(help="handover leaves on what control has listed as finishing.")
    ] = "dead",
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Open every output of a rack, whether or not control runs; 0 only if each is proven to be open.

    All devices are told at once, within two seconds; the contactors of bays whose devices do not confirm are opened.
    """
    with explained(as_json=json, store=False):
        from cycler.service.clock import utcnow  # noqa: PLC0415 (help must not wait for it)
        from cycler.service.handover import NoHandover, read_handover  # noqa: PLC0415
        from cycler.service.rack_in_force import configuration_in_force  # noqa: PLC0415
        from cycler.service.safe_off import SafeOff  # noqa: PLC0415

        configuration, told = configuration_in_force(config)
        if told is not None:
            sys.stderr.write(f"{told}\n")
        handover = None
        if mode == "handover":
            try:
                handover = read_handover(
                    configuration.runtime, config_hash=configuration.content_hash, now_utc=utcnow()
                )
            except NoHandover as reason:
                sys.stderr.write(f"everything is opened: {reason}\n")
        states = asyncio.run(SafeOff(configuration, handover=handover, utcnow=utcnow).run())
        unknown = [state for state in states if state.how == "not-confirmed"]
        if json:
            sys.stdout.write(json_module.dumps(_document(states), indent=2) + "\n")
        else:
            sys.stdout.write("".join(f"{_line(state)}\n" for state in states))
            sys.stdout.write(f"{len(states) - len(unknown)} of {len(states)} outputs are as they should be\n")
        if unknown:
            raise typer.Exit(UNREACHABLE if all(state.is_unreachable for state in unknown) else FAILED)


def _line(state: "OutputState") -> str:
    text = f": {state.text}" if state.text else ""
    return f"{state.how:<13} {state.channel} ({', '.join(state.places)}){text}"


def _document(states: "Sequence[OutputState]") -> object:
    return {
        "outputs": [
            {
                "device": state.channel.device,
                "channel": state.channel.channel,
                "positions": list(state.places),
                "state": state.how,
                "text": state.text,
            }
            for state in states
        ]
    }
