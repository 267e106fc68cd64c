"""Hioki BT3561A, BT3562 and BT3563 battery testers: one instrument, one channel, two quantities at once."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta

from cycler.contract.capabilities import Identity, MeterKind, MeterRange
from cycler.contract.devices import Measurement
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.hioki_bt3562.options import MEASURING_S, Options, parse_options
from drivers.hioki_bt3562.settings import settings_of
from drivers.hioki_bt3562.values import parse_pair
from drivers.links.ascii import AsciiLink
from drivers.links.endpoint import refuse_unknown_keys
from drivers.links.queue import Priority

CHANNEL = ChannelId("1")
KINDS: frozenset[MeterKind] = frozenset({"ocv", "acir"})
FREQUENCY_HZ = 1000.0  # V: all of these measure at 1 kHz
PORT = 23  # U: the factory's
MODELS = ("BT3561A", "BT3562", "BT3562A", "BT3563", "BT3563A")  # V; -01 is the same with GP-IB
READING_S_MAX = 2.0
REPLY_S_MAX = 1.0  # at 9600 baud a line takes 30 ms

# K: the maker's data sheet, 0.01 % and 3 digits of the voltage, 0.5 % and 10 digits of the resistance, at full scale.
ACCURACY_VOLTAGE_RATIO = 1.05e-4
ACCURACY_RESISTANCE_RATIO = 0.0055

REFUSALS = {1 << 5: "command error", 1 << 4: "execution error", 1 << 2: "query error"}
"""Bits of the event register by which it says why it did not answer."""


class HiokiBt3562:
    """A `Meter`. README.md says what it relies on and what it does not.

    Every message is answered, because every setting is sent together with its own question. An error in it leaves it
    without an answer: then the event register is asked.
    """

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        self._device = settings.device
        self._options = parse_options(settings)
        self._utcnow = surroundings.utcnow
        refuse_unknown_keys(settings.resource)
        self._link = AsciiLink.to(settings.device, settings.resource, default_port=PORT, timeout_s=REPLY_S_MAX)
        self._identity: Identity | None = None
        self._capabilities = _declared(settings, self._options)

    async def connect(self) -> Identity:
        """Who answers. It tells no serial number."""
        reply = await self._link.exchange("*IDN?", Priority.ORDER)
        fields = [field.strip() for field in reply.split(",")]
        if len(fields) != 4 or fields[0] != "HIOKI" or fields[1].removesuffix("-01") not in MODELS:
            raise ProtocolError(self._device, f"{reply[:60]!r} answers, expected a Hioki {', '.join(MODELS)}")
        identity = Identity(maker=fields[0], model=fields[1], serial="", firmware=fields[3])
        if self._identity is not None and identity != self._identity:
            raise ProtocolError(self._device, f"{reply[:60]!r} answers where {self._identity} did before")
        self._identity = identity
        return identity

    @property
    def capabilities(self) -> MeterRange:
        """Valid after `connect`."""
        if self._identity is None:
            raise LinkError(self._device, "not connected yet")
        return self._capabilities

    async def commission(self) -> None:
        """Function, ranges, rate and trigger, each only where it differs: automatic ranging, for one, cannot be touched
        while the comparator is on. The comparator and the zero adjustment stay as they are."""
        for setting in settings_of(self._options):
            if setting.confirms(await self._ask(setting.question)):
                continue
            reply = await self._ask(setting.message)
            if not setting.confirms(reply):
                raise DeviceFault(
                    self._device, f"{setting.header} was set to {setting.value} and reads back {reply[:40]!r}"
                )

    async def measure(self, channel: ChannelId, kinds: Collection[MeterKind]) -> Measurement:
        """Both quantities are measured at once. None for one that was not asked for, and where nothing valid was
        measured: over range, open probe, bad contact."""
        if channel != CHANNEL:
            raise ProtocolError(self._device, f"it has one channel, {CHANNEL}; {channel!r} is none")
        if not kinds or not KINDS.issuperset(kinds):
            raise ProtocolError(self._device, f"it measures {', '.join(sorted(KINDS))}, not {sorted(kinds)}")
        clock = asyncio.get_running_loop().time
        measuring_s = MEASURING_S[self._options.rate]
        if not self._options.single:
            await asyncio.sleep(2.0 * measuring_s)  # what it was measuring when it was asked is then behind
        begin_s = clock()
        reply = await self._ask(":READ?" if self._options.single else ":FETC?", timeout_s=READING_S_MAX)
        taken_s = (begin_s + clock()) / 2
        try:
            resistance_ohm, voltage_v = parse_pair(reply)
        except ValueError as error:
            raise ProtocolError(self._device, f"it measured {error}") from None
        return Measurement(
            taken_s=taken_s,
            taken_utc=self._utcnow() - timedelta(seconds=clock() - taken_s),
            voltage_v=voltage_v if "ocv" in kinds else None,
            resistance_ohm=resistance_ohm if "acir" in kinds else None,
        )

    async def aclose(self) -> None:
        """The device stays as it is."""
        self._link.close()

    async def _ask(self, message: str, *, timeout_s: float | None = None) -> str:
        """Raises `DeviceFault` where it says why it does not answer."""
        try:
            return await self._link.exchange(message, Priority.ORDER, timeout_s=timeout_s)
        except LinkError as silence:
            reasons = await self._refusals(silence)
            if not reasons:
                raise
            raise DeviceFault(self._device, f"{message!r} is not answered: {', '.join(reasons)}") from None

    async def _refusals(self, silence: LinkError) -> Sequence[str]:
        try:
            events = await self._link.exchange("*ESR?", Priority.ORDER)
        except LinkError:
            raise silence from None
        if not (events.isascii() and events.isdecimal()):
            raise ProtocolError(self._device, f"answered '*ESR?' with {events[:40]!r}, expected a number")
        return [reason for bit, reason in REFUSALS.items() if int(events[:5]) & bit]


def _declared(settings: DeviceSettings, options: Options) -> MeterRange:
    own_v = ACCURACY_VOLTAGE_RATIO * options.voltage_range_v
    return MeterRange(
        channels=(CHANNEL,),
        kinds=KINDS,
        frequency_hz=FREQUENCY_HZ,
        voltage_accuracy_v=own_v if settings.voltage_accuracy_v is None else settings.voltage_accuracy_v,
        resistance_accuracy_ohm=ACCURACY_RESISTANCE_RATIO * options.resistance_range_ohm,
    )


def _offline(settings: DeviceSettings) -> OfflineFacts:
    return OfflineFacts(channels=(CHANNEL,), meter=_declared(settings, parse_options(settings)))


DRIVER = Driver(
    kind="meter",
    summary="Hioki BT3561A, BT3562 and BT3563 battery testers, open-circuit voltage and 1 kHz resistance",
    schemes=("serial", "ascii-tcp"),
    opens=HiokiBt3562,
    offline=_offline,
)
