"""What a map has to say for each kind of device: the names of its registers and bits, and what they stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cycler.contract.register_map import MapError, MapKind, MappedBit, MappedRegister, RegisterMap
from drivers.modbus_map.switches import can_be_switched

WATCHDOG = "watchdog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """An entry by its name. `unit` is its base unit, "" for a bit."""

    name: str
    unit: str = ""
    written: bool = False
    required: bool = True


CHAMBER_REGISTERS = (
    Need(name="air", unit="degC"),
    Need(name="target", unit="degC", written=True),
    Need(name="rate", unit="K/s", written=True, required=False),
    Need(name="limit-low", unit="degC", written=True, required=False),
    Need(name="limit-high", unit="degC", written=True, required=False),
)
CHAMBER_BITS = (Need(name="run", written=True), Need(name="door", required=False))

IO_REGISTERS = (Need(name=WATCHDOG, unit="s", written=True, required=False),)

CYCLER_REGISTERS = (
    Need(name="voltage", unit="V"),
    Need(name="current", unit="A"),
    Need(name="set-voltage", unit="V", written=True),
    Need(name="set-charge-current", unit="A", written=True),
    Need(name="set-discharge-current", unit="A", written=True),
    Need(name="over-voltage", unit="V", written=True),
    Need(name="under-voltage", unit="V", written=True),
    Need(name="over-charge-current", unit="A", written=True),
    Need(name="over-discharge-current", unit="A", written=True),
)
"""Of each channel."""
CYCLER_BITS = (
    Need(name="output", written=True),
    Need(name="alarm"),
    Need(name="acknowledge", written=True),
)

RANGES: Mapping[MapKind, tuple[str, ...]] = {
    "temperature": (),
    "digital-io": (),
    "chamber": ("temperature",),
    "cycler": ("voltage", "charge_current", "discharge_current"),
}


def check_map(register_map: RegisterMap) -> None:
    """Raises `MapError` for the first thing that is missing or too much."""
    for quantity in RANGES[register_map.kind]:
        if quantity not in register_map.ranges:
            raise MapError(f"a {register_map.kind} map needs `range: {{{quantity}: …}}`")
    match register_map.kind:
        case "temperature":
            _check_temperature(register_map)
        case "digital-io":
            _check_io(register_map)
        case "chamber":
            _refuse_channels((*register_map.registers, *register_map.bits))
            _check(register_map.registers, CHAMBER_REGISTERS, "chamber")
            _check(register_map.bits, CHAMBER_BITS, "chamber")
            limits = [register for register in register_map.registers if register.name.startswith("limit-")]
            if len(limits) == 1:
                raise MapError("limit-low and limit-high belong together", line=limits[0].line)
            has_rate = any(register.name == "rate" for register in register_map.registers)
            if has_rate is not ("rate" in register_map.ranges):
                raise MapError("a `rate` register and `range: {rate: …}` belong together")
        case "cycler":
            _check_cycler(register_map)
    _check_watchdog(register_map)


def channels_of(entries: Sequence[MappedRegister] | Sequence[MappedBit]) -> tuple[str, ...]:
    """Those named, in the order of the map, without repeats."""
    return tuple(dict.fromkeys(entry.channel for entry in entries if entry.channel is not None))


def _check_temperature(register_map: RegisterMap) -> None:
    if not register_map.registers:
        raise MapError("a temperature map needs `registers`")
    for bit in register_map.bits:
        raise MapError("a temperature map has no use for bits", line=bit.line)
    for register in register_map.registers:
        if register.unit != "degC":
            raise MapError(f"{register.name}: write `unit: degC`, for that is what is read", line=register.line)
    _check_channels(register_map.registers)


def _check_io(register_map: RegisterMap) -> None:
    if not register_map.bits:
        raise MapError("a digital-io map needs `bits`")
    _check_channels(register_map.bits)
    _refuse_channels(register_map.registers)
    _check(register_map.registers, IO_REGISTERS, "digital-io")


def _check_cycler(register_map: RegisterMap) -> None:
    of_device = [register for register in register_map.registers if register.channel is None]
    _check(of_device, (Need(name=WATCHDOG, unit="s", written=True),), "cycler")
    channels = channels_of([register for register in register_map.registers if register.channel is not None])
    if not channels:
        raise MapError("a cycler map needs `registers` with a `channel`")
    for channel in dict.fromkeys((*channels, *channels_of(register_map.bits))):
        of_channel = [register for register in register_map.registers if register.channel == channel]
        _check(of_channel, CYCLER_REGISTERS, f"cycler (channel {channel})")
        bits = [bit for bit in register_map.bits if bit.channel == channel]
        _check(bits, CYCLER_BITS, f"cycler (channel {channel})")
    for bit in register_map.bits:
        if bit.channel is None:
            raise MapError(f"{bit.name}: write which `channel` it belongs to", line=bit.line)


def _check_channels(entries: Sequence[MappedRegister] | Sequence[MappedBit]) -> None:
    seen = set()
    for entry in entries:
        if entry.channel is None:
            raise MapError(f"{entry.name}: write the `channel` by which the rack file names it", line=entry.line)
        if entry.channel in seen:
            raise MapError(f"channel {entry.channel} is there twice", line=entry.line)
        seen.add(entry.channel)


def _refuse_channels(entries: Sequence[MappedRegister | MappedBit]) -> None:
    for entry in entries:
        if entry.channel is not None:
            raise MapError(f"{entry.name} belongs to the whole device: take its `channel` out", line=entry.line)


def _check(entries: Sequence[MappedRegister] | Sequence[MappedBit], needs: Sequence[Need], kind: str) -> None:
    known = {need.name: need for need in needs}
    for entry in entries:
        need = known.get(entry.name)
        if need is None:
            words = ", ".join(known)
            raise MapError(f"{entry.name} means nothing for a {kind}; there are {words}", line=entry.line)
        _check_entry(entry, need)
    found = {entry.name for entry in entries}
    for need in needs:
        if need.required and need.name not in found:
            raise MapError(f"a map for a {kind} needs `{need.name}`")


def _check_entry(entry: MappedRegister | MappedBit, need: Need) -> None:
    if isinstance(entry, MappedBit):
        if need.written and not can_be_switched(entry):
            detail = f"{entry.name} is switched: it has to be a coil (function 1) or a whole holding register (3)"
            raise MapError(detail, line=entry.line)
        return
    if need.written and entry.function != 3:
        raise MapError(f"{entry.name} is written: it has to be a holding register (function 3)", line=entry.line)
    if entry.unit != need.unit:
        wanted = "K/min" if need.unit == "K/s" else need.unit
        raise MapError(f"{entry.name}: write its `unit`, {wanted} or the like", line=entry.line)


def _check_watchdog(register_map: RegisterMap) -> None:
    register = next((each for each in register_map.registers if each.name == WATCHDOG), None)
    if register is None and register_map.watchdog_s is not None:
        raise MapError("`watchdog` says what to set; no register named watchdog says where")
    if register is not None and register_map.watchdog_s is None:
        raise MapError("write beside it what to set: `watchdog: 2 s` for the whole map", line=register.line)
