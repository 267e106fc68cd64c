"""The commands of the command socket: who may give them, what they do, and what is put on record of them.

A request is executed once, whoever asks how often, and goes on when the client that gave it has gone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, cast, get_args

from cycler.model.approval import Decision, ReleasedAs
from cycler.model.audit import AuditEntry
from cycler.model.rack import Bay, BayId, PositionId, TrayId
from cycler.recipe.canonical import content_hash
from cycler.recipe.fields import TITLE
from cycler.recipe.problems import InvalidFile, MistakeError, nearest, shown
from cycler.record.journal import JournalFailed
from cycler.record.schema import JournalUnusable
from cycler.service.abuse import refuse_unproven
from cycler.service.abuse_release import refuse_unreleased
from cycler.service.approvals import Wish, approvals_in, decided, standing
from cycler.service.bays import Bays
from cycler.service.cells_file import cells_at, cells_in
from cycler.service.command_lines import Answer, Request
from cycler.service.configuration import Configuration
from cycler.service.ledger import known_cells
from cycler.service.peers import MAY, Peer
from cycler.service.recipes import recipe_from
from cycler.service.refusal import Refused
from cycler.service.running_rack import Job, RunningRack, check_start
from cycler.service.status import status_document

Result = Mapping[str, object]

REMEMBERED_MAX: Final = 1000
"""Requests whose answers are kept for whoever asks again."""

_LINE_MAX: Final = 200

CLOSE_S_MAX: Final = 2.0

READING: Final = frozenset({"status"})
"""Commands that change nothing: they are answered anew each time, and leave no trace."""


class _Execution:
    """A request and the answers to it, as they come."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._answers: list[Answer] = []
        self._more = asyncio.Event()

    def tell(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._more.set()
        self._more = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return bool(self._answers) and self._answers[-1].answer != "accepted"

    async def answers(self) -> AsyncIterator[Answer]:
        told = 0
        while True:
            more = self._more
            while told < len(self._answers):
                yield self._answers[told]
                told += 1
            if self.is_over:
                return
            await more.wait()


class Commands:
    """Of one rack under control. Their work is done by tasks of the service, not by those of a client."""

    def __init__(
        self,
        configuration: Configuration,
        running: RunningRack,
        bays: Bays,
        tasks: asyncio.TaskGroup,
        *,
        store: Path,
    ) -> None:
        self._configuration = configuration
        self._running = running
        self._bays = bays
        self._tasks = tasks
        self._store = store
        self._run_blocking = running.run_blocking
        self._executions: dict[tuple[int, str], _Execution] = {}
        self._executing: set[asyncio.Task[None]] = set()
        self._deciding = asyncio.Lock()
        self._since_utc = running.utcnow()
        self._work: Mapping[str, Callable[[Request, Peer, Callable[[], None]], Awaitable[Result]]] = {
            "load": self._load,
            "start": self._start,
            "abort": self._abort,
            "all-off": self._all_off,
            "decide": self._decide,
        }

    async def answers(self, request: Request, peer: Peer) -> AsyncIterator[Answer]:
        """All answers to the request, the last one is `done` or `refused`."""
        if request.command in READING:
            yield Answer(id=request.id, answer="done", result=self.status())
            return
        key = (peer.uid, request.id)
        execution = self._executions.get(key)
        if execution is None:
            self._forget_oldest()
            execution = self._executions[key] = _Execution(request)
            task = self._tasks.create_task(self._execute(execution, peer), name=f"command {request.command}")
            self._executing.add(task)
            task.add_done_callback(self._executing.discard)
        elif execution.request != request:
            message = f"another request had the id {request.id}"
            yield Answer(id=request.id, answer="refused", code="id-used", message=message, hint="use a new id")
            return
        async for answer in execution.answers():
            yield answer

    async def aclose(self) -> None:
        """What is under way has a moment to come to its end. The bays are stopped already."""
        if self._executing:
            _, late = await asyncio.wait(self._executing, timeout=CLOSE_S_MAX)
            for task in late:
                task.cancel()

    def status(self) -> Result:
        """What is going on, as JSON has it."""
        return status_document(self._running, self._bays, since_utc=self._since_utc)

    def _forget_oldest(self) -> None:
        if len(self._executions) >= REMEMBERED_MAX:
            over = next((key for key, each in self._executions.items() if each.is_over), None)
            if over is not None:
                del self._executions[over]

    async def _execute(self, execution: _Execution, peer: Peer) -> None:
        request = execution.request

        def tell(answer: Answer) -> None:
            self._put_on_record(request, peer, answer)
            execution.tell(answer)

        def accepted() -> None:
            tell(Answer(id=request.id, answer="accepted"))

        def refused(code: str, message: str, hint: str = "") -> None:
            tell(Answer(id=request.id, answer="refused", code=code, message=message, hint=hint))

        if request.command not in self._work:
            refused("wrong-use", f"there is no command {shown(request.command)}", nearest(request.command, MAY))
            return
        if not peer.may(request.command):
            those = ", ".join(sorted(MAY[request.command]))
            refused("role", f"{peer.user} is {peer.role} here, and {request.command} is for: {those}")
            return
        try:
            result = await self._work[request.command](request, peer, accepted)
        except InvalidFile as error:
            problems = [problem.as_json() for problem in error.problems]
            message = str(error.problems[0])
            tell(Answer(id=request.id, answer="refused", code="invalid-file", message=message, problems=problems))
        except MistakeError as mistake:
            refused("wrong-use", mistake.message, mistake.hint)
        except Refused as error:
            refused(error.code, error.message, error.hint)
        except (JournalUnusable, JournalFailed) as error:
            refused("journal", str(error))
        else:
            tell(Answer(id=request.id, answer="done", result=result))

    def _put_on_record(self, request: Request, peer: Peer, answer: Answer) -> None:
        details = {name: text for name, text in request.arguments.items() if name not in {"recipe", "cells"}}
        told = answer.message or " ".join(f"{name}: {value}" for name, value in answer.result.items())
        self._running.recorder.audit(
            AuditEntry(
                utc=self._running.utcnow(),
                uid=peer.uid,
                user=peer.user,
                role=peer.role,
                request=request.id,
                command=request.command,
                reason=request.reason,
                answer=answer.answer,
                text=told,
                details=details,
            )
        )

    # The commands.

    async def _load(self, request: Request, _peer: Peer, _accepted: Callable[[], None]) -> Result:
        asked = _Arguments(request, "bay", "tray", "recipe", "cells", "cells_file")
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
        recipe = job.recipe.recipe
        return {"bay": bay.bay, "tray": tray, "cells": len(job.cells), "recipe": f"{recipe.recipe} {recipe.version}"}

    async def _start(self, request: Request, _peer: Peer, accepted: Callable[[], None]) -> Result:
        bay = self._bay(_Arguments(request, "bay")["bay"])
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
        outcomes = {position: self._running.controller.outcome(position) for position in run.cells}
        refused = {at: out.detail for at, out in outcomes.items() if out is not None and out.ended == "not-started"}
        return {"run": run.run_id, "started": len(run.cells) - len(refused), "refused": refused}

    async def _abort(self, request: Request, peer: Peer, accepted: Callable[[], None]) -> Result:
        positions = self._positions(_Arguments(request, "at")["at"])
        accepted()
        return _stopped(await self._bays.stop(positions, "abort", _by("aborted", request, peer)))

    async def _all_off(self, request: Request, peer: Peer, accepted: Callable[[], None]) -> Result:
        _Arguments(request)
        accepted()
        return _stopped(await self._bays.stop_all(_by("all off", request, peer)))

    async def _decide(self, request: Request, peer: Peer, _accepted: Callable[[], None]) -> Result:
        """A decision about a recipe: the service is the only writer of the store."""
        asked = _Arguments(request, "decision", "recipe", "by", optional=("author", "lasts_s"))
        if asked["decision"] not in get_args(Decision):
            raise MistakeError("decision", f"{shown(asked['decision'])} is no decision")
        recipe = await self._run_blocking(
            lambda: recipe_from(asked["recipe"], beside=self._configuration.file.parent).recipe
        )
        wish = Wish(
            decision=cast(Decision, asked["decision"]),
            recipe=recipe,
            by=_line("by", asked["by"]),
            login=peer.user,
            reason=_line("reason", request.reason),
            author=None if (author := asked.get("author")) is None else _line("author", author),
            trial=_lasting(asked.get("lasts_s")),
        )
        async with self._deciding:
            now = self._running.utcnow()
            before = await self._run_blocking(lambda: approvals_in(self._store))
            approval = decided(wish, before, now)
            self._running.recorder.approval(approval)
            await self._running.recorder.durable()
        told = standing([approval], approval.recipe_hash, now).text
        return {"recipe": f"{recipe.recipe} {recipe.version}", "hash": approval.recipe_hash, "standing": told}

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


class _Arguments:
    """Those of a request: the ones that are due, and no others."""

    def __init__(self, request: Request, *due: str, optional: tuple[str, ...] = ()) -> None:
        """Raises `MistakeError`."""
        given = request.arguments
        missing = [name for name in due if not given.get(name, "").strip()]
        unknown = [name for name in given if name not in {*due, *optional}]
        if missing or unknown:
            wrong = f"needs {missing[0]}" if missing else f"takes no {unknown[0]}"
            raise MistakeError("arguments", f"{request.command} {wrong}")
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name]

    def get(self, name: str) -> str | None:
        return self._given.get(name)


def _by(what: str, request: Request, peer: Peer) -> str:
    return f"{what} by {peer.user}: {request.reason}" if request.reason else f"{what} by {peer.user}"


def _stopped(not_open: list[PositionId]) -> Result:
    """`not_open`: cells whose relay has not been seen open."""
    return {"not_open": list(not_open)}


def _lasting(lasts_s: str | None) -> timedelta | None:
    if lasts_s is None:
        return None
    try:
        lasting = timedelta(seconds=float(lasts_s))
    except (ValueError, OverflowError):
        raise MistakeError("lasts_s", f"{shown(lasts_s)} is no number of seconds") from None
    if lasting <= timedelta():
        raise MistakeError("lasts_s", f"{shown(lasts_s)} is not above 0")
    return lasting


def _line(name: str, text: str) -> str:
    told = " ".join(text.split())
    if not told or len(told) > _LINE_MAX or not told.isprintable():
        raise MistakeError(name, f"{name} is one line of 1 to {_LINE_MAX} characters")
    return told
