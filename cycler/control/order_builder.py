"""From a step of the plan to an order for the device: its phases, and the limits that the device must never exceed."""

from math import isfinite

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import DeviceEnd, DeviceLimits, Order, Phase
from cycler.control.machine_events import OrderDue
from cycler.recipe.plan import PlanPhase, one_order
from cycler.safety.protections import current_tolerance_a, lower_bound_v, timeout_s

LEAST_S = 1.0
"""Of an order: a rest that has lasted long enough already is over with its first reading."""


def order_for(due: OrderDue, order_id: int, channel: ChannelRange, *, phases_max: int) -> Order:
    """As many of the step's phases as the device can hold; the machine asks for the rest when they are due."""
    phases = one_order(due.variant.phases, due.first_phase, phases_max)
    envelope = due.step.envelope
    charge_a = max((p.current_a for p in phases if p.direction == "charge"), default=0.0)
    discharge_a = max((p.current_a for p in phases if p.direction == "discharge"), default=0.0)
    longest_s = max(timeout_s(due.step) - due.passed_s, LEAST_S)
    resting = all(phase.direction == "rest" for phase in phases)
    lowest_v = None if resting else lower_bound_v(due.step, due.variant, armed=due.lower_armed)
    # An open sense wire may show anything, and while the relay has never been closed that is no reason to trip.
    watched = due.step.contact_proven or not resting
    return Order(
        order_id=order_id,
        phases=tuple(
            _phase(phase, rest_v=due.rest_v, last=place == len(phases)) for place, phase in enumerate(phases, start=1)
        ),
        limits=DeviceLimits(
            voltage_v_max=envelope.voltage_v_max + envelope.trip_margin_v if watched else None,
            voltage_v_min=None if lowest_v is None else lowest_v - envelope.trip_margin_v,
            charge_current_a_max=charge_a + current_tolerance_a(charge_a, channel),
            discharge_current_a_max=discharge_a + current_tolerance_a(discharge_a, channel),
            charge_ah_max=max(envelope.capacity_ah - due.moved_ah, 0.0),
            time_s_max=longest_s if isfinite(longest_s) else None,
        ),
    )


def _phase(phase: PlanPhase, *, rest_v: float, last: bool) -> Phase:
    """The device ends a phase by itself only where another one follows it there; the last one is ended by the host."""
    ends: tuple[DeviceEnd, ...] = ()
    if phase.duration_s is not None and not last:
        ends = (DeviceEnd(quantity="time_s", relation=">=", value=phase.duration_s),)
    return Phase(
        direction=phase.direction,
        voltage_v=phase.clamp_v(rest_v),
        current_a=phase.current_a,
        power_w=phase.power_w,
        resistance_ohm=phase.resistance_ohm,
        ends=ends,
    )
