"""A plan in the words of a recipe, and a bench on which a step machine meets a cell that is easy to predict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import inf

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import ChannelId, Regulation, Sweep
from cycler.control.machine_events import EdgeDue, MachineEvent, OrderDue, RunOver, SampleDue, StepEnded
from cycler.control.step_machine import StepMachine
from cycler.model.cell_type import CellType, Envelope
from cycler.model.results import Sample, StepResult
from cycler.recipe.plan import (
    Comparison,
    Condition,
    LoopEnd,
    LoopStart,
    Outcome,
    Plan,
    PlanPhase,
    PlanStep,
    PulseRule,
    RecordRule,
    StepVariant,
    one_order,
)

ENVELOPE = Envelope(
    voltage_v_min=2.5,
    voltage_v_max=4.2,
    charge_current_a=5.0,
    discharge_current_a=5.0,
    charge_temperature_degc=(0.0, 45.0),
    discharge_temperature_degc=(-10.0, 55.0),
    capacity_ah=6.0,
)
CELL_TYPE = CellType(
    name="toy",
    chemistry="NMC",
    rated_capacity_ah=5.0,
    rated_energy_wh=18.0,
    mass_kg=0.07,
    envelopes={"formed": ENVELOPE},
    required_protections=frozenset({1, 2, 3, 4, 6}),
)
CHANNEL = ChannelRange(
    voltage_v_min=0.0,
    voltage_v_max=5.0,
    charge_current_a_max=10.0,
    discharge_current_a_max=10.0,
    power_w_max=50.0,
    voltage_accuracy_v=0.001,
    current_accuracy_a=0.001,
    voltage_resolution_v=1e-4,
    current_resolution_a=1e-4,
)
START_UTC = datetime(2026, 1, 1, tzinfo=UTC)


def compare(quantity: str, relation: str, value: float, **more: object) -> Comparison:
    return Comparison(quantity=quantity, relation=relation, value=value, **more)  # type: ignore[arg-type]


def until(
    *tests: Comparison,
    outcome: str = "next",
    code: str | None = None,
    goto: int | None = None,
    samples: int = 1,
    **more: object,
) -> Condition:
    text = " and ".join(f"{t.quantity} {t.relation} {t.value:g}" for t in tests)
    return Condition(
        tests=tests,
        outcome=Outcome(kind=outcome, code=code, goto=goto),  # type: ignore[arg-type]
        samples=samples,
        text=text,
        **more,  # type: ignore[arg-type]
    )


def step(
    kind: str, *phases: PlanPhase, ends: Sequence[Condition] = (), fails: Sequence[Condition] = (), **more: object
) -> PlanStep:
    named: dict[str, object] = {
        "step_id": kind, "path": "1", "line": 1, "tag": None, "record": RecordRule(every_s=10.0), "envelope": ENVELOPE,
        "time_s_max": 100_000.0,
    }  # fmt: skip
    named.update(more)
    variant = StepVariant(phases=phases, until=tuple(ends), fail=tuple(fails))
    return PlanStep(step_type=kind, variants=(variant,), **named)  # type: ignore[arg-type]


def charge(current_a: float, *ends: Condition, voltage_v: float = 4.2, cv: bool = False, **more: object) -> PlanStep:
    phase = PlanPhase(direction="charge", current_a=current_a, voltage_v=voltage_v, holds_voltage=cv)
    return step("charge", phase, ends=ends, **more)  # type: ignore[arg-type]


def discharge(current_a: float, *ends: Condition, voltage_v: float = 2.5, **more: object) -> PlanStep:
    return step(
        "discharge", PlanPhase(direction="discharge", current_a=current_a, voltage_v=voltage_v), ends=ends, **more
    )  # type: ignore[arg-type]


def rest(time_s: float, **more: object) -> PlanStep:
    return step("rest", PlanPhase(direction="rest"), ends=[until(compare("time", ">=", time_s))], **more)  # type: ignore[arg-type]


def pulse(current_a: float, time_s: float, values_s: tuple[float, ...]) -> PlanStep:
    phase = PlanPhase(direction="discharge", current_a=current_a, voltage_v=2.5, duration_s=time_s)
    return step("dcir", phase, pulse=PulseRule(values_s=values_s))


def plan(*program: PlanStep | LoopStart | LoopEnd, cell_type: CellType = CELL_TYPE) -> Plan:
    return Plan(
        recipe="toy",
        version="1.0.0",
        recipe_hash="0" * 64,
        cell_type=cell_type,
        from_states=("formed",),
        to_state=None,
        program=program,
    )


@dataclass
class Bench:
    """A device with one channel and a cell: OCV 3.0 V empty to 4.2 V full, 50 mOhm, and what is done to it."""

    machine: StepMachine
    dt_s: float = 1.0
    capacity_ah: float = 5.0
    soc: float = 0.5
    ohm: float = 0.05
    contact_ohm: float | None = None  # of a device that measures its output, too
    order_takes: int = 1  # readings between an order and its being in force
    temperature_degc: float = 25.0
    counter: bool = False
    phases_max: int = 1
    reports_cv: bool = True
    disturb: Callable[["Bench", float, float], tuple[float, float]] | None = None
    time_s: float = 0.0
    order_id: int = 0
    events: list[MachineEvent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    readings: int = 0
    _coming: list[tuple[int, int, tuple[PlanPhase, ...]]] = field(default_factory=list)
    _phases: tuple[PlanPhase, ...] = (PlanPhase(direction="rest"),)
    _since_s: float = 0.0
    _last_id: int = 0
    _charged_ah: float = 0.0
    _discharged_ah: float = 0.0

    @property
    def results(self) -> list[StepResult]:
        return [event.result for event in self.events if isinstance(event, StepEnded)]

    @property
    def over(self) -> RunOver:
        return next(event for event in self.events if isinstance(event, RunOver))

    @property
    def kept(self) -> int:
        return sum(isinstance(event, SampleDue) for event in self.events)

    def start(self) -> "Bench":
        self.take(self.machine.start(self.time_s))
        return self

    def run(self, seconds: float = inf) -> "Bench":
        """Until the run is closed, or for so long."""
        end_s = self.time_s + min(seconds, 1e6)
        while self.time_s < end_s and not self.machine.closed:
            self.tick()
        return self

    def tick(self) -> None:
        self.take(self.machine.advance(self.measure(), 0, self.temperature_degc))

    def take(self, events: Sequence[MachineEvent]) -> None:
        self.events.extend(events)
        for event in events:
            if isinstance(event, SampleDue):
                self.samples.append(self._present())
            elif isinstance(event, EdgeDue):
                self.samples.append(event.sample)
            elif isinstance(event, OrderDue):
                self._last_id += 1
                self.machine.ordered(self._last_id)
                phases = one_order(event.variant.phases, event.first_phase, self.phases_max)
                self._coming.append((self.order_takes, self._last_id, phases))
            elif isinstance(event, RunOver):
                self._coming = [(self.order_takes, 0, (PlanPhase(direction="rest"),))]

    def _present(self) -> Sample:
        machine = self.machine
        return Sample(
            elapsed_s=machine.elapsed_s,
            step_count=machine.step_count,
            step_time_s=machine.step_time_s,
            cycle=machine.cycle,
            voltage_v=machine.voltage_v,
            current_a=machine.current_a,
            temperature_degc=machine.temperature_degc,
            counters=machine.counters,
        )

    def open_by_itself(self) -> None:
        """The device opens its output, without an order."""
        self.order_id, self._phases, self._coming = 0, (PlanPhase(direction="rest"),), []

    def measure(self) -> Sweep:
        self.time_s += self.dt_s
        self.readings += 1
        current_a, _ = self._output()
        self.soc += current_a * self.dt_s / 3600 / self.capacity_ah
        self._charged_ah += max(current_a, 0.0) * self.dt_s / 3600
        self._discharged_ah += max(-current_a, 0.0) * self.dt_s / 3600
        self._coming = [(left - 1, order, phase) for left, order, phase in self._coming]
        if self._coming and self._coming[0][0] <= 0:
            _, self.order_id, self._phases = self._coming.pop(0)
            self._since_s = self.time_s
        current_a, regulation = self._output()
        voltage_v = output_v = self.ocv_v + current_a * self.ohm
        if self.disturb is not None:
            voltage_v, current_a = self.disturb(self, voltage_v, current_a)
        return Sweep(
            taken_s=self.time_s,
            taken_utc=START_UTC + timedelta(seconds=self.time_s),
            channels=(ChannelId("1"),),
            voltage_v=[voltage_v],
            current_a=[current_a],
            regulation=[regulation],
            order_id=[self.order_id],
            phase=[self._phase()],
            step_time_s=[self.time_s - self._since_s],
            output_v=None if self.contact_ohm is None else [output_v + current_a * self.contact_ohm],
            charged_ah=[self._charged_ah] if self.counter else None,
            discharged_ah=[self._discharged_ah] if self.counter else None,
        )

    @property
    def ocv_v(self) -> float:
        return 3.0 + 1.2 * self.soc

    def _phase(self) -> int:
        """The device goes from phase to phase by its own clock."""
        ends = accumulate(phase.duration_s or inf for phase in self._phases)
        return min(sum(end_s <= self.time_s - self._since_s for end_s in ends), len(self._phases) - 1)

    def _output(self) -> tuple[float, Regulation]:
        current_a, regulation = self._drive(self._phases[self._phase()])
        return current_a, regulation if self.reports_cv or regulation == "off" else "unknown"

    def _drive(self, phase: PlanPhase) -> tuple[float, Regulation]:
        if phase.direction == "rest":
            return 0.0, "off"
        at_limit_a = (phase.voltage_v - self.ocv_v) / self.ohm
        if phase.direction == "charge":
            return (phase.current_a, "cc") if at_limit_a >= phase.current_a else (max(at_limit_a, 0.0), "cv")
        return (-phase.current_a, "cc") if at_limit_a <= -phase.current_a else (min(at_limit_a, 0.0), "cv")


def machine_for(the_plan: Plan, *, temperature_measured: bool = True, phases_max: int = 1) -> StepMachine:
    return StepMachine(the_plan, CHANNEL, temperature_measured=temperature_measured, phases_max=phases_max)


def started(the_plan: Plan, *, temperature_measured: bool = True, phases_max: int = 1, **more: object) -> Bench:
    """A bench that has started this plan."""
    machine = machine_for(the_plan, temperature_measured=temperature_measured, phases_max=phases_max)
    return Bench(machine, phases_max=phases_max, **more).start()  # type: ignore[arg-type]
