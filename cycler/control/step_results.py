"""The numbers of an executed step, made once, when the step is closed."""

from math import inf, nan

from cycler.control.progress import Climate, RunProgress, StepProgress
from cycler.control.pulse_meter import Accuracy
from cycler.model.results import ChargeSource, Counters, Quality, StepResult
from cycler.recipe.plan import PlanStep


def step_result(
    run: RunProgress,
    step: StepProgress,
    plan_step: PlanStep,
    *,
    counters: Counters,
    host_nas: int,
    counter_missing: bool,
    temperature_degc_max: float,
    accuracy: Accuracy,
    host_timed: bool,
) -> StepResult:
    """`counters` and `host_nas` are the run's, now; `host_timed`: the device did not time a pulse's edge itself."""
    assert step.ended is not None  # noqa: S101 (only a step whose end was seen is closed)
    moved = counters - step.entry
    source = _charge_source(step, counter_missing=counter_missing)
    net_nas = moved.charged_nas - moved.discharged_nas
    metered, kind = step.metered, None if plan_step.meter is None else plan_step.meter.kind
    return StepResult(
        step_count=run.step_count,
        step_id=plan_step.step_id,
        step_type=plan_step.step_type,
        cycle=run.cycle,
        tag=plan_step.tag,
        started_s=step.entry_elapsed_s,
        duration_s=step.ended.duration_s,
        moved=moved,
        end_voltage_v=step.ended.voltage_v,
        end_current_a=step.ended.current_a,
        temperature_degc_max=nan if temperature_degc_max == -inf else temperature_degc_max,
        stop_reason=step.ended.stop_reason,
        stop_text=step.ended.text,
        pulse=step.pulse.points(plan_step.pulse.values_s, accuracy) if step.pulse and plan_step.pulse else (),
        train=tuple(step.train.points),
        contact_ohm=step.contact_ohm,
        ocv_v=metered.value if metered is not None and kind == "ocv" else None,
        acir_ohm=metered.value if metered is not None and kind == "acir" else None,
        measured_by=None if metered is None else metered.by,
        charge_source=source,
        witness_nas=net_nas - (host_nas - step.entry_host_nas) if source == "device" else None,
        gap_s=step.gap_s,
        bad_readings=step.bad_readings,
        quality=_quality(
            step,
            plan_step,
            host_timed=host_timed,
            off_temperature=_is_graded(plan_step) and _was_off_temperature(step, plan_step, run.climate),
            unseen=temperature_degc_max == -inf,
        ),
    )


def _charge_source(step: StepProgress, *, counter_missing: bool) -> ChargeSource:
    if step.charge_unknown:
        return "unknown"
    if not step.device_counted:
        return "host"
    return "unknown" if counter_missing else "device"


def _quality(
    step: StepProgress, plan_step: PlanStep, *, host_timed: bool, off_temperature: bool, unseen: bool
) -> tuple[Quality, ...]:
    found: list[Quality] = []
    if off_temperature:
        found.append("TEMPERATURE")
    if (plan_step.pulse is not None or plan_step.train is not None) and host_timed:
        found.append("HOST_TIMED")
    if plan_step.soak is not None and unseen:
        found.append("INFERRED")
    if step.interrupted:
        found.append("INTERRUPTED")
    elif step.gap_s:
        found.append("GAP")
    if plan_step.meter is not None and step.metered is None:
        found.append("SKIPPED")
    return tuple(found) or ("OK",)


def _is_graded(plan_step: PlanStep) -> bool:
    return plan_step.tag is not None or plan_step.pulse is not None or plan_step.meter is not None


def _was_off_temperature(step: StepProgress, plan_step: PlanStep, climate: Climate | None) -> bool:
    """A cell is judged as it enters the step, because in it the cell warms itself; at rest it is there to cool down."""
    if climate is None:
        return False
    energises = any(phase.direction != "rest" for phase in plan_step.variants[0].different)
    outside = step.entry_temperature_degc < climate.low_degc or step.entry_temperature_degc > climate.high_degc
    return step.air_was_off or (energises and outside)
