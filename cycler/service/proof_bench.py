"""A proof test in its rack: nobody else may hold the device, and the contactor of its bay is closed meanwhile."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, cast

from cycler.contract.devices import CyclerDriver, DigitalIo
from cycler.contract.plugin import AnyDevice, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.model.rack import ChannelRef
from cycler.recipe.problems import nearest
from cycler.record.journal import lease
from cycler.record.schema import JournalUnusable
from cycler.service.configuration import Configuration
from cycler.service.only_error import only_error
from cycler.service.proof_record import proof_text
from cycler.service.proof_test import ProofResult, ProofTest
from cycler.service.refusal import Refused
from cycler.service.wiring import load_driver

SPEAK_S: Final = 0.5
"""How often the contactor's module is spoken to: its own watchdog must not drop it."""


def run_proof_test(
    configuration: Configuration,
    channel: ChannelRef,
    *,
    by: str,
    current_a: float | None,
    utcnow: Callable[[], datetime],
    say: Callable[[str], None],
) -> ProofResult:
    """Raises `Refused`, `DeviceError`, `NotInstalled`, and `ValueError` for what is no channel of a cycler here."""

    async def main() -> ProofResult:
        driver = cast(CyclerDriver, _opened(configuration, channel.device, "cycler", utcnow))
        test = ProofTest(channel.device, driver, ChannelId(channel.channel), say=say)
        try:
            async with _closed_contactor(configuration, channel, utcnow):
                return await test.run(by=by, today=utcnow().date(), current_a=current_a)
        finally:
            await driver.aclose()

    with _nobody_else(configuration.store):
        try:
            return asyncio.run(main())
        except BaseExceptionGroup as group:
            raise only_error(group) from None


def write_proof(file: Path, result: ProofResult) -> None:
    """A reader finds the old record or the new one. Raises `OSError`."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(proof_text(result.record))
    fresh.replace(file)


@contextlib.contextmanager
def _nobody_else(store: Path | None) -> Iterator[None]:
    """Control is kept out, and is refused if it is there."""
    if store is None or not store.exists():
        yield
        return
    try:
        held = lease(store)
    except JournalUnusable as error:
        raise Refused(
            "held", f"control holds the rack: {error}", "stop it first: a proof test has the device alone"
        ) from None
    try:
        yield
    finally:
        os.close(held)


@contextlib.asynccontextmanager
async def _closed_contactor(
    configuration: Configuration, channel: ChannelRef, utcnow: Callable[[], datetime]
) -> AsyncIterator[None]:
    contactor = next(
        (
            bay.contactor
            for bay in configuration.rack.bays.values()
            if any(channel in position.channels for position in bay.positions.values())
        ),
        None,
    )
    if contactor is None:
        yield
        return
    io = cast(DigitalIo, _opened(configuration, contactor.device, "digital-io", utcnow))
    try:
        await io.connect()
        await io.commission()
        await io.write({contactor.channel: True})
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(_speak(io), name=f"speak to {contactor.device}")
            yield
            speaking.cancel()
    finally:
        await io.write({contactor.channel: False})
        await io.aclose()


async def _speak(io: DigitalIo) -> None:
    while True:
        await io.read()
        await asyncio.sleep(SPEAK_S)


def _opened(configuration: Configuration, name: str, kind: str, utcnow: Callable[[], datetime]) -> AnyDevice:
    devices = {config.settings.device: config for config in configuration.devices}
    if name not in devices:
        raise ValueError(f"there is no device {name}: {nearest(name, devices)}")
    config = devices[name]
    driver = load_driver(config.driver)
    if driver.kind_of(config.settings) != kind:
        raise ValueError(f"{name} is no cycler: only their limits are proved on a dummy load")
    if config.settings.resource.in_process:
        raise ValueError(f"{name} exists only inside a simulation: there is nothing to prove")
    return driver.opens(config.settings, Surroundings(utcnow=utcnow))
