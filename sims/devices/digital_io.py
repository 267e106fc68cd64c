"""`sim_io`: contactor outputs and interlock inputs inside this process."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from cycler.contract.capabilities import Identity, IoRange, Watchdog
from cycler.contract.devices import IoReading
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from sims.devices.cable import Cable
from sims.devices.options import Options
from sims.devices.surroundings import installed, world_of
from sims.faults import Faults

T = TypeVar("T")

INPUTS = "DI0 DI1 DI2 DI3"
OUTPUTS = "DO0 DO1 DO2 DO3"
HOST_WATCHDOG_S = 3.0
HOST_WATCHDOG = Watchdog(watches="host", timeout_s=HOST_WATCHDOG_S, proven=True)


class IoHardware:
    """Relays that open when the host falls silent, and inputs that the world sets. Inputs are high when all is well."""

    def __init__(
        self,
        device: str,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        moved: Callable[[str, bool], None],
        faults: Faults,
    ) -> None:
        self.faults = faults
        self.cable = Cable(device, faults)
        self.inputs = dict.fromkeys(inputs, True)
        self._outputs = dict.fromkeys(outputs, False)
        self._rows = {line: row for row, line in enumerate(outputs)}
        self._moved = moved
        self._watchdog: asyncio.TimerHandle | None = None
        self._lines = self.lines()
        faults.wire(outputs, self.restart)

    def lines(self) -> tuple[dict[str, bool], dict[str, bool]]:
        """Inputs and outputs as they are."""
        if not self.faults.active or not self.faults.strikes("frozen"):
            inputs = {line: high != self.faults.inverts(line) for line, high in self.inputs.items()}
            self._lines = inputs, dict(self._outputs)
        return self._lines

    def set_outputs(self, outputs: Mapping[str, bool]) -> dict[str, bool]:
        """Move the relays; the answer is where they are now."""
        for line, closed in outputs.items():
            if self._outputs[line] != closed and not self._is_stuck(line, closed):
                self._outputs[line] = closed
                self._moved(line, closed)
        if self._watchdog is None and any(self._outputs.values()):
            self._expect_host()
        return dict(self._outputs)

    def restart(self) -> None:
        """Power went and came back: every relay open."""
        self.set_outputs(dict.fromkeys(self._outputs, False))

    def _is_stuck(self, line: str, closed: bool) -> bool:
        row = self._rows[line]
        if closed:
            return self.faults.strikes("stuck-open", row) or self.faults.ignores("not-applied", row)
        return self.faults.strikes("stuck-closed", row) or self.faults.ignores("off-ignored", row)

    def _expect_host(self) -> None:
        self._watchdog = asyncio.get_running_loop().call_at(self.cable.heard_s + HOST_WATCHDOG_S, self._check_host)

    def _check_host(self) -> None:
        self._watchdog = None
        if asyncio.get_running_loop().time() >= self.cable.heard_s + HOST_WATCHDOG_S:
            self.restart()
        elif any(self._outputs.values()):
            self._expect_host()


class SimIo:
    """One host's connection to the lines."""

    def __init__(self, device: str, hardware: IoHardware, utcnow: Callable[[], datetime]) -> None:
        self._device = device
        self._hardware = hardware
        self._utcnow = utcnow
        self._connected = False
        inputs, outputs = hardware.lines()
        self._capabilities = IoRange(
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            outputs_safe=dict.fromkeys(outputs, False),
            watchdog=HOST_WATCHDOG,
        )

    @property
    def capabilities(self) -> IoRange:
        return self._capabilities

    async def connect(self) -> Identity:
        self._connected = True
        await self.read()
        return Identity(maker="formation-cycler", model="sim_io", serial=self._device, firmware="")

    async def commission(self) -> None:
        reading = await self.read()
        if closed := [line for line, is_closed in reading.outputs.items() if is_closed]:
            raise DeviceFault(self._device, f"outputs are on: {', '.join(closed)}")

    async def read(self) -> IoReading:
        inputs, outputs = await self._exchange(self._hardware.lines)
        return IoReading(
            taken_s=asyncio.get_running_loop().time(), taken_utc=self._utcnow(), inputs=inputs, outputs=outputs
        )

    async def write(self, outputs: Mapping[str, bool]) -> None:
        if unknown := sorted(outputs.keys() - set(self._capabilities.outputs)):
            raise ProtocolError(self._device, f"it has no output {unknown[0]!r}")
        self._confirm(outputs, await self._exchange(lambda: self._hardware.set_outputs(outputs)))

    async def make_safe(self) -> None:
        self._connected = True
        safe = self._capabilities.outputs_safe
        self._confirm(safe, await self._exchange(lambda: self._hardware.set_outputs(safe)))

    async def aclose(self) -> None:
        self._connected = False

    def _confirm(self, ordered: Mapping[str, bool], found: Mapping[str, bool]) -> None:
        for line, closed in ordered.items():
            if found[line] != closed:
                states = {True: "closed", False: "open"}
                raise DeviceFault(self._device, f"{line} is {states[found[line]]}, {states[closed]} was ordered")

    async def _exchange(self, call: Callable[[], T]) -> T:
        if not self._connected:
            raise LinkError(self._device, "not connected")
        return await self._hardware.cable.exchange(call)


def open_io(settings: DeviceSettings, surroundings: Surroundings) -> SimIo:
    """Options: `inputs`, `outputs`, names separated by blanks or commas. Raises `ValueError`."""
    world = world_of(settings, surroundings)
    inputs, outputs = _parsed(settings)

    def build() -> IoHardware:
        def moved(line: str, closed: bool) -> None:
            world.set_contactor(settings.device, line, closed)

        return IoHardware(settings.device, inputs, outputs, moved, world.faults(settings.device))

    return SimIo(settings.device, installed(world, settings.device, IoHardware, build), surroundings.utcnow)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    inputs, outputs = _parsed(settings)
    return OfflineFacts(channels=outputs, inputs=inputs, watchdog=HOST_WATCHDOG)


def _parsed(settings: DeviceSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Inputs and outputs."""
    options = Options(settings.device, settings.options)
    inputs, outputs = options.names("inputs", INPUTS), options.names("outputs", OUTPUTS)
    options.finish()
    return inputs, outputs


DRIVER = Driver(
    kind="digital-io",
    summary="simulated contactor outputs and interlock inputs inside this process",
    schemes=("sim",),
    opens=open_io,
    offline=_offline,
)
