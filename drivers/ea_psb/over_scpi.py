"""The supply over SCPI: on its second TCP port, and on its serial ones."""

import asyncio
import math
from collections.abc import Callable, Sequence

from cycler.contract.capabilities import Identity
from cycler.contract.errors import ProtocolError
from drivers.ea_psb import commands as cmd
from drivers.ea_psb.instrument import Measured, Pace, Status, Switch
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import Ratings, raw_nearest, real
from drivers.ea_psb.set_values import Held, Setting, SetValues
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink


class ScpiInstrument:
    """An `Instrument`. A write that the device refuses is refused in silence, and shows where it is read back: to ask
    for the error would acknowledge alarms.

    One command a message: the guide joins several by semicolons, but does not say from where their names count.
    """

    def __init__(self, device: str, link: ScpiLink, *, message_s: float) -> None:
        """`message_s`: what one message takes, its gap included."""
        self.pace = Pace(order_time_s=40 * message_s, sweep_time_s=3 * message_s)
        self._device = device
        self._link = link
        self._ratings: Ratings

    async def identify(self) -> Identity:
        """As `Instrument` has it."""
        answer = await self._link.query("*IDN?", Priority.ORDER)
        fields = [part.strip() for part in answer.split(",")]
        if len(fields) < 4 or not fields[1].upper().startswith("PSB"):
            raise ProtocolError(self._device, f"*IDN? was answered with {answer!r}, expected a PSB or PSBE")
        maker, model, serial, firmware = fields[:4]
        return Identity(maker=maker, model=model, serial=serial, firmware=firmware)

    async def ratings(self) -> Ratings:
        """As `Instrument` has it."""
        # No question of the guide tells which resistances it takes: over SCPI it is held to regulate none.
        voltage, current, power = await self._quantities(cmd.RATINGS)
        self._ratings = Ratings(voltage_v=voltage[0], current_a=current[0], power_w=power[0])
        return self._ratings

    async def reach(self) -> Reach:
        """As `Instrument` has it."""
        raws = [
            raw_nearest(value, cmd.rated(self._ratings, unit))
            for (_, unit), (value, _) in zip(cmd.LIMITS, await self._quantities(cmd.LIMITS), strict=True)
        ]
        voltage_min, voltage_max, source_min, source_max, sink_min, sink_max, power_max, sink_power_max = raws
        return Reach.within_ratings(
            voltage=(voltage_min, voltage_max),
            source_current=(source_min, source_max),
            sink_current=(sink_min, sink_max),
            source_power=(0, power_max),
            sink_power=(0, sink_power_max),
        )

    async def status(self, priority: Priority) -> Status:
        """As `Instrument` has it."""
        questionable, operation = [await self._word(question, priority) for question in cmd.STATUS]
        return cmd.status(questionable, operation)

    async def measure(self, *, accuracy_a: float) -> Measured:
        """One answer has voltage and current, with its sign."""
        actual = await self._link.query(cmd.ACTUAL, Priority.SWEEP)
        taken_s = (self._link.sent_s + asyncio.get_running_loop().time()) / 2
        parts = actual.split(",")
        if len(parts) != 3:
            raise ProtocolError(self._device, f"{cmd.ACTUAL} was answered with {actual!r}, expected three values")
        voltage_v, _ = self._quantity(parts[0], "V", cmd.ACTUAL)
        current_a, _ = self._quantity(parts[1], "A", cmd.ACTUAL)
        return Measured(taken_s, voltage_v, current_a, await self.status(Priority.SWEEP))

    async def held(self) -> Held:
        """As `Instrument` has it. Replies are rounded to the decimals that the model shows."""
        questions = [(f"{command}?", unit) for command, unit in cmd.SETTINGS.values()]
        values, rounding = [], []
        for (_, unit), (value, last_decimal) in zip(questions, await self._quantities(questions), strict=True):
            rated = cmd.rated(self._ratings, unit)
            values.append(raw_nearest(value, rated))
            rounding.append(math.ceil(last_decimal / 2 / real(1, rated)))
        return Held(SetValues(*values), rounding=SetValues(*rounding))

    async def voltage_raw(self) -> int:
        """As `Instrument` has it."""
        ((voltage_v, _),) = await self._quantities([("MEAS:VOLT?", "V")])
        return raw_nearest(voltage_v, self._ratings.voltage_v)

    async def write(
        self, setting: Setting, raw: int, priority: Priority, *, unless: Callable[[], bool] | None = None
    ) -> None:
        """As `Instrument` has it."""
        if setting is Setting.OUTPUT:
            text = cmd.OUTPUT[raw]
        else:
            command, unit = cmd.SETTINGS[setting]
            text = f"{command} {real(raw, cmd.rated(self._ratings, unit)):.6f}"
        await self._link.write(text, priority, unless=unless)

    async def switch(self, what: Switch, on: bool, priority: Priority) -> None:
        """As `Instrument` has it."""
        await self._link.write(cmd.SWITCHES[what][on], priority)

    async def is_on(self, what: Switch) -> bool:
        """As `Instrument` has it."""
        question, on = cmd.SWITCH_STATES[what]
        return await self._link.query(question, Priority.ORDER) == on

    async def acknowledge_alarms(self) -> None:
        """As `Instrument` has it."""
        await self._link.query(cmd.ACKNOWLEDGE, Priority.ORDER)

    async def refuse_restart(self) -> bool:
        """Nothing to do: over SCPI commissioning asks for this setting together with its kind."""
        return True

    def close(self) -> None:
        """As `Instrument` has it."""
        self._link.close()

    async def _word(self, question: str, priority: Priority) -> int:
        answer = await self._link.query(question, priority)
        if not answer.isdecimal():
            raise ProtocolError(self._device, f"{question} was answered with {answer!r}, expected a number")
        return int(answer)

    async def _quantities(self, questions: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        """Each value with its last decimal."""
        return [
            self._quantity(await self._link.query(question, Priority.ORDER), unit, question)
            for question, unit in questions
        ]

    def _quantity(self, text: str, unit: str, question: str) -> tuple[float, float]:
        try:
            return cmd.quantity(text, unit)
        except ValueError as error:
            raise ProtocolError(self._device, f"{question} was answered with {error}") from None
