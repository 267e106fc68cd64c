"""The protections of the step in force, and of the one whose order is on its way: both allow what either allows."""

from collections.abc import Mapping
from typing import NamedTuple

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import Direction
from cycler.control.condition_watch import Quiet
from cycler.control.current_watch import NOTHING_ACCURACIES
from cycler.control.guard_changes import CHANGES, ChangeWatch, change_watches
from cycler.control.guard_seen import Seen, current_off_a, voltage_off_v
from cycler.control.guard_watch import GuardState, GuardWatch
from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import CellType
from cycler.model.results import NAS_PER_AH, Counters
from cycler.recipe.ledger_phase import envelope_of
from cycler.recipe.plan import PlanStep, StepVariant
from cycler.safety.contact_check import contact_limit_ohm
from cycler.safety.protections import QUANTITIES, Guard, GuardedQuantity, current_band_a, guards_for, widest


class ToGuard(NamedTuple):
    """A step, and with which of its phases its order begins."""

    step: PlanStep
    variant: StepVariant
    first_phase: int


class GuardRail:
    """Judges every guard with each reading that is judged at all."""

    def __init__(
        self, cell_type: CellType, channel: ChannelRange, *, temperature_measured: bool, phases_max: int
    ) -> None:
        """`phases_max`: how many phases an order may have."""
        self._cell_type = cell_type
        self._channel = channel
        self._phases_max = phases_max
        self._temperature_measured = temperature_measured
        self._lower_armed = True
        self._watches: list[GuardWatch] = []
        self._changes: list[ChangeWatch] = []

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
        self._changes = []
        if in_force is not None and in_force.step.contact is None:
            set_a = max(phase.current_a for phase in in_force.variant.different)
            armed |= {code.value: states[code.value] for code in CHANGES if code.value in states}
            self._changes = change_watches(
                self._cell_type.guards,
                armed,
                set_a=set_a,
                current_band_a=current_band_a(set_a, self._channel),
                temperature_measured=self._temperature_measured,
            )
        return dict(sorted(armed.items()))  # in one order, whatever came before

    def trips(self, seen: Seen) -> tuple[AlarmCode, str] | None:
        """What trips with this reading, if anything, and what all protections that do say.

        The first one decides. Where none has seen what a cell may show, its sensor or instrument has failed; where
        the sense wires do not show the cell, their voltage trips for them.
        """
        moved = seen.moved
        values: Mapping[GuardedQuantity, float] = {
            "voltage": seen.voltage_v,
            "current": seen.current_a,
            "temperature": seen.temperature_degc,
            "sense": seen.apart_v,
            "loop": seen.apart_v,
            "time": seen.step_time_s,
            "capacity": max(moved.charged_nas, moved.discharged_nas) / NAS_PER_AH,
            "energy": max(moved.charged_nws, moved.discharged_nws) / NAS_PER_AH,
            "cumulated": max(seen.in_ah, seen.out_ah),
            "power": abs(seen.voltage_v * seen.current_a),
            "set current": current_off_a(seen),
            "set voltage": voltage_off_v(seen, nothing_a=NOTHING_ACCURACIES * self._channel.current_accuracy_a),
        }
        tripped = [watch for watch in self._watches if watch.trips(values[watch.guard.quantity], seen.taken_s)]
        moving = [watch for watch in self._changes if watch.trips(seen)]
        if not tripped and not moving:
            return None
        found = [(watch.guard.code, watch.state.believed) for watch in tripped]
        found += [(watch.code, watch.state.believed) for watch in moving]
        code = next((code for code, believed in found if believed), AlarmCode.SENSOR_BREAK)
        if QUANTITIES.get(code) == "voltage":
            misled = [watch for watch in self._watches if watch.guard.quantity == "sense" and watch.state.count]
            if misled:
                code = AlarmCode.SENSE_OPEN
                tripped = [*misled, *tripped]
        texts = [watch.explain(values[watch.guard.quantity]) for watch in tripped]
        texts += [watch.explain(seen) for watch in moving]
        return code, "; ".join(dict.fromkeys(texts))

    def too_hot_or_cold_for(self, coming: ToGuard, temperature_degc: float) -> tuple[AlarmCode, str] | None:
        """Why a cell of this temperature must not be energised for that step."""
        for guard in self._guards_of(coming):
            if guard.quantity == "temperature" and (temperature_degc < guard.low or temperature_degc > guard.high):
                return guard.code, f"before the next step: {GuardWatch(guard).explain(temperature_degc)}"
        return None

    def narrow(self, seen: Seen, quiet: Quiet, *, entry: Counters, direction: Direction) -> None:
        """Tighten the bounds to where every guard is content. `entry`: the counters when the step began."""
        for change in self._changes:
            change.narrow(seen, quiet)
        for watch in self._watches:
            watch.narrow(seen, quiet, entry=entry, discharging=direction == "discharge")

    @property
    def pending(self) -> bool:
        """Something is violated, and is only being debounced: the next reading is wanted soon."""
        return any(watch.state.count for watch in self._watches) or any(each.state.count for each in self._changes)

    def _guards_of(self, guarded: ToGuard) -> tuple[Guard, ...]:
        return guards_for(
            guarded.step,
            guarded.variant,
            self._channel,
            temperature_measured=self._temperature_measured,
            cumulated_ah=envelope_of(self._cell_type, guarded.step.ledger_phase).capacity_ah,
            contact_ohm=contact_limit_ohm(self._cell_type),
            lower_armed=self._lower_armed,
            first_phase=guarded.first_phase,
            phases_max=self._phases_max,
        )
