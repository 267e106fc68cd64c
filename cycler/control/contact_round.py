"""One contact check of a bay: gathers what each position shows in each stage, and says what it means.

It gives no orders; `BayController` does, and asks here when all cells have got to a barrier.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from cycler.contract.order import Phase
from cycler.contract.sweep import Reading
from cycler.model.rack import PositionId
from cycler.recipe.plan import ContactStage
from cycler.safety.contact_bay import Checked, judge_crossing, judge_tray
from cycler.safety.contact_check import judge_passive, judge_response
from cycler.safety.contact_measures import Charged, Passive, fall_v, swing_v
from cycler.safety.contact_subject import ContactSubject
from cycler.safety.contact_verdict import ContactVerdict

IDLE_READINGS = 3  # the last ones, whose median is where a cell stood before its charge

Verdicts = Mapping[PositionId, ContactVerdict]


@dataclass(slots=True)
class _Execution:
    """Of the contact step, at one position: a check that is repeated begins afresh."""

    step_count: int
    readings: dict[ContactStage, list[Reading]] = field(default_factory=dict)
    ordered: Phase | None = None  # the micro-charge, as it was ordered
    checked: Checked | None = None  # as far as it has come

    def of(self, stage: ContactStage) -> list[Reading]:
        return self.readings.setdefault(stage, [])

    def rest_before_charge(self, passive: Passive) -> Passive:
        """The end of the idle stage where that came first: crossed wires have shown the other cell's charge by then."""
        idle, charge = self.of("idle"), self.of("charge")
        if not idle or (charge and charge[0].taken_s < idle[0].taken_s):
            return passive
        return replace(passive, voltage_v=Passive.of(idle[-IDLE_READINGS:]).voltage_v)


class ContactRound:
    """All positions of the bay that are checked together."""

    def __init__(self) -> None:
        self._executions: dict[PositionId, _Execution] = {}

    def take(self, position: PositionId, reading: Reading, *, stage: ContactStage, step_count: int) -> None:
        """A reading in the execution of the contact step with this number. What is only starting is charge already."""
        execution = self._executions.get(position)
        if execution is None or execution.step_count != step_count:
            execution = self._executions[position] = _Execution(step_count)
        execution.of("charge" if reading.regulation == "starting" else stage).append(reading)

    def charges(self, position: PositionId, ordered: Phase) -> None:
        """Its micro-charge has been ordered so."""
        self._executions[position].ordered = ordered

    def judge_passive(self, subjects: Mapping[PositionId, ContactSubject], empty: Verdicts) -> Verdicts:
        """Before any current: the verdicts on these positions. `empty`: on those that should have no cell."""
        for position, subject in subjects.items():
            execution = self._executions[position]
            if execution.checked is None:
                passive = Passive.of(execution.of("passive"))
                verdict = judge_passive(subject, passive)
                execution.checked = Checked(subject=subject, passive=passive, verdict=verdict)
        return judge_tray(self._checked(subjects), empty)

    def judge_answers(self, positions: Collection[PositionId]) -> Verdicts:
        """After all of them have been charged, each while the others of its bay rested."""
        for position in positions:
            execution = self._executions[position]
            checked, ordered = execution.checked, execution.ordered
            assert checked is not None and ordered is not None  # noqa: S101 (who was not passed has not been charged)
            before = execution.rest_before_charge(checked.passive)
            charged = Charged.of(execution.of("charge"), set_a=ordered.current_a, clamp_v=ordered.voltage_v)
            fell_v = fall_v(charged, execution.of("decay"))
            execution.checked = replace(
                checked,
                passive=before,
                charged=charged,
                idle_swing_v=swing_v(execution.of("idle")),
                verdict=judge_response(checked.subject, before, charged, fell_v),
            )
        return judge_crossing(self._checked(positions))

    def _checked(self, positions: Collection[PositionId]) -> dict[PositionId, Checked]:
        found = {position: self._executions[position].checked for position in positions}
        return {position: checked for position, checked in found.items() if checked is not None}
