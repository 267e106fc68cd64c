"""What becomes of an output when its controller is lost: who opens it, and after how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cycler.contract.capabilities import DeviceProtection, Keeps, Watchdog
from cycler.recipe.words import in_words

SAFE_OFF_S_MAX: Final = 5.0
"""Until the service's own watchdog has ended a silent controller, and safe-off has opened what it left on."""

FINISHING: Final[frozenset[DeviceProtection]] = frozenset(
    {"over_voltage", "under_voltage", "over_current", "over_charge", "time"}
)
"""What a device must keep by itself to finish a step alone."""

LossWord = Literal["stop", "finish-step", "stop-after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRule:
    """`on_controller_loss` of a device. `after_s`: of `stop-after`, how long an output may stay on at most."""

    word: LossWord = "stop"
    after_s: float | None = None

    def __str__(self) -> str:
        return self.word if self.after_s is None else f"{self.word} {in_words(self.after_s, 's')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why something cannot be so, and what would mend it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contactor:
    """The contactor of a bay: the output that holds it closed, and what drops it when nobody speaks to its device."""

    output: str
    watchdog: Watchdog | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """Somebody who opens the output. `within_s` is None where it is the end of the step in force."""

    by: str
    within_s: float | None
    why: str
    is_proven: bool = True
    needs_computer: bool = False  # comes only where the computer itself goes on


def obstacles(rule: LossRule, keeps: Keeps, *, guarded: bool) -> Iterator[Obstacle]:
    """Why a device does not qualify for what its rack file asks; none where it does.

    `guarded`: the temperature of its cells is watched by something that does not need the computer.
    """
    watchdog = _of_host(keeps.watchdog)
    if rule.word == "stop":
        return
    if rule.word == "stop-after":
        after_s = rule.after_s or 0.0
        if watchdog is None:
            yield Obstacle(
                reason=f"nothing at the device counts the {in_words(after_s, 's')} without its controller",
                remedy="write stop, or finish-step where its own limits end the step",
            )
        elif watchdog.timeout_s > after_s:
            longer = f"its watchdog opens after {in_words(watchdog.timeout_s, 's')}"
            yield Obstacle(reason=longer, remedy="allow it that long, or write stop")
        return
    if watchdog is not None:
        opens = f"its watchdog opens the output after {in_words(watchdog.timeout_s, 's')} without its controller"
        yield Obstacle(reason=f"it cannot finish a step: {opens}", remedy="write stop")
        return
    if missing := sorted(FINISHING - keeps.protections):
        reason = f"it does not keep {_listed(missing)} by itself"
        yield Obstacle(reason=reason, remedy="write stop")
    elif keeps.limit_readback == "no":
        reason = "its limits are neither read back nor proof-tested"
        yield Obstacle(reason=reason, remedy="run `cycler doctor --proof-test`, and name its record by `proof_test`")
    if "time_s" not in keeps.ends:
        yield Obstacle(reason="it does not end a step by time itself", remedy="write stop")
    if not guarded:
        yield Obstacle(
            reason="nobody watches temperatures without this computer",
            remedy="write `temperature_guard: independent` where a thermostat of its own cuts the output, else stop",
        )


def openers(rule: LossRule, keeps: Keeps, contactor: Contactor | None) -> list[Opener]:
    """Who opens an output of the device when its controller is lost, the soonest first."""
    found = []
    watchdog = _of_host(keeps.watchdog)
    if watchdog is not None:
        found.append(
            Opener(
                by="its own watchdog",
                within_s=watchdog.timeout_s,
                why="the device opens when its host falls silent",
                is_proven=watchdog.proven,
            )
        )
    if contactor is not None and (dropped := _of_host(contactor.watchdog)) is not None:
        found.append(
            Opener(
                by=f"contactor {contactor.output}",
                within_s=dropped.timeout_s,
                why="its I/O module drops it when nobody speaks to it",
                is_proven=dropped.proven,
            )
        )
    if rule.word == "finish-step":
        found.append(Opener(by="its own limits", within_s=None, why="the step in force ends by the device's own tests"))
    path = "over a connection of its own" if contactor is None else f"or opens {contactor.output} where that fails"
    safe_off = Opener(by="safe-off", within_s=SAFE_OFF_S_MAX, why=f"tells it to open, {path}", needs_computer=True)
    return sorted([*found, safe_off], key=lambda each: float("inf") if each.within_s is None else each.within_s)


def unguarded(keeps: Keeps, contactor: Contactor | None) -> Iterator[Obstacle]:
    """What leaves an output without anybody to open it, or without limits to rely on; a signed override answers for it.

    What is not proven counts as absent.
    """
    watchdog = _of_host(keeps.watchdog)
    if contactor is not None:
        return
    remedy = "give its bays a contactor, prove it by `cycler doctor --proof-test`, or sign an `override`"
    if watchdog is None or not watchdog.proven:
        what = "it has no watchdog" if watchdog is None else "its watchdog is not proven"
        yield Obstacle(reason=f"nothing opens the output when the controller is lost: {what}", remedy=remedy)
    if keeps.limit_readback == "no":
        yield Obstacle(reason="its limits are not proven, and there is no second path", remedy=remedy)


def _of_host(watchdog: Watchdog | None) -> Watchdog | None:
    return watchdog if watchdog is not None and watchdog.watches == "host" else None


def _listed(words: Sequence[str]) -> str:
    return ", ".join(word.replace("_", " ") for word in words)
