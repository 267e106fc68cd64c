"""What a run of a recipe can take at most: the sum of its steps' own bounds, over all turns of all loops.

An upper bound on one cell, from what the recipe itself allows. What a healthy cell will really do is `expectation`'s
and the simulation's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from cycler.recipe.bounds import ABOVE, bounds
from cycler.recipe.plan import LoopEnd, LoopStart, PlanPhase, PlanStep, StepVariant

Program = Sequence[PlanStep | LoopStart | LoopEnd]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """Of one cell. Energies are counted at the highest voltage that the step allows. Pauses are not counted."""

    time_s: float = 0.0
    charge_ah: float = 0.0
    discharge_ah: float = 0.0
    charge_wh: float = 0.0
    discharge_wh: float = 0.0

    def __add__(self, other: "WorstCase") -> "WorstCase":
        return WorstCase(
            time_s=self.time_s + other.time_s,
            charge_ah=self.charge_ah + other.charge_ah,
            discharge_ah=self.discharge_ah + other.discharge_ah,
            charge_wh=self.charge_wh + other.charge_wh,
            discharge_wh=self.discharge_wh + other.discharge_wh,
        )

    def __mul__(self, times: int) -> "WorstCase":
        return WorstCase(
            time_s=self.time_s * times,
            charge_ah=self.charge_ah * times,
            discharge_ah=self.discharge_ah * times,
            charge_wh=self.charge_wh * times,
            discharge_wh=self.discharge_wh * times,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakPower:
    """The most that goes into a cell, and comes out of one, at any instant of a run; and the steps where it does."""

    charge_w: float = 0.0
    discharge_w: float = 0.0
    charge_step: str | None = None
    discharge_step: str | None = None


def worst_case(program: Program) -> WorstCase:
    """Costs no more for a loop of many turns than for one of a few."""
    return _total(program, 0, len(program), turns=1)


def peak_power(program: Program) -> PeakPower:
    """Set current times the highest voltage of the step, or its set power."""
    charge_w, discharge_w, charge_step, discharge_step = 0.0, 0.0, None, None
    for step in program:
        if not isinstance(step, PlanStep):
            continue
        for phase in (phase for variant in step.variants for phase in variant.different):
            power_w = _power_w(phase, step)
            if phase.direction == "charge" and power_w > charge_w:
                charge_w, charge_step = power_w, step.step_id
            elif phase.direction == "discharge" and power_w > discharge_w:
                discharge_w, discharge_step = power_w, step.step_id
    return PeakPower(charge_w=charge_w, discharge_w=discharge_w, charge_step=charge_step, discharge_step=discharge_step)


def most_moved_ah(step: PlanStep, variant: StepVariant, direction: Literal["charge", "discharge"]) -> float:
    """By what bounds charge, by the currents and their times, and by what the envelope lets one step move."""
    flows_ah = repetitions(variant) * sum(
        phase.current_a * _seconds(phase, step) / 3600 for phase in variant.different if phase.direction == direction
    )
    if not flows_ah:
        return 0.0
    most_ah = step.envelope.capacity_ah
    bounds_ah = [
        condition.tests[0].value * (1.0 if condition.tests[0].of_tag is None else most_ah)
        for condition in bounds(variant, "capacity", ABOVE)
    ]
    return min(flows_ah, most_ah, *bounds_ah)


def repetitions(variant: StepVariant) -> int:
    """How often its different phases come round."""
    return len(variant.phases) // len(variant.different) if variant.different else 0


def _total(program: Program, start: int, end: int, *, turns: int) -> WorstCase:
    """Of the instructions from `start` to `end`, so many turns of them."""
    found, index = WorstCase(), start
    while index < end:
        instruction = program[index]
        if isinstance(instruction, LoopStart):
            found += _total(program, index + 1, instruction.end, turns=instruction.times) * turns
            index = instruction.end
        elif isinstance(instruction, PlanStep):
            whole, rest = divmod(turns, len(instruction.variants))
            for number, variant in enumerate(instruction.variants):
                found += _of_variant(instruction, variant) * (whole + (number < rest))
        index += 1
    return found


def _of_variant(step: PlanStep, variant: StepVariant) -> WorstCase:
    charge_ah = most_moved_ah(step, variant, "charge")
    discharge_ah = most_moved_ah(step, variant, "discharge")
    energies_wh = [
        condition.tests[0].value for condition in bounds(variant, "energy", ABOVE) if condition.tests[0].of_tag is None
    ]
    return WorstCase(
        time_s=step.time_s_max,
        charge_ah=charge_ah,
        discharge_ah=discharge_ah,
        charge_wh=min(charge_ah * _highest_v(variant, step, "charge"), *energies_wh, inf),
        discharge_wh=min(discharge_ah * _highest_v(variant, step, "discharge"), *energies_wh, inf),
    )


def _seconds(phase: PlanPhase, step: PlanStep) -> float:
    return step.time_s_max if phase.duration_s is None else phase.duration_s


def _highest_v(variant: StepVariant, step: PlanStep, direction: str) -> float:
    phases = [phase for phase in variant.different if phase.direction == direction]
    return max((_voltage_v(phase, step) for phase in phases), default=0.0)


def _voltage_v(phase: PlanPhase, step: PlanStep) -> float:
    """A charge stays below its target or clamp; a discharge begins with what the cell has."""
    if phase.direction == "charge" and isfinite(phase.voltage_v):
        return phase.voltage_v
    return step.envelope.voltage_v_max


def _power_w(phase: PlanPhase, step: PlanStep) -> float:
    if phase.direction == "rest":
        return 0.0
    if phase.power_w is not None:
        return phase.power_w
    if phase.resistance_ohm:
        return min(phase.current_a * _voltage_v(phase, step), step.envelope.voltage_v_max**2 / phase.resistance_ohm)
    return phase.current_a * _voltage_v(phase, step)
