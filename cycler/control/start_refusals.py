"""Which cells may be started, and which may not be energised any more: each refusal with its reason."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from cycler.contract.sweep import ChannelId
from cycler.control.device_loop import DeviceLoop
from cycler.control.metering import Metering
from cycler.model.cell import Cell
from cycler.model.cell_type import CellType
from cycler.model.rack import Bay, Override, Position, PositionId, Rack
from cycler.recipe.plan import Plan
from cycler.record.recorder import Recorder
from cycler.safety.inputs import inputs_of_cycler, inputs_of_rack
from cycler.safety.start_checks import StartRefusal, ledger_refusal, position_refusals


class StartRefusals:
    """Of one rack. Every answer is of the present instant; None where nothing speaks against it."""

    def __init__(
        self,
        rack: Rack,
        recorder: Recorder,
        *,
        metering: Metering,
        locked: Callable[[PositionId], str | None],
        pending: Collection[str],
        utcnow: Callable[[], datetime],
    ) -> None:
        """`locked`: what a trip or an interlock says against a position. `pending`: devices that have not answered."""
        self._rack = rack
        self._recorder = recorder
        self._metering = metering
        self._locked = locked
        self._pending = pending
        self._utcnow = utcnow
        self.disk_low: str | None = None  # why the record of another run may not fit

    def of_start(
        self, bay: Bay, position: Position, loop: DeviceLoop, plan: Plan | None, cell: Cell
    ) -> StartRefusal | None:
        """Of a cell at the begin of its run."""
        refusal = self.of_position(bay, position, loop, None if plan is None else plan.cell_type)
        if refusal is not None or plan is None or loop.last is None:
            return refusal
        unmeasured = self._metering.refusal(position, plan, loop.capabilities)
        if unmeasured is not None:
            return StartRefusal(code=None, text=unmeasured)
        channel = ChannelId(position.channels[0].channel)
        return ledger_refusal(plan, cell, loop.last[channel], loop.capabilities)

    def of_position(
        self, bay: Bay, position: Position, loop: DeviceLoop, cell_type: CellType | None
    ) -> StartRefusal | None:
        """Of any current there. `cell_type`: None where there is no plan, for want of an answer of the device."""
        unreachable = self.unreachable(loop)
        if unreachable is not None:
            return unreachable
        locked = self._locked(position.position)
        if locked is not None:
            return StartRefusal(code=None, text=locked)
        if cell_type is None or loop.last is None:
            return StartRefusal(code=None, text=f"{loop.device} did not answer in time")
        channel = ChannelId(position.channels[0].channel)
        if channel not in loop.capabilities.channels:
            return StartRefusal(code=None, text=f"{loop.device} has no channel {channel}")
        refusals = position_refusals(
            cell_type,
            loop.capabilities,
            inputs_of_rack(self._rack, position)
            | inputs_of_cycler(loop.capabilities, loop.last, cell_type.rated_capacity_ah),
            contactor=bay.contactor is not None,
            overridden=self.override(loop.device) is not None,
        )
        return StartRefusal(code=None, text="; ".join(each.text for each in refusals)) if refusals else None

    def unreachable(self, loop: DeviceLoop) -> StartRefusal | None:
        """The device, or the disk."""
        if loop.last is None or loop.device in self._pending:
            return StartRefusal(code=None, text=f"{loop.device} does not answer")
        if self._recorder.trouble is not None:
            return StartRefusal(code=None, text=f"the journal is not durable: {self._recorder.trouble}")
        if self.disk_low is not None:
            return StartRefusal(code=None, text=f"the record needs room: {self.disk_low}")
        return None

    def override(self, device: str) -> Override | None:
        """Who answers for the device today."""
        return self._rack.override(device, today=self._utcnow().date())

    def overrides(self, bay: Bay) -> Mapping[str, Override]:
        """Of the bay's devices."""
        devices = dict.fromkeys(channel.device for each in bay.positions.values() for channel in each.channels)
        return {device: found for device in devices if (found := self.override(device)) is not None}
