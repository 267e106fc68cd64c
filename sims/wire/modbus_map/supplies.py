"""The plant of a cycler's map: a bidirectional supply a channel, with limits of its own that open its output."""

from collections.abc import Callable, Mapping
from functools import partial

from cycler.contract.register_map import EntryKey, RegisterMap
from sims.faults import Faults
from sims.terminal import Supply, Terminal
from sims.wire.modbus import BUSY, ILLEGAL_VALUE, ModbusException
from sims.wire.modbus_map.plant import Plant

SET_VALUES = {
    "set-voltage": "voltage", "set-charge-current": "charge_current", "set-discharge-current": "discharge_current",
}  # fmt: skip
LIMITS = {
    "over-voltage": "voltage", "under-voltage": "voltage",
    "over-charge-current": "charge_current", "over-discharge-current": "discharge_current",
}  # fmt: skip
TRIP_RATIO = 1.02  # of a limit in current: at the limit itself it regulates


class MappedSupply:
    """One channel."""

    def __init__(self, register_map: RegisterMap, row: int, terminal: Terminal, faults: Faults) -> None:
        self.alarm = False
        self.on = False
        self._ranges = register_map.ranges
        self._row = row
        self._terminal = terminal
        self._faults = faults
        self.values = dict.fromkeys(SET_VALUES, 0.0) | {
            name: self._ranges[quantity][name != "under-voltage"] for name, quantity in LIMITS.items()
        }

    def numbers(self) -> Mapping[str, Callable[[], float]]:
        """By name."""
        held = {name: partial(self.values.__getitem__, name) for name in self.values}
        return {"voltage": lambda: self._measured()[0], "current": lambda: self._measured()[1], **held}

    def set_value(self, name: str, value: float) -> None:
        """A set value or a limit."""
        low, high = self._ranges[{**SET_VALUES, **LIMITS}[name]]
        if not (low <= value <= high or (name in SET_VALUES and value == 0.0)):
            raise ModbusException(ILLEGAL_VALUE)
        if not self._faults.ignores("not-applied", self._row):
            self.values[name] = value
            self._drive()

    def switch(self, on: bool) -> None:
        """The output. It stays off as long as an alarm stands."""
        if on and self.alarm:
            raise ModbusException(BUSY)
        if not self._faults.ignores("not-applied" if on else "off-ignored", self._row):
            self.on = on
            self._drive()

    def acknowledge(self, on: bool) -> None:
        """A 1 ends the alarm."""
        self.alarm = self.alarm and not on

    def trip(self) -> None:
        """An alarm of its own."""
        self.alarm = True
        self.open()

    def open(self) -> None:
        """Whatever was commanded."""
        self.on = False
        self._drive()

    def _measured(self) -> tuple[float, float]:
        reading, values = self._terminal.measure(), self.values
        voltage_v, current_a = reading.voltage_v, reading.current_a
        if self.on and (
            not values["under-voltage"] <= voltage_v <= values["over-voltage"]
            or current_a > TRIP_RATIO * values["over-charge-current"]
            or -current_a > TRIP_RATIO * values["over-discharge-current"]
        ):
            self.trip()
        return voltage_v, current_a

    def _drive(self) -> None:
        self._terminal.drive(
            Supply(
                on=self.on,
                voltage_v=self.values["set-voltage"],
                source_current_a=self.values["set-charge-current"],
                sink_current_a=self.values["set-discharge-current"],
            )
        )


def supplies_plant(supplies: Mapping[str, MappedSupply]) -> Plant:
    """By channel."""
    number: dict[EntryKey, Callable[[], float]] = {}
    set_number: dict[EntryKey, Callable[[float], None]] = {}
    state: dict[EntryKey, Callable[[], bool]] = {}
    switch: dict[EntryKey, Callable[[bool], None]] = {}
    for channel, supply in supplies.items():
        number |= {(name, channel): read for name, read in supply.numbers().items()}
        for name in supply.values:
            set_number[name, channel] = partial(supply.set_value, name)
        state["output", channel] = partial(getattr, supply, "on")
        state["alarm", channel] = partial(getattr, supply, "alarm")
        state["acknowledge", channel] = lambda: False
        switch["output", channel] = supply.switch
        switch["acknowledge", channel] = supply.acknowledge

    def all_off() -> None:
        for supply in supplies.values():
            supply.open()

    return Plant(number=number, set_number=set_number, state=state, switch=switch, all_off=all_off)
