"""The one SCPI exchange: what the device keeps itself, set and read back before Modbus takes remote control.

Modbus has no documented registers for the watchdog and for most protection thresholds, SCPI has. Nothing here asks for
the error queue, resets or clears: on this device `SYST:ERR?` acknowledges alarms and `*RST` takes remote control.

A question that is not answered, or not understandably, counts what it asked for as absent: no error, but nobody relies
on it either.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cycler.contract.capabilities import Watchdog
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from drivers.ea_psb.options import Options
from drivers.ea_psb.scale import Ratings
from drivers.ea_psb.thresholds import THRESHOLDS, Threshold, Thresholds
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
class Kept:
    """What the device was found to keep itself."""

    standing: Thresholds = field(default_factory=dict)  # as read back, whoever has set them
    armed: frozenset[Threshold] = frozenset()  # of these the ones that the rack file gives
    watchdog: Watchdog | None = None  # None: off, or not read back
    unanswered: tuple[str, ...] = ()  # the questions without an answer that can be understood


def expected_of(wanted: Options) -> Kept:
    """What a device keeps that answers every question as the rack file wants it."""
    watchdog = Watchdog(watches="host", timeout_s=WATCHDOG_S, proven=False)
    return Kept(armed=frozenset(wanted.thresholds), watchdog=watchdog)


class Commissioning:
    """The exchange over one link, whose connection it opens and closes."""

    def __init__(self, device: str, link: ScpiLink, *, serial: str, ratings: Ratings) -> None:
        self._device = device
        self._link = link
        self._serial = serial
        self._ratings = ratings
        self._unanswered: list[str] = []

    async def run(self, wanted: Options) -> Kept:
        """Refuses what would re-energise, then sets and reads back. Raises `DeviceFault` for what a person must mend,
        `ProtocolError` for another device behind the second port."""
        try:
            identity = await self._ask("*IDN?")
            if identity is None:
                return self._nothing_kept()
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
            return self._nothing_kept()
        finally:
            self._link.close()

    def _nothing_kept(self) -> Kept:
        return Kept(unanswered=tuple(self._unanswered))

    async def _release(self) -> None:
        # What happened before is the answer: if this fails, Modbus will be told so when it asks for control.
        with contextlib.suppress(LinkError):
            await self._tell("SYST:LOCK OFF")
            # Its answer says that the release has been carried out: between the two ports there is no order.
            await self._ask("SYST:LOCK:OWN?")

    async def _set_up(self, wanted: Options) -> Kept:
        owner = await self._ask("SYST:LOCK:OWN?")
        if owner not in ("REMOTE", None):
            raise DeviceFault(self._device, f"SYST:LOCK ON did not give remote control, SYST:LOCK:OWN? says {owner}")
        standing = await self._arm(wanted.thresholds)
        await self._tell(f"SYST:COMM:MON:TIM {WATCHDOG_S:g}")
        await self._tell("SYST:COMM:MON:ACT ON")
        watchdog_s = await self._number("SYST:COMM:MON:TIM?")
        active = await self._ask("SYST:COMM:MON:ACT?") in ("ON", "1")
        watchdog = None
        if active and watchdog_s is not None and watchdog_s <= WATCHDOG_S:
            # The maker documents the timer and a status bit. That the output opens is its described purpose, no more.
            watchdog = Watchdog(watches="host", timeout_s=watchdog_s, proven=False)
        return Kept(
            standing=standing,
            armed=frozenset(wanted.thresholds.keys() & standing.keys()),
            watchdog=watchdog,
            unanswered=tuple(self._unanswered),
        )

    async def _refuse_restarts(self) -> None:
        for command, consequence in RESTARTS.items():
            setting = await self._ask(f"{command}?")
            if setting == "AUTO":
                mend = f'send "SYST:LOCK ON", "{command} OFF" and "SYST:LOCK OFF" to its SCPI port'
                raise DeviceFault(self._device, f"{command} is AUTO: {consequence}. To mend it, {mend}")
            if setting not in ("OFF", None):
                self._unanswered.append(f"{command}?")

    async def _arm(self, wanted: Thresholds) -> Mapping[Threshold, float]:
        """Those that are wanted are set; the others are only asked for, for they open the output just as well."""
        standing = {}
        for threshold in THRESHOLDS:
            command, value = threshold.command, wanted.get(threshold)
            if value is not None:
                await self._tell(f"{command} {value:.3f}")
            found = await self._number(f"{command}?", relied_on=value is not None)
            if found is None:
                continue
            if value is not None and abs(found - value) > READ_BACK_RATIO * threshold.rated(self._ratings):
                raise DeviceFault(
                    self._device,
                    f"{threshold.key}: {command} was set to {value:.3f} and reads back {found:.3f}; "
                    "the device takes 110 % of its rating at most, some models 103 %",
                )
            standing[threshold] = found
        return standing

    def _check_same_device(self, identity: str) -> None:
        fields = [part.strip() for part in identity.split(",")]
        if len(fields) < 3 or fields[2] != self._serial:
            raise ProtocolError(
                self._device, f"its SCPI port belongs to {identity!r}, its Modbus port to serial number {self._serial}"
            )

    async def _number(self, question: str, *, relied_on: bool = True) -> float | None:
        answer = await self._ask(question, relied_on=relied_on)
        match = _NUMBER.fullmatch(answer or "")
        if match is not None:
            return float(match[1])
        if answer is not None and relied_on:
            self._unanswered.append(question)
        return None

    async def _ask(self, question: str, *, relied_on: bool = True) -> str | None:
        try:
            return await self._link.query(question, Priority.ORDER)
        except DeviceError:
            if relied_on:
                self._unanswered.append(question)
            return None

    async def _tell(self, command: str) -> None:
        await self._link.write(command, Priority.ORDER)
