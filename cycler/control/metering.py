"""Steps that measure at rest: who measures which cell, and what becomes of those that nobody could measure.

A cell waits in such a step with its relay open, and each cell for itself: others go on meanwhile. Cells that share a
meter are measured in the order in which they have come.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan

from cycler.contract.capabilities import Capabilities, MeterKind
from cycler.contract.sweep import ChannelId
from cycler.control.channel_controller import ChannelController
from cycler.control.meter_loop import MeterLoop, Wanted
from cycler.control.outbox import Command
from cycler.model.alarm import AlarmCode
from cycler.model.rack import ChannelRef, Position, PositionId
from cycler.model.results import CYCLER, MeterValue
from cycler.recipe.measurable import why_not_measurable
from cycler.recipe.plan import MEASURED_WITHIN_S, MeterRule, Plan, PlanStep
from cycler.recipe.words import in_words

OVERDUE = f"it was not measured within {MEASURED_WITHIN_S:g} s"

APART_V = 0.05  # or three times what both may err by: less is the relaxation of a cell between two readings
APART_ACCURACIES = 3


@dataclass(frozen=True, slots=True)
class _Asked:
    """A cell, the step that it is in, and what is to be measured by which meter until when, by the loop's clock."""

    controller: ChannelController
    step_count: int
    kind: MeterKind
    meter: ChannelRef
    due_s: float

    @property
    def waits(self) -> bool:
        """It is still held there."""
        machine = self.controller.machine
        return machine.held and machine.step_count == self.step_count


class Metering:
    """All calls but `run` are ordinary ones."""

    def __init__(
        self,
        loops: Mapping[str, MeterLoop],
        positions: Mapping[PositionId, Position],
        *,
        post: Callable[[ChannelController, Sequence[Command]], None],
        on_alarm: Callable[[AlarmCode, PositionId, str], None],
    ) -> None:
        """`loops`: the rack's meters, by their devices; `post` tells a controller's device, `on_alarm` people."""
        self._loops = loops
        self._positions = positions
        self._post = post
        self._on_alarm = on_alarm
        self._overdue: asyncio.Queue[_Asked] = asyncio.Queue()  # in the order in which they will be

    def refusal(self, position: Position, plan: Plan, capabilities: Capabilities) -> str | None:
        """Why the plan cannot be run there: what no cycler measures needs a meter that can."""
        for step in plan.program:
            if isinstance(step, PlanStep) and step.meter is not None and step.meter.kind == "acir":
                why = self._obstacle(position, step.meter)
                if why is None and capabilities.rest != "relay-open":
                    why = "the cycler stays connected at rest, and the meter needs the cell for itself"
                if why is not None:
                    return f"step {step.step_id} cannot be measured: {why}"
        return None

    def on_held(self, controller: ChannelController) -> None:
        """The cell waits in a step that measures."""
        step, position = controller.machine.step, self._positions[controller.position]
        assert step is not None and step.meter is not None  # noqa: S101 (its caller has looked)
        kind, obstacle = step.meter.kind, self._obstacle(position, step.meter)
        if obstacle is None and not controller.machine.is_proven_open:
            obstacle = "its relay is not seen open"
        if obstacle is None and position.meter is not None:
            self._ask(controller, kind, position.meter)
        elif kind == "ocv" and not isnan(controller.machine.voltage_v):
            if position.meter is not None:
                controller.record("meter.bypassed", text=f"measured by the cycler: {obstacle}")
            self._measured(controller, kind, MeterValue(value=controller.machine.voltage_v, by=CYCLER))
        else:
            self._not_measured(controller, obstacle or "the cycler shows no voltage")

    async def run(self) -> None:
        """See that no cell waits for ever, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            asked = await self._overdue.get()
            await asyncio.sleep(max(asked.due_s - clock(), 0.0))
            if asked.waits:
                self._not_measured(asked.controller, OVERDUE)

    def _obstacle(self, position: Position, rule: MeterRule) -> str | None:
        """Why no meter can measure this there."""
        if position.meter is None:
            return f"{position.position} has no meter"
        able = self._loops[position.meter.device].capabilities
        return None if able is None else why_not_measurable(rule, position.meter, able)

    def _ask(self, controller: ChannelController, kind: MeterKind, meter: ChannelRef) -> None:
        due_s = asyncio.get_running_loop().time() + MEASURED_WITHIN_S
        asked = _Asked(controller, controller.machine.step_count, kind, meter, due_s)
        self._overdue.put_nowait(asked)
        self._loops[meter.device].ask(
            Wanted(
                channel=ChannelId(meter.channel),
                kind=kind,
                is_due=lambda: asked.waits and controller.machine.is_proven_open,
                answer=partial(self._answer, asked),
            )
        )

    def _answer(self, asked: _Asked, value: float | None, why: str) -> None:
        if not asked.waits:
            return
        if value is None:
            self._not_measured(asked.controller, why)
        elif (doubt := self._doubt(asked, value)) is not None:
            self._not_measured(asked.controller, doubt, code=AlarmCode.SENSE_PROBE_DELTA)
        else:
            self._measured(asked.controller, asked.kind, MeterValue(value=value, by=str(asked.meter)))

    def _doubt(self, asked: _Asked, value: float) -> str | None:
        """The cycler's sense is the second witness of a voltage: tips may be on another cell, or a sense wire off."""
        able = self._loops[asked.meter.device].capabilities
        if asked.kind != "ocv" or able is None:
            return None
        sense_v, accuracy_v = asked.controller.machine.voltage_v, asked.controller.capabilities.range.voltage_accuracy_v
        if not abs(value - sense_v) > max(APART_V, APART_ACCURACIES * (able.voltage_accuracy_v + accuracy_v)):
            return None  # also where the cycler shows nothing
        return f"{asked.meter} shows {value:.4f} V, and the cycler {sense_v:.4f} V"

    def _measured(self, controller: ChannelController, kind: MeterKind, metered: MeterValue) -> None:
        controller.machine.take_metered(metered)
        text = f"{in_words(metered.value, 'V' if kind == 'ocv' else 'Ohm')} by {metered.by}"
        self._post(controller, controller.release("completed", text))

    def _not_measured(self, controller: ChannelController, why: str, *, code: AlarmCode | None = None) -> None:
        """The step gives no number, and says why; what the recipe makes of that is its author's business."""
        controller.record("meter.not_measured", code=None if code is None else str(code.value), text=why)
        if code is not None:
            self._on_alarm(code, controller.position, why)
        self._post(controller, controller.release("device-fault", why))
