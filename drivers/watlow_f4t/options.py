"""What the rack file says of one chamber: `modbus-tcp://host:502?unit=1`, and how the chamber's maker has wired it."""

import re
from dataclasses import dataclass, replace

from cycler.contract.capabilities import ChamberRange
from cycler.contract.plugin import DeviceSettings, Resource
from drivers.watlow_f4t import registers as reg

_KEYS = (
    "temperature_min", "temperature_max", "rate_max", "loop", "cascade", "words", "run", "running", "alarms",
    "limit_modules",
)  # fmt: skip
_QUERY_KEYS = {
    "modbus-tcp": ("unit",),
    "modbus-rtu-tcp": ("unit",),
    "modbus-rtu": ("unit", "baud", "parity", "stopbits"),
    "scpi-tcp": ("modbus", "unit"),
}
_QUANTITY = re.compile(r"([+-]?\d{1,4}(?:\.\d{1,3})?)\s*([A-Za-z/]+)", re.ASCII)
_BAUD = "38400"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRun:
    """An event output that is on as long as the chamber runs."""

    register: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRun:
    """A key, and the output that shows whether the chamber runs. A toggle is let go to stop it, others are pressed."""

    register: int
    toggle: bool
    running: int


Run = EventRun | KeyRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`modbus` is where the registers are, `scpi` where SCPI is wanted beside them.

    The controller does not know what its chamber reaches: without a word in the rack file, what most do.
    """

    modbus: Resource
    scpi: Resource | None
    temperature_degc_min: float
    temperature_degc_max: float
    rate_k_per_min_max: float
    loop: int | None
    cascade: int | None
    low_word_first: bool
    run: Run | None
    alarms: tuple[int, ...]
    limit_modules: tuple[int, ...]

    @property
    def range(self) -> ChamberRange:
        """What the chamber reaches."""
        return ChamberRange(
            temperature_degc_min=self.temperature_degc_min,
            temperature_degc_max=self.temperature_degc_max,
            rate_k_per_min_max=self.rate_k_per_min_max,
        )

    @property
    def control(self) -> reg.ControlMap:
        """Where the chamber's loop or cascade has what."""
        return reg.loop_map(self.loop or 1) if self.cascade is None else reg.cascade_map(self.cascade)


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    resource, device = settings.resource, settings.device
    known = _QUERY_KEYS.get(resource.scheme)
    if known is None:
        raise ValueError(f"{device}: {resource.text!r} is none of {', '.join(_QUERY_KEYS)}")
    if unknown := set(resource.query) - {*known}:
        raise ValueError(f"{device}: {resource.text!r}: {min(unknown)!r} is unknown; there are {', '.join(known)}")
    if unknown := set(settings.options) - {*_KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(_KEYS)}")
    if {"loop", "cascade"} <= set(settings.options):
        raise ValueError(f"{device}: the chamber hangs at a loop or at a cascade, not at both")
    low_degc = _quantity(settings, "temperature_min", "degC", "-20 degC")
    high_degc = _quantity(settings, "temperature_max", "degC", "80 degC")
    if high_degc <= low_degc:
        raise ValueError(f"{device}: temperature_max lies below temperature_min")
    rate_k_per_min = _quantity(settings, "rate_max", "K/min", "1 K/min")
    if not 0.0 < rate_k_per_min <= 100.0:
        raise ValueError(f"{device}: rate_max: a chamber moves by more than 0 and at most 100 K/min")
    cascade = _whole(settings, "cascade", 2) if "cascade" in settings.options else None
    words = settings.options.get("words", "low-high")
    if words not in ("low-high", "high-low"):
        raise ValueError(f"{device}: words: {words!r} is neither low-high nor high-low")
    modbus, scpi = _wires(resource)
    return Options(
        modbus=modbus,
        scpi=scpi,
        temperature_degc_min=low_degc,
        temperature_degc_max=high_degc,
        rate_k_per_min_max=rate_k_per_min if cascade is None else 0.0,
        loop=_whole(settings, "loop", 4) if cascade is None else None,
        cascade=cascade,
        low_word_first=words == "low-high",
        run=_run(settings),
        alarms=_numbers(settings, "alarms", 14),
        limit_modules=_numbers(settings, "limit_modules", reg.MODULES),
    )


def _wires(resource: Resource) -> tuple[Resource, Resource | None]:
    if resource.scheme == "modbus-rtu":
        return replace(resource, query={"baud": _BAUD, **resource.query}), None
    if resource.scheme != "scpi-tcp":
        return resource, None
    port, unit = resource.query.get("modbus", "502"), resource.query.get("unit", "1")
    return Resource.parse(f"modbus-tcp://{resource.host}:{port}?unit={unit}"), replace(resource, query={})


def _run(settings: DeviceSettings) -> Run | None:
    text = settings.options.get("run", "mode")
    words = text.split()
    running = settings.options.get("running")
    match words:
        case ["mode"] if running is None:
            return None
        case ["event", number] if running is None and number in _up_to(len(reg.EVENTS)):
            return EventRun(register=reg.EVENTS[int(number) - 1])
        case ["key", number, ("momentary" | "toggle") as action] if number in _up_to(len(reg.KEYS)):
            point = _point(settings, running or "output 1.1")
            return KeyRun(register=reg.KEYS[int(number) - 1], toggle=action == "toggle", running=point)
    if running is not None and words[:1] != ["key"]:
        raise ValueError(f"{settings.device}: running: only a chamber that is run by a key needs it")
    expected = "mode, event 1 ... 8, key 1 ... 4 momentary or key 1 ... 4 toggle"
    raise ValueError(f"{settings.device}: run: {text!r} is none of {expected}")


def _point(settings: DeviceSettings, text: str) -> int:
    match = re.fullmatch(r"output ([1-9])\.([1-9])", text.strip())
    if match is None or int(match[1]) > reg.MODULES or int(match[2]) > reg.POINTS:
        raise ValueError(f"{settings.device}: running: {text!r} is no output of a module, like output 1.1")
    return reg.output_point(int(match[1]), int(match[2]))


def _numbers(settings: DeviceSettings, key: str, most: int) -> tuple[int, ...]:
    words = settings.options.get(key, "").replace(",", " ").split()
    if not set(words) <= set(_up_to(most)):
        raise ValueError(f"{settings.device}: {key}: numbers from 1 to {most}, separated by blanks")
    return tuple(sorted({int(word) for word in words}))


def _whole(settings: DeviceSettings, key: str, most: int) -> int:
    text = settings.options.get(key, "1")
    if text not in _up_to(most):
        raise ValueError(f"{settings.device}: {key}: {text!r} is no number from 1 to {most}")
    return int(text)


def _up_to(most: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(1, most + 1))


def _quantity(settings: DeviceSettings, key: str, unit: str, default: str) -> float:
    text = settings.options.get(key, default)
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] != unit:
        raise ValueError(f"{settings.device}: {key}: {text!r} is no quantity in {unit}, like {default}")
    return float(match[1])
