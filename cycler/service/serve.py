"""`cycler serve`: control of a rack as a process, on real wires and in real time."""

import asyncio
import gc
import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import structlog

from cycler.contract.plugin import Surroundings
from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.clock import utcnow
from cycler.service.command_lines import command_socket
from cycler.service.command_server import CommandServer
from cycler.service.configuration import Configuration
from cycler.service.device_lease import driven_alone
from cycler.service.disk_watch import DiskWatch
from cycler.service.handing_over import HandoverKeeper
from cycler.service.heartbeat import Heartbeat
from cycler.service.notify import Notifier
from cycler.service.only_error import only_error
from cycler.service.peers import Peer, peer_of
from cycler.service.rack_file import load_configuration
from cycler.service.rack_in_force import in_force
from cycler.service.rack_service import RackService, rack_service
from cycler.service.sealer import Sealer

T = TypeVar("T")

STATUS_EVERY_S: Final = 5.0

log = structlog.get_logger()


def serve(config: Path) -> None:
    """Until SIGTERM or SIGINT: then all runs are stopped, outputs opened, and the journal closed.

    Raises `InvalidFile` with everything that keeps the rack from being run; `Refused` where another process drives one
    of its devices; `JournalUnusable`, `JournalFailed`,
    `NotInstalled`, `OSError` for a socket that cannot be had, `ValueError` for settings that a driver refuses.
    """
    configuration = load_configuration(config)
    store = _store(configuration)
    try:
        with (
            driven_alone(device.settings for device in configuration.devices),
            in_force(configuration, on_trouble=lambda why: log.error("rack_in_force.not_written", reason=why)),
        ):
            asyncio.run(_serve(configuration, store, Notifier(os.environ.get("NOTIFY_SOCKET"))))
    except BaseExceptionGroup as group:
        raise only_error(group) from None


async def _serve(configuration: Configuration, store: Path, notifier: Notifier) -> None:
    stop, clock = _on_signal(), asyncio.get_running_loop()
    began_s = clock.time()

    async def known(uid: int) -> Peer | None:
        return await asyncio.to_thread(peer_of, uid, configuration.users)

    async def commit(work: Callable[[], T]) -> T:
        return await clock.run_in_executor(journal_thread, work)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal") as journal_thread:
        async with asyncio.TaskGroup() as tasks:
            async with rack_service(
                configuration,
                Surroundings(utcnow=utcnow),
                store=store,
                run_blocking=asyncio.to_thread,
                commit=commit,
                rng=random.Random(),
            ) as service:
                server = CommandServer(service.commands, rack=configuration.rack.rack, peer_of=known)
                async with server.listening(command_socket(configuration.runtime)):
                    # They go on while the runs are stopped: that takes longer than a watchdog waits.
                    heartbeat = Heartbeat(service.running, lambda: notifier.tell("WATCHDOG=1"))
                    beating = tasks.create_task(heartbeat.run(), name="heartbeat")
                    keeper = HandoverKeeper(configuration, service.running)
                    keeping = tasks.create_task(keeper.keep(), name="handover")
                    disk_watch = DiskWatch(service.running, store)
                    looking = tasks.create_task(disk_watch.run(), name="disk")
                    sealer = Sealer(service.running.recorder, store, run_blocking=asyncio.to_thread)
                    sealing = tasks.create_task(sealer.run(), name="seal")
                    telling = tasks.create_task(_tell_status(service, notifier), name="status")
                    gc.collect()
                    gc.freeze()  # what lives now stays: looking through it again and again would make control late
                    missing = dict(service.running.controller.troubles)
                    ready_s = round(clock.time() - began_s, 3)
                    log.info("service.ready", rack=configuration.rack.rack, ready_s=ready_s, missing=missing)
                    notifier.tell("READY=1", f"STATUS={_status(service)}")
                    await stop.wait()
                log.info("service.stopping")
                for task in (telling, looking, sealing):
                    task.cancel()
                notifier.tell("STOPPING=1", "STATUS=stopping: outputs are opened, the record is closed")
            keeping.cancel()
            beating.cancel()
    log.info("service.stopped")


async def _tell_status(service: RackService, notifier: Notifier) -> None:
    while True:
        await asyncio.sleep(STATUS_EVERY_S)
        notifier.tell(f"STATUS={_status(service)}")


def _status(service: RackService) -> str:
    """One line for `systemctl status`."""
    running = service.running
    troubles = running.controller.troubles
    going_on = sum(bay.state in {"starting", "running"} for bay in service.bays.in_use.values())
    silent = f"; not heard: {', '.join(sorted(troubles))}" if troubles else ""
    failed = f"; the journal is not durable: {running.recorder.trouble}" if running.recorder.trouble else ""
    answering = f"{len(running.devices) - len(troubles)} of {len(running.devices)} devices answer"
    return f"{answering}, {going_on} of {len(running.rack.bays)} bays run{silent}{failed}"


def _on_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT; the stop is bounded, so that a second signal need not hurry it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _store(configuration: Configuration) -> Path:
    """Where the journal is. Raises `InvalidFile` with all that keeps this rack from being run by a service."""
    file = str(configuration.file)
    problems = list(configuration.not_yet)
    for device in configuration.devices:
        if device.settings.resource.in_process:
            message = f"{device.settings.device} is simulated inside the program, and a service runs real wires"
            hint = "`cycler sim` serves simulated instruments at addresses"
            problems.append(Problem(file=file, line=0, code="in-process", message=message, hint=hint))
    if configuration.store is None:
        hint = "give `store: {path: …}`"
        problems.append(Problem(file=file, line=0, code="no-store", message="has no store for the record", hint=hint))
    if problems or configuration.store is None:
        raise InvalidFile(problems)
    return configuration.store
