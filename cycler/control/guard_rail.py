"""The protections of the step in force, and of the one whose order is on its way: both allow what either allows."""

from collections.abc import Mapping
from typing import NamedTuple

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import Direction
from cycler.control.condition_watch import Quiet
from cycler.control.guard_watch import GuardState, GuardWatch
from cycler.model.alarm import AlarmCode
from cycler.model.results import NAS_PER_AH, Counters
from cycler.recipe.plan import PlanStep, StepVariant
from cycler.safety.protections import Guard, GuardedQuantity, guards_for, widest


class ToGuard(NamedTuple):
    """A step, and with which of its phases its order begins."""

    step: PlanStep
    variant: StepVariant
    first_phase: int


class GuardRail:
    """Judges every guard with each reading that is judged at all."""

    def __init__(self, channel: ChannelRange, *, temperature_measured: bool, phases_max: int) -> None:
        """`phases_max`: how many phases an order may have."""
        self._channel = channel
        self._phases_max = phases_max
        self._temperature_measured = temperature_measured
        self._lower_armed = True
        self._watches: list[GuardWatch] = []

    def arm(
        self,
        in_force: ToGuard | None,
        awaited: ToGuard | None,
        states: Mapping[int, GuardState],
        *,
        lower_armed: bool,
    ) -> dict[int, GuardState]:
        """Watch from now on what these two need. Returns the states, by alarm code; those that were there go on.

        `lower_armed`: whether the formed envelope's lower bound guards the cell yet.
        """
        self._lower_armed = lower_armed
        guards = () if in_force is None else self._guards_of(in_force)
        if awaited is not None:
            guards = widest(guards, self._guards_of(awaited))
        armed = {guard.code.value: states.get(guard.code.value, GuardState()) for guard in guards}
        self._watches = [GuardWatch(guard, armed[guard.code.value]) for guard in guards]
        return armed

    def trips(
        self,
        *,
        taken_s: float,
        voltage_v: float,
        current_a: float,
        temperature_degc: float,
        apart_v: float,
        step_time_s: float,
        moved: Counters,
    ) -> tuple[AlarmCode, str] | None:
        """What trips with this reading, if anything, and what all guards that do say. `moved` is in this step.

        The first guard decides. Where none has seen what a cell may show, its sensor or instrument has failed; where
        the sense wires do not show the cell, their voltage trips for them.
        """
        values: Mapping[GuardedQuantity, float] = {
            "voltage": voltage_v,
            "current": current_a,
            "temperature": temperature_degc,
            "sense": apart_v,
            "time": step_time_s,
            "capacity": max(moved.charged_nas, moved.discharged_nas) / NAS_PER_AH,
        }
        tripped = [watch for watch in self._watches if watch.trips(values[watch.guard.quantity], taken_s)]
        if not tripped:
            return None
        believed = [watch for watch in tripped if watch.state.believed]
        code = believed[0].guard.code if believed else AlarmCode.SENSOR_BREAK
        if believed and believed[0].guard.quantity == "voltage":
            misled = [watch for watch in self._watches if watch.guard.quantity == "sense" and watch.state.count]
            if misled:
                code = AlarmCode.SENSE_OPEN
                tripped = [*misled, *tripped]
        texts = dict.fromkeys(watch.explain(values[watch.guard.quantity]) for watch in tripped)
        return code, "; ".join(texts)

    def too_hot_or_cold_for(self, coming: ToGuard, temperature_degc: float) -> tuple[AlarmCode, str] | None:
        """Why a cell of this temperature must not be energised for that step."""
        for guard in self._guards_of(coming):
            if guard.quantity == "temperature" and (temperature_degc < guard.low or temperature_degc > guard.high):
                return guard.code, f"before the next step: {GuardWatch(guard).explain(temperature_degc)}"
        return None

    def narrow(self, quiet: Quiet, *, entry: Counters, direction: Direction) -> None:
        """Tighten the bounds to where every guard is content. `entry`: the counters when the step began."""
        charged_nas, discharged_nas = entry.charged_nas, entry.discharged_nas
        along_nas, against_nas = (
            (discharged_nas, charged_nas) if direction == "discharge" else (charged_nas, discharged_nas)
        )
        for watch in self._watches:
            watch.narrow(quiet, entry_moved_nas=along_nas, entry_against_nas=against_nas)

    @property
    def pending(self) -> bool:
        """Something is violated, and is only being debounced: the next reading is wanted soon."""
        return any(watch.state.count for watch in self._watches)

    def _guards_of(self, guarded: ToGuard) -> tuple[Guard, ...]:
        return guards_for(
            guarded.step,
            guarded.variant,
            self._channel,
            temperature_measured=self._temperature_measured,
            lower_armed=self._lower_armed,
            first_phase=guarded.first_phase,
            phases_max=self._phases_max,
        )
