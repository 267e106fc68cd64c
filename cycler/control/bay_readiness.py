"""What a bay must be before a current flows in it: temperatures read; chamber, outputs, press, contactor in place."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from cycler.contract.errors import DeviceError
from cycler.control.chambers import Chambers
from cycler.control.channel_controller import ChannelController
from cycler.control.io_loop import IoLoop
from cycler.control.outputs import BayOutputs
from cycler.control.presses import Presses
from cycler.control.temperature_loop import TemperatureLoop
from cycler.model.rack import Bay, BayId
from cycler.safety.start_checks import StartRefusal


class BayReadiness:
    """Of the bays of one rack."""

    def __init__(
        self,
        *,
        temperatures: Mapping[str, TemperatureLoop],
        ios: Mapping[str, IoLoop],
        chambers: Chambers,
        presses: Presses,
        outputs: Mapping[BayId, BayOutputs],
    ) -> None:
        self._temperatures = temperatures
        self._ios = ios
        self._chambers = chambers
        self._presses = presses
        self._outputs = outputs

    async def make_ready(self, bay: Bay, controllers: Sequence[ChannelController]) -> StartRefusal | None:
        """For these cells; else why nothing may start there."""
        outputs = self._outputs.get(bay.bay)
        if outputs is not None and not outputs.are_safe:
            return StartRefusal(
                code=None, text=f"the outputs of bay {bay.bay} are not confirmed safe since its last run"
            )
        try:
            await self.watch_temperatures(bay, controllers)
            refusal = await self._chambers.make_ready(bay, controllers)
            if refusal is not None:
                return refusal
            if controllers:
                await self._presses.move(bay, closed=True)
            if controllers and bay.contactor is not None:
                await self._ios[bay.contactor.device].write({bay.contactor.channel: True})
        except DeviceError as error:
            return StartRefusal(code=None, text=str(error))
        return None

    async def watch(self, bay: Bay, controllers: Sequence[ChannelController]) -> StartRefusal | None:
        """Temperatures are read; else why not."""
        try:
            await self.watch_temperatures(bay, controllers)
        except DeviceError as error:
            return StartRefusal(code=None, text=str(error))
        return None

    async def watch_temperatures(self, bay: Bay, controllers: Sequence[ChannelController]) -> None:
        """From now on they know theirs. Raises `DeviceError`."""
        by_input: defaultdict[str, defaultdict[str, list[ChannelController]]]
        by_input = defaultdict(lambda: defaultdict(list))
        for controller in controllers:
            source = bay.positions[controller.position].temperature
            if source is not None:
                by_input[source.device][source.channel].append(controller)
        for device, channels in by_input.items():
            await self._temperatures[device].watch(channels)
