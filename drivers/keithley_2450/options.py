"""What the rack file says of one instrument beside its address and ratings."""

from dataclasses import dataclass
from typing import Literal

from cycler.contract.plugin import DeviceSettings
from drivers.keithley_2450.commands import MODELS, OVER_RANGE, VOLTAGE_V_MAX

RATED_VOLTAGE_V = 5.0  # where the rack file gives none: any lithium cell
CURRENT_A_MIN = 1e-4  # smaller channels lie within the error of their lowest range

_TERMINALS: dict[str, Literal["FRON", "REAR"]] = {"front": "FRON", "rear": "REAR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`rated_current_a`: None for all that the model has."""

    terminals: Literal["FRON", "REAR"]
    rated_voltage_v: float
    rated_current_a: float | None


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    device, options = settings.device, settings.options
    if unknown := set(options) - {"terminals"}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there is terminals")
    terminals = _TERMINALS.get(options.get("terminals", "rear"))
    if terminals is None:
        raise ValueError(f"{device}: terminals: {options['terminals']!r} is neither front nor rear")
    voltage_v = RATED_VOLTAGE_V if settings.rated_voltage_v is None else settings.rated_voltage_v
    if not 0.0 < voltage_v <= VOLTAGE_V_MAX:
        raise ValueError(f"{device}: a rated voltage of {voltage_v:g} V is outside 0 ... {VOLTAGE_V_MAX:g} V")
    current_a = settings.rated_current_a
    if current_a is not None and not current_a >= CURRENT_A_MIN:
        raise ValueError(f"{device}: a rated current of {current_a:g} A is below {CURRENT_A_MIN:g} A")
    most_a = {name: OVER_RANGE * model.current_ranges_a[-1] for name, model in MODELS.items()}
    if current_a is not None and current_a > max(most_a.values()):
        have = ", ".join(f"a {name} has {each_a:g} A" for name, each_a in most_a.items())
        raise ValueError(f"{device}: no model gives a rated current of {current_a:g} A: {have}")
    return Options(terminals=terminals, rated_voltage_v=voltage_v, rated_current_a=current_a)
