"""What the controller can be asked and told in either of its languages. Limits, modes and keys only registers have."""

import math
from typing import Protocol

from cycler.contract.errors import ProtocolError
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink
from drivers.watlow_f4t import registers as reg
from drivers.watlow_f4t.access import Access, Unless

SENSIBLE_DEGC = (-150.0, 400.0)  # outside, it is no temperature of a chamber
FIRMWARE_MIN = (4, 5)  # before, SCPI is in degF whatever is set, and cannot be asked


class Language(Protocol):
    """One of them. Temperatures are in degC whatever is spoken on the wire."""

    async def identify(self) -> str:
        """The firmware, where it says so. Raises `ProtocolError` for somebody else."""

    async def air_degc(self) -> float:
        """NaN where the sensor is broken, or shows what cannot be."""

    async def hold(self, degc: float, *, rate_k_per_min: float | None, unless: Unless) -> None:
        """Say how the set point moves, then set it. Confirms nothing."""


class ModbusLanguage:
    """The registers of one loop or cascade."""

    def __init__(self, access: Access, control: reg.ControlMap) -> None:
        self._access = access
        self._control = control

    async def identify(self) -> str:
        """Registers do not know it; the part number is asked for anyway."""
        return ""

    async def air_degc(self) -> float:
        return sensible_degc(await self._access.measured_degc(self._control.air, Priority.SWEEP))

    async def hold(self, degc: float, *, rate_k_per_min: float | None, unless: Unless) -> None:
        access, ramp = self._access, self._control.ramp
        if ramp is not None:
            if rate_k_per_min is not None:
                await access.write_number(ramp + 2, reg.PER_MINUTE, Priority.ORDER, unless=unless)
                await access.write_rate(ramp + 4, rate_k_per_min, unless=unless)
            action = reg.OFF if rate_k_per_min is None else reg.RAMP_SET_POINT
            await access.write_number(ramp, action, Priority.ORDER, unless=unless)
        await access.write_temperature(self._control.set_point, degc, unless=unless)


class ScpiLanguage:
    """The same as text, firmware 4.05 and later. `part` is `CLOOP1` or `CASCADE1`."""

    def __init__(self, device: str, link: ScpiLink, part: str) -> None:
        self._device = device
        self._link = link
        self._part = f":SOURCE:{part}"
        self._air = self._part if part.startswith("CLOOP") else f"{self._part}:INNER"
        self._has_ramp = part.startswith("CLOOP")

    async def identify(self) -> str:
        reply = await self._link.query("*IDN?", Priority.ORDER)
        fields = [field.strip() for field in reply.split(",")]
        if not fields[0].upper().startswith("WATLOW") or len(fields) < 4:
            expected = "Watlow Electric, model, number, firmware"
            raise ProtocolError(self._device, f"'*IDN?' was answered by {reply!r}, expected {expected}")
        if (version := _version(fields[3])) is not None and version < FIRMWARE_MIN:
            needed = ".".join(f"{part:02d}" for part in FIRMWARE_MIN)
            raise ProtocolError(self._device, f"its firmware is {fields[3]!r}; its SCPI is usable from {needed} on")
        return fields[3]

    async def air_degc(self) -> float:
        per_k, zero = await self._unit(Priority.SWEEP)
        reply = await self._link.query(f"{self._air}:PVALUE?", Priority.SWEEP)
        broken = await self._link.query(f"{self._air}:ERROR?", Priority.SWEEP)
        if broken.upper() not in ("NONE", "ERROR"):
            raise ProtocolError(self._device, f"{self._air}:ERROR? says {broken!r}, expected NONE or ERROR")
        if broken.upper() == "ERROR":
            return math.nan
        try:
            shown = float(reply)
        except ValueError:
            raise ProtocolError(self._device, f"{self._air}:PVALUE? says {reply!r}, expected a number") from None
        return sensible_degc((shown - zero) / per_k)

    async def hold(self, degc: float, *, rate_k_per_min: float | None, unless: Unless) -> None:
        per_k, zero = await self._unit(Priority.ORDER)
        if self._has_ramp:
            if rate_k_per_min is not None:
                await self._say("RSCALE MINUTES", unless)
                await self._say(f"RRATE {rate_k_per_min * per_k:.2f}", unless)
            await self._say(f"RACTION {'OFF' if rate_k_per_min is None else 'SETPOINT'}", unless)
        await self._say(f"SPOINT {degc * per_k + zero:.2f}", unless)

    async def _say(self, words: str, unless: Unless) -> None:
        await self._link.write(f"{self._part}:{words}", Priority.ORDER, unless=unless)

    async def _unit(self, priority: Priority) -> tuple[float, float]:
        """As `Access` has it."""
        reply = await self._link.query(":UNIT:TEMPERATURE?", priority)
        match reply.upper():
            case "C":
                return 1.0, 0.0
            case "F":
                return 1.8, 32.0
            case _:
                raise ProtocolError(self._device, f":UNIT:TEMPERATURE? says {reply!r}, expected C or F")


def sensible_degc(degc: float) -> float:
    """NaN for what no chamber's sensor shows."""
    low_degc, high_degc = SENSIBLE_DEGC
    return degc if low_degc <= degc <= high_degc else math.nan


def _version(text: str) -> tuple[int, int] | None:
    """Of `04.05:0007` or `04:05:0007`; None for what cannot be read so."""
    numbers = text.replace(":", ".").split(".")
    if len(numbers) < 2 or not all(number.isascii() and number.isdecimal() for number in numbers[:2]):
        return None
    return int(numbers[0][:4]), int(numbers[1][:4])
