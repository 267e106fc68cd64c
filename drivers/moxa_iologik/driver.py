"""Moxa ioLogik E1200 remote I/O over Modbus TCP: interlock inputs, contactor outputs, and their safe status."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from cycler.contract.capabilities import Identity, IoRange, Watchdog
from cycler.contract.devices import IoReading
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority
from drivers.moxa_iologik import registers as reg
from drivers.moxa_iologik.current_loops import CurrentLoops
from drivers.moxa_iologik.identity import read_identity
from drivers.moxa_iologik.lines import Lines, lines_of
from drivers.moxa_iologik.options import Options, parse_options
from drivers.moxa_iologik.outputs import Outputs, all_off, in_safe_status

ALL = ChannelId("outputs")  # an off concerns all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What is known once the module has answered."""

    identity: Identity
    lines: Lines
    loops: CurrentLoops | None  # where the rack file gives an alarm for one
    outputs: Outputs
    capabilities: IoRange


class MoxaIologik:
    """A `DigitalIo`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        self._device = settings.device
        self._utcnow = surroundings.utcnow
        self._options = parse_options(settings)
        self._link = ModbusLink.to(settings.device, settings.resource)
        self._offs = OffGenerations((ALL,))
        self._writing = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it
        self._connected: Connected | None = None

    async def connect(self) -> Identity:
        """Who answers, and which lines it has. The same MAC address as before, if there was a before."""
        before = self._connected
        identity = await read_identity(self._device, self._link, model=self._options.model)
        if before is not None and identity.serial != before.identity.serial:
            detail = f"MAC address {identity.serial} answers where {before.identity.serial} did before"
            raise ProtocolError(self._device, detail)
        lines = lines_of(identity.model, self._options)
        self._check_alarms(identity, lines)
        outputs = Outputs(self._device, self._link, lines, watchdog_s=self._options.watchdog_s)
        await outputs.check()
        self._connected = Connected(
            identity=identity,
            lines=lines,
            loops=CurrentLoops(self._link, identity.model, lines, self._options) if lines.analogue else None,
            outputs=outputs,
            capabilities=_capabilities(lines, self._options),
        )
        return identity

    @property
    def capabilities(self) -> IoRange:
        """Valid after `connect`. Its watchdog is what the rack file says of it: Modbus cannot be asked."""
        return self._known().capabilities

    async def commission(self) -> None:
        """Outputs off, inputs and outputs plain levels, nothing in safe status. Configures nothing: that is done on the
        module's web page."""
        known = self._known()
        async with self._writing:
            shown = await known.outputs.shown(Priority.ORDER)
            if on := [line for line, is_on in shown.items() if is_on]:
                raise DeviceFault(self._device, f"{', '.join(on)} on: commissioning needs all outputs off")
            await self._refuse_running(known.lines.inputs, reg.COUNTER_RUNNING, "counts", "DI")
            await self._refuse_running(known.lines.outputs, reg.PULSES_RUNNING, "gives pulses", "DO")
            if dropped := await known.outputs.dropped(Priority.ORDER):
                if not self._options.clears_safe_status:
                    raise in_safe_status(self._device, dropped)
                await known.outputs.leave_safe_status(dropped)

    async def read(self) -> IoReading:
        """All digital inputs of one instant; then current loops and outputs."""
        known, loop = self._known(), asyncio.get_running_loop()
        inputs: dict[str, bool] = {}
        taken_s = loop.time()
        if known.lines.inputs:
            (word,) = await self._link.read(reg.INPUTS, Priority.SWEEP)
            taken_s = (self._link.sent_s + loop.time()) / 2
            inputs = {line: bool(word >> channel & 1) for line, channel in known.lines.inputs.items()}
        if known.loops is not None:
            inputs |= await known.loops.read()
        outputs = await known.outputs.swept()
        taken_utc = self._utcnow() - timedelta(seconds=loop.time() - taken_s)
        return IoReading(taken_s=taken_s, taken_utc=taken_utc, inputs=inputs, outputs=outputs)

    async def write(self, outputs: Mapping[str, bool]) -> None:
        """Line by line, what goes off first; then read back. Raises `DeviceFault` where an off came in between."""
        known = self._known()
        if unknown := sorted(outputs.keys() - known.lines.outputs.keys()):
            raise ProtocolError(self._device, f"it has no output {unknown[0]!r}; {_those(known.lines)}")
        with self._offs.unless_overtaken(self._device, ALL) as overtaken:
            async with self._writing:
                for line, on in sorted(outputs.items(), key=lambda item: item[1]):
                    channel = known.lines.outputs[line]
                    await self._link.write_coil(reg.OUTPUT + channel, on, Priority.ORDER, unless=overtaken)
                await known.outputs.confirm(outputs, Priority.ORDER)

    async def make_safe(self) -> None:
        """All outputs off in one write, read back. A lost connection is opened once more for it. It need not have been
        connected: whoever opens what another process left on may find a module that hardly answers any more."""
        self._offs.raise_for((ALL,))
        if self._connected is None:
            try:
                await once_more(lambda: all_off(self._device, self._link))
            except ProtocolError:  # a module without outputs has no register for them
                await self.connect()
            else:
                return
        await once_more(self._known().outputs.switch_off)

    async def aclose(self) -> None:
        """The outputs stay as they are, until the module's own watchdog drops them."""
        self._link.close()

    async def _refuse_running(self, lines: Mapping[str, int], coil: int, what: str, mode: str) -> None:
        for line, channel in lines.items():
            try:
                (running,) = await self._link.read_bits(coil + channel, 1, Priority.ORDER)
            except ProtocolError:
                continue  # a plain level has no such coil
            if running:
                raise DeviceFault(self._device, f"{line} {what}: set it to mode {mode} on the module's web page")

    def _check_alarms(self, identity: Identity, lines: Lines) -> None:
        if missing := [channel for channel in self._options.alarms_ma if f"AI{channel}" not in lines.analogue]:
            raise ProtocolError(self._device, f"an {identity.model} has no AI{missing[0]}")

    def _known(self) -> Connected:
        if self._connected is None:
            raise LinkError(self._device, "not connected yet: its lines are not known")
        return self._connected


def _capabilities(lines: Lines, options: Options) -> IoRange:
    return IoRange(
        inputs=lines.input_names,
        outputs=tuple(lines.outputs),
        outputs_safe=lines.all_off(),
        watchdog=_watchdog(options) if lines.outputs else None,
    )


def _watchdog(options: Options) -> Watchdog | None:
    if options.watchdog_s is None:
        return None
    return Watchdog(watches="host", timeout_s=options.watchdog_s, proven=bool(options.watchdog_proof))


def _those(lines: Lines) -> str:
    return f"there are {', '.join(lines.outputs)}" if lines.outputs else "there is none"


def _offline(settings: DeviceSettings) -> OfflineFacts:
    options = parse_options(settings)
    ModbusLink.to(settings.device, settings.resource)
    if options.model is None:
        return OfflineFacts(watchdog=_watchdog(options))
    lines = lines_of(options.model, options)
    return OfflineFacts(channels=tuple(lines.outputs), inputs=lines.input_names, watchdog=_watchdog(options))


DRIVER = Driver(
    kind="digital-io",
    summary="Moxa ioLogik E1210, E1211, E1212, E1214, E1240 and E1242 remote I/O over Modbus TCP",
    schemes=("modbus-tcp",),
    opens=MoxaIologik,
    offline=_offline,
)
