"""The one SCPI exchange: what the device keeps itself, set and read back before Modbus takes remote control.

Modbus has no documented registers for the watchdog and for most protection thresholds, SCPI has. Nothing here asks for
the error queue, resets or clears: on this device `SYST:ERR?` acknowledges alarms and `*RST` takes remote control.

A question that is not answered, or not understandably, counts what it asked for as absent: no error, but nobody relies
on it either.
"""

import contextlib
import re
from dataclasses import dataclass

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from drivers.ea_psb.registers import THRESHOLD_RATIO_MAX, Ratings
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

WATCHDOG_S = 2.0
READ_BACK_RATIO = 1e-3  # of the rating: the decimals of a reply depend on the model

RESTARTS = {
    "POW:STAG:AFT:REM": "the output stays on after remote control has ended",
    "SYST:CONF:OUTP:REST": "the output comes on with the power",
    "SYST:ALAR:ACT:PFA": "the output comes on again after a power failure",
    "SYST:ALAR:ACT:OTEM": "the output comes on again when the device has cooled down (so it leaves the factory)",
}
"""Settings that energise by themselves where they read AUTO, and what that does. V."""

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*[A-Za-z]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """At which the device opens its output by itself. None: not read back, so not to be relied on."""

    over_voltage_v: float | None = None
    source_current_a: float | None = None
    source_power_w: float | None = None
    sink_current_a: float | None = None
    sink_power_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the device was found to keep itself."""

    thresholds: Thresholds = Thresholds()
    watchdog_s: float | None = None  # None: off, or not read back
    complete: bool = False  # every question was answered, those after restarting settings included


def thresholds_for(ratings: Ratings, wanted: Thresholds) -> Thresholds:
    """As high as the device allows where nothing lower is wanted."""

    def at(value: float | None, rated: float) -> float:
        highest = THRESHOLD_RATIO_MAX * rated
        return highest if value is None else min(value, highest)

    return Thresholds(
        over_voltage_v=at(wanted.over_voltage_v, ratings.voltage_v),
        source_current_a=at(wanted.source_current_a, ratings.current_a),
        source_power_w=at(wanted.source_power_w, ratings.power_w),
        sink_current_a=at(wanted.sink_current_a, ratings.current_a),
        sink_power_w=at(wanted.sink_power_w, ratings.power_w),
    )


class Commissioning:
    """The exchange over one link, whose connection it opens and closes."""

    def __init__(self, device: str, link: ScpiLink, *, serial: str, ratings: Ratings) -> None:
        self._device = device
        self._link = link
        self._serial = serial
        self._ratings = ratings
        self._unanswered = 0

    async def run(self, wanted: Thresholds) -> Kept:
        """Refuses what would re-energise, then sets and reads back. Raises `DeviceFault` for what a person must mend,
        `ProtocolError` for another device behind the second port."""
        try:
            identity = await self._ask("*IDN?")
            if identity is None:
                return Kept()
            self._check_same_device(identity)
            await self._refuse_restarts()
            if await self._ask("SYST:LOCK:OWN?") == "LOCAL":
                raise DeviceFault(self._device, 'it is in "local": release it at its front panel')
            await self._tell("SYST:LOCK ON")
            try:
                return await self._set_up(wanted)
            finally:
                await self._release()
        except LinkError:
            return Kept()
        finally:
            self._link.close()

    async def _release(self) -> None:
        # What happened before is the answer: if this fails, Modbus will be told so when it asks for control.
        with contextlib.suppress(LinkError):
            await self._tell("SYST:LOCK OFF")
            # Its answer says that the release has been carried out: between the two ports there is no order.
            await self._ask("SYST:LOCK:OWN?")

    async def _set_up(self, wanted: Thresholds) -> Kept:
        owner = await self._ask("SYST:LOCK:OWN?")
        if owner not in ("REMOTE", None):
            raise DeviceFault(self._device, f"SYST:LOCK ON did not give remote control, SYST:LOCK:OWN? says {owner}")
        limits = thresholds_for(self._ratings, wanted)
        ratings = self._ratings
        thresholds = Thresholds(
            over_voltage_v=await self._arm("VOLT:PROT", limits.over_voltage_v, ratings.voltage_v),
            source_current_a=await self._arm("CURR:PROT", limits.source_current_a, ratings.current_a),
            source_power_w=await self._arm("POW:PROT", limits.source_power_w, ratings.power_w),
            sink_current_a=await self._arm("SINK:CURR:PROT", limits.sink_current_a, ratings.current_a),
            sink_power_w=await self._arm("SINK:POW:PROT", limits.sink_power_w, ratings.power_w),
        )
        await self._tell(f"SYST:COMM:MON:TIM {WATCHDOG_S:g}")
        await self._tell("SYST:COMM:MON:ACT ON")
        watchdog_s = await self._number("SYST:COMM:MON:TIM?")
        active = await self._ask("SYST:COMM:MON:ACT?") in ("ON", "1")
        return Kept(
            thresholds=thresholds,
            watchdog_s=watchdog_s if active and watchdog_s is not None and watchdog_s <= WATCHDOG_S else None,
            complete=self._unanswered == 0,
        )

    async def _refuse_restarts(self) -> None:
        for command, consequence in RESTARTS.items():
            setting = await self._ask(f"{command}?")
            if setting == "AUTO":
                mend = f'send "SYST:LOCK ON", "{command} OFF" and "SYST:LOCK OFF" to its SCPI port'
                raise DeviceFault(self._device, f"{command} is AUTO: {consequence}. To mend it, {mend}")
            if setting != "OFF":
                self._unanswered += 1

    async def _arm(self, command: str, value: float | None, rated: float) -> float | None:
        await self._tell(f"{command} {value:.3f}")
        found = await self._number(f"{command}?")
        if found is not None and value is not None and abs(found - value) > READ_BACK_RATIO * rated:
            raise DeviceFault(self._device, f"{command} was set to {value:.3f} and reads back {found:.3f}")
        return found

    def _check_same_device(self, identity: str) -> None:
        fields = [part.strip() for part in identity.split(",")]
        if len(fields) < 3 or fields[2] != self._serial:
            raise ProtocolError(
                self._device, f"its SCPI port belongs to {identity!r}, its Modbus port to serial number {self._serial}"
            )

    async def _number(self, question: str) -> float | None:
        answer = await self._ask(question)
        match = _NUMBER.fullmatch(answer or "")
        if match is None:
            self._unanswered += answer is not None
            return None
        return float(match[1])

    async def _ask(self, question: str) -> str | None:
        try:
            return await self._link.query(question, Priority.ORDER)
        except DeviceError:
            self._unanswered += 1
            return None

    async def _tell(self, command: str) -> None:
        await self._link.write(command, Priority.ORDER)
