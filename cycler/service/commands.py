"""The commands of the command socket: who may give them, what they do, and what is put on record of them.

A request is executed once, whoever asks how often, and goes on when the client that gave it has gone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Final

from cycler.model.audit import AuditEntry
from cycler.recipe.problems import InvalidFile, MistakeError, nearest, shown
from cycler.record.journal import JournalFailed
from cycler.record.schema import JournalUnusable
from cycler.safety.alarm_states import AlarmRefused
from cycler.service.bays import Bays
from cycler.service.command_lines import Answer, Request, written
from cycler.service.command_work import Result, Work
from cycler.service.peers import MAY, Peer
from cycler.service.refusal import Refused
from cycler.service.running_rack import RunningRack
from cycler.service.status import status_document

REMEMBERED_MAX: Final = 1000
"""Requests whose answers are kept for whoever asks again."""

DETAIL_MAX: Final = 200
"""How much of an argument is put on record: recipes and cells are found with the run."""

CLOSE_S_MAX: Final = 2.0

STATUS_S_MIN: Final = 0.2
"""How old a status may be: many who look at a large rack must not make control late."""

READING: Final = frozenset({"status"})
"""Commands that change nothing: they are answered anew each time, and leave no trace."""


class _Execution:
    """A request and the answers to it, as they come."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest  # of the request: recipes and lists of cells are too large to be kept
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

    def __init__(self, running: RunningRack, bays: Bays, work: Mapping[str, Work], tasks: asyncio.TaskGroup) -> None:
        """`work`: what each command does, by its name."""
        self._running = running
        self._bays = bays
        self._tasks = tasks
        self._executions: dict[tuple[int, str], _Execution] = {}
        self._executing: set[asyncio.Task[None]] = set()
        self._status: Result | None = None
        self._status_s = 0.0
        self._since_utc = running.utcnow()
        self._work = work

    async def answers(self, request: Request, peer: Peer) -> AsyncIterator[Answer]:
        """All answers to the request, the last one is `done` or `refused`."""
        if request.command in READING:
            yield Answer(id=request.id, answer="done", result=self.status())
            return
        key, digest = (peer.uid, request.id), sha256(written(request)).digest()
        execution = self._executions.get(key)
        if execution is None:
            self._forget_oldest()
            execution = self._executions[key] = _Execution(digest)
            work = self._execute(request, execution, peer)
            task = self._tasks.create_task(work, name=f"command {request.command}")
            self._executing.add(task)
            task.add_done_callback(self._executing.discard)
        elif execution.digest != digest:
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
        """What is going on, as JSON has it. Whoever asks again at once gets the same."""
        now_s = asyncio.get_running_loop().time()
        if self._status is None or now_s - self._status_s >= STATUS_S_MIN:
            self._status = status_document(self._running, self._bays, since_utc=self._since_utc)
            self._status_s = now_s
        return self._status

    def _forget_oldest(self) -> None:
        if len(self._executions) >= REMEMBERED_MAX:
            over = next((key for key, each in self._executions.items() if each.is_over), None)
            if over is not None:
                del self._executions[over]

    async def _execute(self, request: Request, execution: _Execution, peer: Peer) -> None:
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
        except AlarmRefused as error:
            refused("alarm", str(error))
        except (JournalUnusable, JournalFailed) as error:
            refused("journal", str(error))
        else:
            tell(Answer(id=request.id, answer="done", result=result))

    def _put_on_record(self, request: Request, peer: Peer, answer: Answer) -> None:
        details = {name: text[:DETAIL_MAX] for name, text in request.arguments.items()}
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
