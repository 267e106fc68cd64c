"""A whole step for one channel, as a device has to execute it."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["charge", "discharge", "rest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEnd:
    """A test that the device itself ends a phase by, where `Capabilities.ends` says that it can.

    Magnitudes in the direction of the phase: `charge_ah` is what the phase has moved, `current_a` falls to `value`.
    """

    quantity: Literal["voltage_v", "current_a", "charge_ah", "time_s"]
    relation: Literal[">=", "<="]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One regulated stretch of an order. Magnitudes are >= 0; the direction gives the sign.

    `voltage_v` is directional: the output never takes the cell past it in the direction of the phase (above it in
    charge, below it in discharge). It is the target of a CC-CV or CV and the clamp of a CC. A `rest` is relay open.
    """

    direction: Direction
    voltage_v: float = float("nan")  # NaN in a rest only
    current_a: float = 0.0  # the set current of CC, the limit of CV, CP and CR
    power_w: float | None = None  # CP
    resistance_ohm: float | None = None  # CR
    ends: tuple[DeviceEnd, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimits:
    """What the device must never exceed while the order runs, whatever its phases say. `None`: not asked for."""

    voltage_v_max: float | None = None
    voltage_v_min: float | None = None
    charge_current_a_max: float | None = None
    discharge_current_a_max: float | None = None
    power_w_max: float | None = None
    charge_ah_max: float | None = None
    time_s_max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A step for one channel: gapless phases, the device's own protections, and how long it may run unattended."""

    order_id: int  # durable, > 0, never used twice in the life of a store
    phases: tuple[Phase, ...]  # 1 .. Capabilities.phases_max
    limits: DeviceLimits = DeviceLimits()
    dead_man_s: float | None = None  # the device opens by itself after this long without its host; None: its default

    @property
    def energises(self) -> bool:
        """Whether any phase closes the relay."""
        return any(phase.direction != "rest" for phase in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The device holds the order and said so when asked. What it achieved may differ by its resolution."""

    order_id: int
    phases: tuple[Phase, ...]  # as achieved: never a higher current, upper voltage, or lower voltage than ordered
    limits: DeviceLimits  # as read back; None where the device cannot be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """A make_safe came while the order was on its way: nothing of it was, or will be, energised."""

    order_id: int
