"""From an order to the sequence that the instrument will run by itself: steps, and the tests that watch over them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cycler.contract.capabilities import ChannelRange
from cycler.contract.errors import DeviceFault
from cycler.contract.order import DeviceLimits, Order, Phase
from drivers.keysight_bt2200.commands import RESOLUTION, Mode, decimal
from drivers.keysight_bt2200.options import Options
from drivers.keysight_bt2200.order_check import refusal
from drivers.keysight_bt2200.step_times import checks_of, mode_of, phase_times_s

BEYOND_RATIO = 0.02  # of the rated voltage: how far outside 0 and rated the tests stand that nobody asked for
SETTLE_S = 5.0  # after its current has begun to flow, a charge may end by a small current
READ_BACK_RATIO = 1e-4  # five digits, as in +4.2000E+00


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`kind` as on the wire. From `after_s` in the step on; 0 stands for the whole of it."""

    kind: str
    value: float
    action: Literal["NEXT", "FAIL"]
    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """FF. Current and voltage are 0 in a REST."""

    mode: Mode
    duration_s: float
    current_a: float
    voltage_v: float
    tests: tuple[Test, ...]

    def definition(self, sequence: int, number: int) -> list[str]:
        """The messages that define it."""
        head = f"SEQ:STEP:DEF {sequence},{number},{self.mode},{decimal(self.duration_s)}"
        values = "" if self.mode == "REST" else f",{decimal(self.current_a)},{decimal(self.voltage_v)}"
        return [
            head + values,
            *(
                # BEFORE the step's own end is all of it: the only one of the four words that is FF.
                f"SEQ:TEST:DEF {sequence},{number},{at},{test.kind},{decimal(test.value)},"
                + (f"AFTER,{decimal(test.after_s)}" if test.after_s else f"BEFORE,{decimal(self.duration_s)}")
                + f",{test.action}"
                for at, test in enumerate(self.tests, 1)
            ),
        ]

    def confirmed_by(self, mode: str, values: Sequence[float]) -> bool:
        """Whether the step was read back as it was sent, in as many digits as come. A REST has no values to compare."""
        sent = [self.duration_s, self.current_a, self.voltage_v][: 1 if self.mode == "REST" else 3]
        return (
            mode == self.mode
            and len(values) >= len(sent)
            and all(
                math.isclose(got, wanted, rel_tol=READ_BACK_RATIO, abs_tol=RESOLUTION)
                for got, wanted in zip(values, sent, strict=False)
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The steps of a sequence. Equal orders of many cells are equal programs."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An order that the instrument can execute; `phases` as it will. Without a program it is a rest: no sequence."""

    order: Order
    phases: tuple[Phase, ...]
    program: Program | None
    checks_s: tuple[float, ...]  # how long each phase begins with checks, before its current flows
    limits: DeviceLimits  # as read back: the instrument can only be asked for the time


def accept(device: str, order: Order, channel: ChannelRange, options: Options) -> Accepted:
    """Raises `DeviceFault` saying why the instrument cannot execute it."""
    why = refusal(order, channel, options)
    if why is not None:
        raise DeviceFault(device, f"order {order.order_id} refused: {why}")
    if not order.energises and len(order.phases) == 1:
        return Accepted(order=order, phases=order.phases, program=None, checks_s=(0.0,), limits=DeviceLimits())
    phases = tuple(_achieved(phase) for phase in order.phases)
    if any(phase.current_a == 0.0 for phase in phases if phase.direction != "rest"):
        raise DeviceFault(device, f"order {order.order_id} refused: a current below {RESOLUTION:g} A")
    times_s, checks_s = phase_times_s(order, options), checks_of(order.phases, options)
    assert times_s is not None  # noqa: S101 (else refused above)
    steps = tuple(
        Step(
            mode=mode_of(phase, options),
            duration_s=time_s + check_s,
            current_a=phase.current_a,
            voltage_v=0.0 if phase.direction == "rest" else phase.voltage_v,
            tests=(*_fails(phase, order, channel), *_nexts(phase, options)),
        )
        for phase, time_s, check_s in zip(phases, times_s, checks_s, strict=True)
    )
    limits = DeviceLimits(time_s_max=sum(times_s))
    return Accepted(order=order, phases=phases, program=Program(steps=steps), checks_s=tuple(checks_s), limits=limits)


def _achieved(phase: Phase) -> Phase:
    """Never more current, never a wider voltage."""
    if phase.direction == "rest":
        return replace(phase, current_a=0.0)
    steps_v = phase.voltage_v / RESOLUTION
    # The tiny share is for values that lie on a step.
    whole = math.floor(steps_v + 1e-6) if phase.direction == "charge" else math.ceil(steps_v - 1e-6)
    voltage_v = round(whole * RESOLUTION, 4)
    nearer = min if phase.direction == "charge" else max
    return replace(
        phase,
        voltage_v=nearer(voltage_v, phase.voltage_v),
        current_a=min(round(math.floor(phase.current_a / RESOLUTION + 1e-6) * RESOLUTION, 4), phase.current_a),
    )


def _fails(phase: Phase, order: Order, channel: ChannelRange) -> Iterator[Test]:
    """What stops the cell. Every step has bounds for its voltage, asked for or not."""
    limits, beyond_v = order.limits, BEYOND_RATIO * channel.voltage_v_max
    upper_v = channel.voltage_v_max + beyond_v if limits.voltage_v_max is None else limits.voltage_v_max
    lower_v = channel.voltage_v_min - beyond_v if limits.voltage_v_min is None else limits.voltage_v_min
    yield Test(kind="VOLT_GE", value=upper_v, action="FAIL")
    yield Test(kind="VOLT_LE", value=lower_v, action="FAIL")
    if phase.direction == "rest":
        return
    # With which sign the instrument compares what comes out of a cell is not known: each bound is set both ways.
    for quantity, bound in (
        ("CURR", _current_a_max(order, channel)),
        ("POWER", limits.power_w_max),
        ("AMPH", limits.charge_ah_max),
    ):
        if bound is not None:
            yield Test(kind=f"{quantity}_GE", value=bound, action="FAIL")
            yield Test(kind=f"{quantity}_LE", value=-bound, action="FAIL")


def _current_a_max(order: Order, channel: ChannelRange) -> float:
    """The greater of both directions that the order uses: a reading from before a turn must not stop it."""
    limits, directions = order.limits, {phase.direction for phase in order.phases}
    bounds_a = {
        "charge": (limits.charge_current_a_max, channel.charge_current_a_max),
        "discharge": (limits.discharge_current_a_max, channel.discharge_current_a_max),
    }
    return max(
        (1.0 + BEYOND_RATIO) * rated_a if limit_a is None else limit_a
        for direction, (limit_a, rated_a) in bounds_a.items()
        if direction in directions
    )


def _nexts(phase: Phase, options: Options) -> Iterator[Test]:
    """What ends the phase. Its time is the step's own duration."""
    charges = phase.direction == "charge"
    for end in phase.ends:
        match end.quantity:
            case "voltage_v":
                yield Test(kind="VOLT_GE" if charges else "VOLT_LE", value=end.value, action="NEXT")
            case "charge_ah":
                yield Test(kind="AMPH_GE", value=end.value, action="NEXT")
                yield Test(kind="AMPH_LE", value=-end.value, action="NEXT")
            case "current_a":
                # Before its current flows, and while it rises, a charge has a small one too.
                yield Test(kind="CURR_LE", value=end.value, action="NEXT", after_s=options.start_delay_s + SETTLE_S)


REST_A_SECOND = Program(steps=(Step(mode="REST", duration_s=1.0, current_a=0.0, voltage_v=0.0, tests=()),))
"""What a cell is given that has failed and is to forget it. It is never started."""
