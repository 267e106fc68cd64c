"""What the commands of a rack do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import cast, get_args

from cycler.model.approval import Decision, ReleasedAs
from cycler.model.cell import CellId
from cycler.model.rack import Bay, BayId, PositionId, TrayId
from cycler.recipe.canonical import content_hash
from cycler.recipe.fields import TITLE
from cycler.recipe.problems import MistakeError, nearest, shown
from cycler.service.abuse import refuse_abuse, refuse_unproven
from cycler.service.abuse_release import Signing, refuse_unreleased, release_in, signed
from cycler.service.approvals import Wish, approvals_in, decided, standing
from cycler.service.bays import Bays
from cycler.service.cells_file import cells_at, cells_in
from cycler.service.command_arguments import Arguments, as_line, as_number, as_time
from cycler.service.command_lines import Request
from cycler.service.configuration import Configuration
from cycler.service.ledger import known_cells
from cycler.service.peers import Peer
from cycler.service.recipes import recipe_from
from cycler.service.refusal import Refused
from cycler.service.running_rack import Job, RunningRack, check_start

Result = Mapping[str, object]
Work = Callable[[Request, Peer, Callable[[], None]], Awaitable[Result]]
"""The request, who makes it, and the call that says that it is being done."""


class CommandWork:
    """Of one rack under control.

    Every command raises `MistakeError` and `InvalidFile` for what it cannot use, `Refused` and `AlarmRefused` for what
    may not be, `JournalUnusable` and `JournalFailed`.
    """

    def __init__(self, configuration: Configuration, running: RunningRack, bays: Bays, *, store: Path) -> None:
        self._configuration = configuration
        self._running = running
        self._bays = bays
        self._store = store
        self._run_blocking = running.run_blocking
        self._deciding = asyncio.Lock()
        self.by_name: Mapping[str, Work] = {
            "load": self._load,
            "start": self._start,
            "resume": self._resume,
            "abort": self._abort,
            "all-off": self._all_off,
            "ack": self._ack,
            "shelve": self._shelve,
            "unshelve": self._unshelve,
            "out-of-service": self._out_of_service,
            "in-service": self._in_service,
            "reset": self._reset,
            "decide": self._decide,
            "sign": self._sign,
        }

    async def _load(self, request: Request, _peer: Peer, _accepted: Callable[[], None]) -> Result:
        asked = Arguments(request, "bay", "tray", "recipe", "cells", "cells_file")
        bay = self._bay(asked["bay"])
        tray = asked["tray"]
        if not TITLE.fullmatch(tray):
            raise MistakeError("tray", f"{shown(tray)} is no tray", "letters, digits, - _ and ., 100 at most")

        beside = self._bays.beside(bay.bay)

        def judged() -> Job:
            recipe = recipe_from(asked["recipe"], beside=self._configuration.file.parent)
            listed = cells_in(asked["cells"], file=asked["cells_file"], cell_type=recipe.cell_type)
            cells = cells_at(listed, bay, recipe, known_cells(self._store))
            job = Job(bay=bay.bay, tray=TrayId(tray), cells=cells, recipe=recipe)
            check_start(self._configuration, [*beside, job])
            self._released_as(job)
            return job

        job = await self._run_blocking(judged)
        self._bays.load(job)
        await self._running.recorder.durable()
        recipe = job.recipe.recipe
        return {"bay": bay.bay, "tray": tray, "cells": len(job.cells), "recipe": f"{recipe.recipe} {recipe.version}"}

    async def _start(self, request: Request, _peer: Peer, accepted: Callable[[], None]) -> Result:
        bay = self._bay(Arguments(request, "bay")["bay"])
        job = self._bays.loaded(bay.bay)
        beside = self._bays.beside(bay.bay)

        def judged() -> ReleasedAs:
            check_start(self._configuration, [*beside, job])
            return self._released_as(job)

        released_as = await self._run_blocking(judged)
        if self._bays.loaded(bay.bay) is not job:
            raise Refused("bay-busy", f"bay {bay.bay} was loaded anew meanwhile")
        accepted()
        run = await self._bays.start(job, released_as=released_as)
        await self._running.recorder.durable()
        outcomes = {position: self._running.controller.outcome(position) for position in run.cells}
        refused = {at: out.detail for at, out in outcomes.items() if out is not None and out.ended == "not-started"}
        return {"run": run.run_id, "started": len(run.cells) - len(refused), "refused": refused}

    async def _resume(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        """A recipe's `hold` is answered, or a cell that waits since control was lost goes on."""
        positions = self._positions(Arguments(request, "at")["at"])
        controller = self._running.controller
        resumed = controller.answer(positions, _by("answered", request, peer))
        try:
            resumed += await controller.resumer.release(
                positions, _by("resumed", request, peer), is_engineer=peer.role in {"engineer", "admin"}
            )
        except ValueError as error:
            raise Refused("not-ready", str(error)) from None
        if not resumed:
            raise Refused("not-held", f"no cell at {request.arguments['at']} waits for a person")
        return {"resumed": list(resumed)}

    async def _abort(self, request: Request, peer: Peer, accepted: Callable[[], None]) -> Result:
        positions = self._positions(Arguments(request, "at")["at"])
        accepted()
        return _stopped(await self._bays.stop(positions, "abort", _by("aborted", request, peer)))

    async def _all_off(self, request: Request, peer: Peer, accepted: Callable[[], None]) -> Result:
        Arguments(request)
        accepted()
        return _stopped(await self._bays.stop_all(_by("all off", request, peer)))

    async def _ack(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        number = as_number(Arguments(request, "alarm")["alarm"])
        alarm = self._running.controller.alarms.acknowledge(number, by=peer.user, reason=request.reason)
        return {"alarm": number, "state": alarm.state}

    async def _shelve(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        asked = Arguments(request, "alarm", "for_s")
        number, lasting = as_number(asked["alarm"]), as_time(asked["for_s"])
        reason = as_line("reason", request.reason)
        alarm = self._running.controller.alarms.shelve(
            number, by=peer.user, reason=reason, for_s=lasting.total_seconds()
        )
        return {"alarm": number, "state": alarm.state}

    async def _unshelve(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        number = as_number(Arguments(request, "alarm")["alarm"])
        return {"alarm": number, "state": self._running.controller.alarms.unshelve(number, by=peer.user).state}

    async def _out_of_service(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        number, reason = as_number(Arguments(request, "alarm")["alarm"]), as_line("reason", request.reason)
        return {
            "alarm": number,
            "state": self._running.controller.alarms.remove(number, by=peer.user, reason=reason).state,
        }

    async def _in_service(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        number = as_number(Arguments(request, "alarm")["alarm"])
        return {"alarm": number, "state": self._running.controller.alarms.restore(number, by=peer.user).state}

    async def _reset(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        """What a trip has latched is released, where its cause is gone; nothing is started."""
        what = Arguments(request, "what")["what"]
        refusal = self._running.controller.reset(what, person=peer.user, reason=as_line("reason", request.reason))
        if refusal is not None:
            raise Refused("reset", f"{what} stays as it is: {refusal}")
        await self._running.recorder.durable()
        return {"reset": what}

    async def _decide(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        """A decision about a recipe: the service is the only writer of the store."""
        asked = Arguments(request, "decision", "recipe", "by", optional=("author", "lasts_s"))
        if asked["decision"] not in get_args(Decision):
            raise MistakeError("decision", f"{shown(asked['decision'])} is no decision")
        recipe = await self._run_blocking(
            lambda: recipe_from(asked["recipe"], beside=self._configuration.file.parent).recipe
        )
        wish = Wish(
            decision=cast(Decision, asked["decision"]),
            recipe=recipe,
            by=as_line("by", asked["by"]),
            login=peer.user,
            reason=as_line("reason", request.reason),
            author=None if (author := asked.get("author")) is None else as_line("author", author),
            trial=None if (lasts_s := asked.get("lasts_s")) is None else as_time(lasts_s),
        )
        async with self._deciding:
            now = self._running.utcnow()
            before = await self._run_blocking(lambda: approvals_in(self._store))
            approval = decided(wish, before, now)
            self._running.recorder.approval(approval)
            await self._running.recorder.durable()
        told = standing([approval], approval.recipe_hash, now).text
        return {"recipe": f"{recipe.recipe} {recipe.version}", "hash": approval.recipe_hash, "standing": told}

    async def _sign(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        """One person's word for an abuse test of one cell; the account is the one that asks, not one that it names."""
        asked = Arguments(request, "recipe", "cell", "by", "lasts_s")
        recipe = await self._run_blocking(
            lambda: recipe_from(asked["recipe"], beside=self._configuration.file.parent).recipe
        )
        refuse_abuse(self._configuration.rack, recipe)
        signing = Signing(
            recipe=recipe,
            cell_id=CellId(as_line("cell", asked["cell"])),
            by=as_line("by", asked["by"]),
            login=peer.user,
            reason=as_line("reason", request.reason),
            lasts=as_time(asked["lasts_s"]),
        )
        signature = signed(signing, self._running.utcnow())
        self._running.recorder.signature(signature)
        await self._running.recorder.durable()
        told = await self._run_blocking(lambda: release_in(self._store, recipe, signing.cell_id, signature.utc).text)
        return {"recipe": f"{recipe.recipe} {recipe.version}", "hash": signature.recipe_hash, "standing": told}

    # What they have in common.

    def _released_as(self, job: Job) -> ReleasedAs:
        """By what right it may run. Raises `Refused` without any."""
        recipe, now = job.recipe.recipe, self._running.utcnow()
        if recipe.purpose == "abuse":
            rack = self._configuration.rack
            refuse_unproven(rack, rack.bays[job.bay], recipe, now.date())
            for cell in job.cells.values():
                refuse_unreleased(self._store, recipe, cell.cell_id, now)
            return "abuse"
        stands = standing(approvals_in(self._store), content_hash(recipe), now)
        if not stands.may_run or stands.latest is None:
            message = f"{recipe.recipe} {recipe.version} may not run on real cells: {stands.text}"
            hint = "a second person lets it with `cycler recipe approve`, anybody for a time with `cycler recipe trial`"
            raise Refused("not-released", message, hint)
        return "trial" if stands.latest.decision == "trial" else "approved"

    def _bay(self, name: str) -> Bay:
        bay = self._configuration.rack.bays.get(BayId(name))
        if bay is None:
            raise MistakeError("bay", f"there is no bay {shown(name)}", nearest(name, self._configuration.rack.bays))
        return bay

    def _positions(self, at: str) -> list[PositionId]:
        """`B01`, or `B01/A3`."""
        bay = self._bay(at.partition("/")[0])
        if "/" not in at:
            return list(bay.positions)
        if at not in bay.positions:
            raise MistakeError("position", f"there is no position {shown(at)}", nearest(at, bay.positions))
        return [PositionId(at)]


def _by(what: str, request: Request, peer: Peer) -> str:
    return f"{what} by {peer.user}: {request.reason}" if request.reason else f"{what} by {peer.user}"


def _stopped(not_open: list[PositionId]) -> Result:
    """`not_open`: cells whose relay has not been seen open."""
    return {"not_open": list(not_open)}
