"""`cycler ack · shelve · out-of-service · reset`, and their opposites: what people do about a service's alarms."""

from typing import Annotated

import typer

from cycler.cli.errors import explained
from cycler.cli.rack_option import RACK, RackFile

Number = Annotated[int, typer.Argument(metavar="ALARM", min=1, help="Its number, as `cycler alarms` tells it.")]


def ack(
    alarm: Number,
    reason: Annotated[str, typer.Option(help="Why, in a sentence: it goes on record.")] = "",
    config: RackFile = RACK,
) -> None:
    """Say that you have seen an alarm. It starts, resets and re-enables nothing."""
    with explained():
        from cycler.cli.service_commands import acknowledge  # noqa: PLC0415 (help must not wait for it)

        typer.echo(acknowledge(config, alarm, reason=reason))


def shelve(
    alarm: Number,
    lasts: Annotated[str, typer.Option("--for", help="For how long, like 2 h.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence: it goes on record.")],
    config: RackFile = RACK,
) -> None:
    """Hide an alarm for a time. Never one that keeps outputs open."""
    with explained():
        from cycler.cli.service_commands import shelve_alarm  # noqa: PLC0415 (help must not wait for it)

        typer.echo(shelve_alarm(config, alarm, lasts=lasts, reason=reason))


def unshelve(alarm: Number, config: RackFile = RACK) -> None:
    """Show a shelved alarm again before its time."""
    with explained():
        from cycler.cli.service_commands import unshelve_alarm  # noqa: PLC0415 (help must not wait for it)

        typer.echo(unshelve_alarm(config, alarm))


def out_of_service(
    alarm: Number,
    reason: Annotated[str, typer.Option(help="Why, in a sentence: it goes on record.")],
    config: RackFile = RACK,
) -> None:
    """Hide an alarm until somebody puts it back, as while its sensor is repaired. Never one that keeps outputs open."""
    with explained():
        from cycler.cli.service_commands import take_out_of_service  # noqa: PLC0415 (help must not wait for it)

        typer.echo(take_out_of_service(config, alarm, reason=reason))


def in_service(alarm: Number, config: RackFile = RACK) -> None:
    """Show an alarm again that was taken out of service."""
    with explained():
        from cycler.cli.service_commands import put_in_service  # noqa: PLC0415 (help must not wait for it)

        typer.echo(put_in_service(config, alarm))


def reset(
    what: Annotated[str, typer.Argument(help="A position, a bay, an interlock, a device, or the rack, by its id.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence: it goes on record.")],
    config: RackFile = RACK,
) -> None:
    """Release what a trip has latched, once its cause is gone; after fire, emergency stop and over-voltage also the
    reset at the rack has to be turned. Nothing is started."""
    with explained():
        from cycler.cli.service_commands import reset_what  # noqa: PLC0415 (help must not wait for it)

        typer.echo(reset_what(config, what, reason=reason))
