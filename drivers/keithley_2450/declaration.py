"""What the instrument declares of itself, from its model and from what the rack file says."""

import math
from dataclasses import dataclass
from typing import Literal

from cycler.contract.capabilities import Capabilities, ChannelRange, Keeps
from cycler.contract.errors import ProtocolError
from cycler.contract.plugin import DeviceSettings, OfflineFacts
from cycler.contract.sweep import ChannelId
from drivers.keithley_2450 import commands as cmd
from drivers.keithley_2450.options import Options, parse_options

CHANNEL = ChannelId("1")

# K: 1-year accuracy of a 2450, 0.015 % + 2.4 mV on 20 V and 0.067 % + 0.9 mA on 1 A, at full scale of cell and range.
ACCURACY_VOLTAGE_V = 0.0032
ACCURACY_CURRENT_RATIO = 0.0016
NOISE_VOLTAGE_V = 20e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How far a channel reaches, and in which steps."""

    terminals: Literal["FRON", "REAR"]
    voltage_v_max: float
    current_a_max: float
    power_w_max: float
    current_range_a: float  # in which all currents are limited and measured
    voltage_step_v: float = cmd.VOLTAGE_STEP_V

    @property
    def current_step_a(self) -> float:
        """The resolution of the range."""
        return self.current_range_a / cmd.STEPS_PER_RANGE

    @property
    def current_a_min(self) -> float:
        """The lowest limit that the range allows, and a step beyond."""
        return cmd.LIMIT_SHARE_MIN * self.current_range_a + self.current_step_a

    def voltage(self, voltage_v: float, *, upwards: bool) -> float:
        """To a whole step."""
        steps = voltage_v / self.voltage_step_v
        return (math.ceil(steps - 1e-6) if upwards else math.floor(steps + 1e-6)) * self.voltage_step_v

    def current(self, current_a: float) -> float:
        """To a whole step, never upwards."""
        return math.floor(current_a / self.current_step_a + 1e-6) * self.current_step_a


def scale_of(device: str, name: str, options: Options) -> Scale:
    """Raises `ProtocolError` where the model cannot what the rack file says."""
    model = cmd.MODELS[name]
    ranges_a = model.current_ranges_a
    current_a = ranges_a[-1] if options.rated_current_a is None else options.rated_current_a
    if current_a > cmd.OVER_RANGE * ranges_a[-1]:
        raise ProtocolError(
            device, f"a {name} has {cmd.OVER_RANGE * ranges_a[-1]:.4g} A, the rack file says {current_a:g} A"
        )
    return _scale(options, current_a, ranges_a, model.power_w_max)


def offline_facts(settings: DeviceSettings) -> OfflineFacts:
    """Its range is known where the rack file gives the rated current; which model it is then does not matter."""
    options = parse_options(settings)
    current_a, model = options.rated_current_a, cmd.MODELS["2460"]
    if current_a is None:
        return OfflineFacts(channels=(CHANNEL,), keeps=Keeps())
    scale = _scale(options, current_a, model.current_ranges_a, options.rated_voltage_v * current_a)
    return OfflineFacts(channels=(CHANNEL,), range=_range(scale, settings), keeps=Keeps())


def capabilities_of(scale: Scale, settings: DeviceSettings) -> Capabilities:
    """It keeps its set values by itself, and nothing else: it has no watchdog and no limit beside the set current."""
    return Capabilities(
        channels=(CHANNEL,),
        range=_range(scale, settings),
        bipolar_sense=True,
        autonomous=True,
        phases_max=1,
        order_time_s=1.0,
        start_delay_s=0.1,
        sweep_time_s=0.15,
        idle_s_max=10.0,
        rest="zero-current",
        regulation_reported=True,
        charge_counter=False,
        limits_missing=(
            "its over-voltage clamp comes in coarse steps",
            "no limit of the current but the set one",
        ),
    )


def _scale(options: Options, current_a: float, ranges_a: tuple[float, ...], power_w_max: float) -> Scale:
    range_a = next(each for each in ranges_a if current_a <= cmd.OVER_RANGE * each)
    return Scale(
        terminals=options.terminals,
        voltage_v_max=options.rated_voltage_v,
        current_a_max=current_a,
        power_w_max=power_w_max,
        current_range_a=range_a,
    )


def _range(scale: Scale, settings: DeviceSettings) -> ChannelRange:
    voltage_v, current_a = settings.voltage_accuracy_v, settings.current_accuracy_a
    return ChannelRange(
        voltage_v_min=0.0,
        voltage_v_max=scale.voltage_v_max,
        charge_current_a_max=scale.current_a_max,
        discharge_current_a_max=scale.current_a_max,
        power_w_max=min(scale.power_w_max, scale.voltage_v_max * scale.current_a_max),
        voltage_accuracy_v=ACCURACY_VOLTAGE_V if voltage_v is None else voltage_v,
        current_accuracy_a=ACCURACY_CURRENT_RATIO * scale.current_range_a if current_a is None else current_a,
        voltage_noise_v=NOISE_VOLTAGE_V,
        voltage_resolution_v=scale.voltage_step_v,
        current_resolution_a=scale.current_step_a,
    )
