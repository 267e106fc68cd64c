"""An order for a joined channel, shared out evenly; and what the sub-channels' answers say of it together.

All of them get the same voltage. While current is regulated each gives its share. Near the voltage the one whose set
value lies lowest, by their errors, tapers first and ends at nothing, then the next; the last one holds the voltage. It
carries its share at most, for nobody's limit is more than that, so the current only falls, as it should.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import fsum, nextafter

from cycler.contract.order import Applied, DeviceLimits, Order, Phase


def share(value: float, parts: int) -> float:
    """So many of these are never more than the whole, whatever rounding does."""
    one = value / parts
    return one if not fsum([one] * parts) > value else nextafter(one, 0.0)


def shared_order(order: Order, parts: int) -> Order:
    """What each of so many sub-channels is ordered.

    The charge that each may move is that of all: which of them moves how much in CV is known to nobody beforehand.
    """
    limits = order.limits
    return replace(
        order,
        phases=tuple(_shared_phase(phase, parts) for phase in order.phases),
        limits=replace(
            limits,
            charge_current_a_max=_shared(limits.charge_current_a_max, parts),
            discharge_current_a_max=_shared(limits.discharge_current_a_max, parts),
            power_w_max=_shared(limits.power_w_max, parts),
        ),
    )


def refusal(order: Order) -> str | None:
    """Why sub-channels cannot execute it together: ends that each would come to at a time of its own."""
    ends = {end.quantity for phase in order.phases for end in phase.ends} - {"time_s"}
    if ends:
        return f"order {order.order_id} refused: channels in parallel end no phase by {', '.join(sorted(ends))}"
    return None


def joined_answer(order: Order, answers: Sequence[Applied]) -> Applied:
    """Of all sub-channels, each of which holds its share."""
    return Applied(
        order_id=order.order_id,
        phases=tuple(
            _joined_phase(ordered, [answer.phases[number] for answer in answers])
            for number, ordered in enumerate(order.phases)
        ),
        limits=_joined_limits([answer.limits for answer in answers]),
    )


def _shared_phase(phase: Phase, parts: int) -> Phase:
    return replace(
        phase,
        current_a=share(phase.current_a, parts),
        power_w=_shared(phase.power_w, parts),
        resistance_ohm=None if phase.resistance_ohm is None else phase.resistance_ohm * parts,
    )


def _shared(value: float | None, parts: int) -> float | None:
    return None if value is None else share(value, parts)


def _joined_phase(ordered: Phase, achieved: Sequence[Phase]) -> Phase:
    if ordered.direction == "rest":
        return achieved[0]
    outermost = max if ordered.direction == "charge" else min
    return replace(
        ordered,
        voltage_v=outermost(phase.voltage_v for phase in achieved),
        current_a=min(fsum(phase.current_a for phase in achieved), ordered.current_a),
        power_w=_sum(phase.power_w for phase in achieved),
        resistance_ohm=_in_parallel(phase.resistance_ohm for phase in achieved),
    )


def _joined_limits(limits: Sequence[DeviceLimits]) -> DeviceLimits:
    """Nobody keeps the charge of all of them."""
    return DeviceLimits(
        voltage_v_max=_all(max, (each.voltage_v_max for each in limits)),
        voltage_v_min=_all(min, (each.voltage_v_min for each in limits)),
        charge_current_a_max=_sum(each.charge_current_a_max for each in limits),
        discharge_current_a_max=_sum(each.discharge_current_a_max for each in limits),
        power_w_max=_sum(each.power_w_max for each in limits),
        time_s_max=_all(max, (each.time_s_max for each in limits)),
    )


def _all(join: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    """None, if any of them is."""
    known = list(values)
    present = [value for value in known if value is not None]
    return join(present) if len(present) == len(known) else None


def _sum(values: Iterable[float | None]) -> float | None:
    return _all(fsum, values)


def _in_parallel(resistances_ohm: Iterable[float | None]) -> float | None:
    return _all(lambda known: 1 / fsum(1 / ohm for ohm in known), resistances_ohm)
