"""One digital I/O device: keeps its watchdog fed, and notices a contactor that is not where it was put."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

import structlog

from cycler.contract.devices import DigitalIo
from cycler.contract.errors import DeviceError, LinkError, ProtocolError
from cycler.control.beat import Beat
from cycler.control.patience import Patience

OnInputs = Callable[[str, float, Mapping[str, bool] | None], bool]
"""Hears a device's inputs with the time of the reading, None where it was lost; whether the next is wanted soon."""

log = structlog.get_logger()

FAST_S = 0.1  # after a lost reply, and while an input has to be confirmed
BEATS_PER_WATCHDOG = 3  # so that one lost reply does not open the contactors
OUTPUTS_END_S = 3.0


class IoLoop:
    """Reads on its beat. `on_moved` hears of every output that is not where it was put, once each time."""

    def __init__(
        self,
        device: str,
        driver: DigitalIo,
        *,
        sweep_s: float,
        offset_s: float,
        on_moved: Callable[[str, str, bool], None],
        on_inputs: OnInputs,
        outputs_ended: asyncio.Event,
        in_use: Collection[str] = (),
    ) -> None:
        """`on_moved(device, output, closed)`. `outputs_ended`: no cycler's output is on any more, at the rack's end.

        `in_use`: outputs behind which something may go on that an earlier process has begun.
        """
        self.device = device
        self._driver = driver
        self._sweep_s = sweep_s
        self._offset_s = offset_s
        self._beat = Beat(period_s=sweep_s, fast_s=FAST_S, offset_s=offset_s)
        self._patience = Patience(device, sweep_s=sweep_s)
        self._on_moved = on_moved
        self._on_inputs = on_inputs
        self._outputs_ended = outputs_ended
        self._told: dict[str, bool] = {}
        self._in_use = in_use

    async def prepare(self) -> None:
        """Connect, put the outputs into their safe state, and configure."""
        self._told.clear()
        await self._driver.connect()
        if not await self._is_in_use():
            await self._driver.make_safe()
            await self._driver.commission()
        reading = await self._driver.read()
        self._told.update(reading.outputs)
        watchdog = self._driver.capabilities.watchdog
        period_s = self._sweep_s if watchdog is None else min(self._sweep_s, watchdog.timeout_s / BEATS_PER_WATCHDOG)
        self._patience.expect_every(period_s)
        self._beat = Beat(period_s=period_s, fast_s=FAST_S, offset_s=self._offset_s)
        self._beat.hurry(fast=self._on_inputs(self.device, reading.taken_s, reading.inputs))

    async def _is_in_use(self) -> bool:
        """Asked once: what is found closed then stays so, and the device as it is set up."""
        in_use, self._in_use = self._in_use, ()
        if not in_use:
            return False
        outputs = (await self._driver.read()).outputs
        return any(outputs[output] is not self._driver.capabilities.outputs_safe[output] for output in in_use)

    async def run(self) -> None:
        """Until cancelled, or until the device fails; the outputs are then told to go to their safe state."""
        clock = asyncio.get_running_loop().time
        self._patience.heard_s = clock()
        try:
            while True:
                await self._beat.next()
                try:
                    reading = await self._driver.read()
                except (LinkError, ProtocolError) as error:
                    self._patience.bear(error)
                    self._on_inputs(self.device, clock(), None)
                    self._beat.hurry(fast=True)
                    continue
                self._patience.heard_s = clock()
                self._beat.hurry(fast=self._on_inputs(self.device, reading.taken_s, reading.inputs))
                for output, closed in list(self._told.items()):
                    if reading.outputs[output] != closed:
                        self._told[output] = reading.outputs[output]
                        self._on_moved(self.device, output, reading.outputs[output])
        except asyncio.CancelledError:
            with suppress(TimeoutError):  # a contactor is not there to break a current, as long as that can be helped
                async with asyncio.timeout(OUTPUTS_END_S):
                    await self._outputs_ended.wait()
            raise
        finally:
            try:
                await self._driver.make_safe()
            except DeviceError as error:
                log.error("io.not_safe", device=self.device, reason=str(error))

    @property
    def outputs_safe(self) -> Mapping[str, bool]:
        """The state of each output in which it does no harm."""
        return self._driver.capabilities.outputs_safe

    async def write(self, outputs: Mapping[str, bool]) -> None:
        """Set outputs; from then on they are watched, but not while they are on their way."""
        for output in outputs:
            self._told.pop(output, None)
        await self._driver.write(outputs)
        self._told.update(outputs)
