"""The digital outputs that steps of one bay set: in their safe state whenever no step asks for anything else."""

import asyncio
from collections.abc import Callable, Mapping

from cycler.contract.errors import DeviceError
from cycler.control.cancellation import raise_if_cancelled
from cycler.control.io_loop import IoLoop
from cycler.model.rack import Bay

OPEN_S_MAX = 30.0
"""For every relay of the bay to be seen open, before an output is set that needs that."""

LOOK_S, AGAIN_S = 0.5, 1.0


class BayOutputs:
    """All but `run` are ordinary calls, that never wait.

    An output that needs an open path is set once every relay of the bay is seen open and its contactor has confirmed
    that it is. The contactor closes again after all outputs have confirmed their safe state; until then nothing may be
    switched on there.
    """

    def __init__(
        self,
        bay: Bay,
        ios: Mapping[str, IoLoop],
        *,
        relays_open: Callable[[], bool],
        goes_on: Callable[[], bool],
        on_failed: Callable[[str], None],
        on_safe: Callable[[], None],
    ) -> None:
        """`relays_open`: every relay of the bay is seen open; `goes_on`: a cell of it still runs.

        `on_failed` hears that an output may not be where it should, and why; `on_safe`, that all are safe again.
        """
        self.are_safe = True
        self._bay = bay
        self._ios = ios
        self._relays_open = relays_open
        self._goes_on = goes_on
        self._on_failed = on_failed
        self._on_safe = on_safe
        self._wanted: Mapping[str, bool] | None = None
        self._done: Callable[[], None] = lambda: None
        self._opened_contactor = False
        self._changed = asyncio.Event()

    def ask(self, states: Mapping[str, bool], done: Callable[[], None]) -> None:
        """Set these outputs, by their names; `done` hears that they are."""
        self.are_safe = False
        self._wanted, self._done = states, done
        self._changed.set()

    def give_back(self) -> None:
        """No step asks for them any more."""
        if self._wanted is not None:
            self._wanted = None
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled; the loops of the I/O devices then see to it that all is safe."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._wanted is not None:
                await self._set(self._wanted)
            else:
                await self._make_safe()

    async def _set(self, states: Mapping[str, bool]) -> None:
        try:
            if any(self._bay.outputs[name].needs_open for name in states) and not await self._open_the_path():
                return
            for name, state in states.items():
                if self._wanted is not states:
                    return
                output = self._bay.outputs[name].output
                await self._ios[output.device].write({output.channel: state})
        except DeviceError as error:
            raise_if_cancelled()
            self._on_failed(f"bay {self._bay.bay}: its outputs cannot be set: {error}")
            return
        if self._wanted is states:
            self._done()

    async def _open_the_path(self) -> bool:
        """Whether nothing can flow, and the outputs still are wanted. Raises `DeviceError`."""
        clock = asyncio.get_running_loop().time
        given_up_s = clock() + OPEN_S_MAX
        while not self._relays_open():
            if self._wanted is None:
                return False
            if clock() > given_up_s:
                self._on_failed(f"bay {self._bay.bay}: its relays are not seen open, so its outputs are not set")
                return False
            await asyncio.sleep(LOOK_S)
        if self._bay.contactor is not None:
            self._opened_contactor = True
            await self._ios[self._bay.contactor.device].write({self._bay.contactor.channel: False})
        return self._wanted is not None

    async def _make_safe(self) -> None:
        told = False
        while self._wanted is None:
            try:
                for output in (each.output for each in self._bay.outputs.values()):
                    io = self._ios[output.device]
                    await io.write({output.channel: io.outputs_safe[output.channel]})
                if self._opened_contactor and self._bay.contactor is not None and self._goes_on():
                    await self._ios[self._bay.contactor.device].write({self._bay.contactor.channel: True})
            except DeviceError as error:
                raise_if_cancelled()
                if not told:
                    told = True
                    self._on_failed(f"bay {self._bay.bay}: its outputs are not confirmed safe: {error}")
                await asyncio.sleep(AGAIN_S)
            else:
                self._opened_contactor = False
                self.are_safe = True
                self._on_safe()
                return
