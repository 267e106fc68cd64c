"""`cycler drivers list · probe`."""

import json as json_module
import sys
from typing import Annotated

import typer

from cycler.cli.errors import WRONG_USE, Failure, explained
from cycler.contract.plugin import IN_PROCESS

app = typer.Typer(help="Installed drivers, and what answers at an address.", rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command("list")
def list_drivers(json: AsJson = False) -> None:
    """Print the installed drivers."""
    with explained(as_json=json):
        from cycler.service.probe import driver_facts  # noqa: PLC0415 (help must not wait for it)

        facts = driver_facts()
        if json:
            sys.stdout.write(json_module.dumps({"drivers": facts}, indent=2) + "\n")
            return
        for fact in facts:
            is_real = fact["schemes"] != [IN_PROCESS]
            confirmed = "  (never confirmed on hardware)" if is_real and not fact["confirmed_on_hardware"] else ""
            sys.stdout.write(f"{fact['name']:<16} {fact['kind']:<12} {', '.join(fact['schemes'])}{confirmed}\n")
            sys.stdout.write(f"{'':<16} {fact['summary']}\n")


@app.command()
def probe(
    resource: Annotated[str, typer.Argument(help="Like modbus-tcp://127.0.0.1:502.")],
    driver: Annotated[str | None, typer.Option(help="Which driver asks; by default whichever gets an answer.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="What the rack file would say of it, like security=none. With --driver.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Identify the device at an address. Nothing is changed on it."""
    with explained(as_json=json):
        from cycler.service.probe import probe_resource  # noqa: PLC0415 (help must not wait for it)

        found = probe_resource(resource, driver, _options(option or [], driver))
        if json:
            sys.stdout.write(json_module.dumps(found, indent=2) + "\n")
            return
        for key, value in found.items():
            sys.stdout.write(f"{key:<22} {value}\n")


def _options(texts: list[str], driver: str | None) -> dict[str, str]:
    if texts and driver is None:
        raise Failure(WRONG_USE, "option", "--option is one driver's: say which by --driver")
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not (key and equals):
            raise Failure(WRONG_USE, "option", f"--option {key}: write it like security=none")
    return {key: value for key, _, value in pairs}
