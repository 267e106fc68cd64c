"""The order that a cell was last told to run. A sequence knows steps, so the order's number and its time are ours."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cycler.contract.order import Direction, Phase
from cycler.contract.sweep import Regulation

SLACK_S = 1.5  # step times may come in whole seconds
SETTLED_S = 1.0  # after the checks: what stands at its voltage by then needs no current
HALF = 0.5  # of its current: more than any noise, less than what a cell far from its voltage takes
SIGNS: Mapping[Direction, float] = {"charge": 1.0, "discharge": -1.0, "rest": 0.0}

Shown = tuple[float, Regulation, int, float]
"""Current with its sign, what the output holds, phase, step time. What it holds is inferred: the instrument does not
say. It is `starting` until current flows, or has had its time to: a cell that stands at its voltage lets none flow."""


@dataclass(slots=True, kw_only=True)
class InForce:
    """Times are by the loop's clock. `started_s` is the first reading with current, in a rest the first at all."""

    order_id: int
    phases: tuple[Phase, ...]
    durations_s: tuple[float, ...]  # of the steps; empty for a rest that is no sequence
    since_s: float
    checks_s: tuple[float, ...]  # how long each phase begins without current
    short_a: float  # by so much a current falls short of its set value where the voltage holds it
    band_v: float  # this near to its voltage a cell may be held by it
    started_s: float | None = None
    began_s: list[float] = field(default_factory=list)  # when each phase did, as far as they have
    _step_time_s: float = 0.0
    _asked_s: float = 0.0
    _holds: tuple[tuple[float, float, float], ...] = ()  # of each phase: sign, V, A

    def __post_init__(self) -> None:
        self.began_s = [self.since_s]
        self._asked_s = self.since_s
        self._holds = tuple((SIGNS[phase.direction], phase.voltage_v, phase.current_a) for phase in self.phases)

    @property
    def runs(self) -> bool:
        """Whether a sequence of the instrument executes it."""
        return bool(self.durations_s)

    @property
    def phase(self) -> int:
        """The latest that is known to have begun."""
        return len(self.began_s) - 1

    def phase_at(self, now_s: float) -> int:
        """The one that ran then."""
        return max((number for number, began_s in enumerate(self.began_s) if began_s <= now_s), default=0)

    def follow(self, step_time_s: float, now_s: float) -> bool:
        """Take the time in the present step, in order of time; False where it leaves open which step that is:
        `reach` is due then."""
        passed_s = now_s - self._asked_s
        same = step_time_s >= max(self._step_time_s - 1e-3, self._step_time_s + passed_s - SLACK_S)
        overdue = now_s - self.began_s[-1] > self.durations_s[self.phase] + SLACK_S
        if self.phase + 1 == len(self.phases) or (same and not overdue):
            self.reach(self.phase, step_time_s, now_s)
            return True
        following = self.phase + 1
        is_last = following + 1 == len(self.phases)
        timed_only = all(end.quantity == "time_s" for end in self.phases[following].ends)
        if same or not (is_last or (timed_only and passed_s < self.durations_s[following])):
            return False
        self.reach(following, step_time_s, now_s)
        return True

    def reach(self, phase: int, step_time_s: float, now_s: float) -> None:
        """This one runs, for so long now; those in between have been passed."""
        self._step_time_s, self._asked_s = step_time_s, now_s
        for number in range(self.phase + 1, phase + 1):
            began_s = now_s - step_time_s - sum(self.durations_s[number:phase])
            self.began_s.append(max(began_s, self.began_s[-1]))

    def show(self, voltage_v: float, current_a: float, now_s: float) -> Shown:
        """What a reading of then says of it. Readings come in order of time."""
        number = self.phase_at(now_s) if len(self.began_s) > 1 else 0
        sign, set_v, set_a = self._holds[number]
        if sign == 0.0:
            if self.started_s is None:
                self.started_s = now_s
            return current_a, "off", number, now_s - self.started_s
        if sign < 0.0:  # the instrument may give it either sign
            current_a = -abs(current_a)
        at_voltage = (set_v - voltage_v) * sign <= self.band_v
        if self.started_s is None or self.checks_s[number]:
            settled = now_s - self.began_s[number] >= self.checks_s[number] + SETTLED_S
            flows = current_a * sign >= HALF * set_a
            if self.started_s is None:
                if not flows and not (at_voltage and settled):
                    return current_a, "starting", number, 0.0
                self.started_s = now_s
            elif not (flows or settled):
                return current_a, "starting", number, now_s - self.started_s
        regulation: Regulation = "cv" if at_voltage and current_a * sign < set_a - self.short_a else "cc"
        if math.isnan(voltage_v) or math.isnan(current_a):
            regulation = "unknown"
        return current_a, regulation, number, now_s - self.started_s

    def step_time_s(self, now_s: float) -> float:
        """0 as long as it is starting."""
        return 0.0 if self.started_s is None else max(0.0, now_s - self.started_s)

    def flows(self, current_a: float, now_s: float) -> bool:
        """Whether the order's own current does: half of it is more than any noise."""
        sign, _, set_a = self._holds[self.phase_at(now_s)]
        return sign != 0.0 and (abs(current_a) if sign < 0.0 else current_a) >= HALF * set_a
