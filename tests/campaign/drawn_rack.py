"""Racks at random: a rack file's text, with up to four bays of all kinds of cyclers, and what is around them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

BayKind = Literal["sim", "sim-counting", "ea_psb", "keithley_2450", "keysight_bt2200", "parallel"]

SHARES: dict[BayKind, float] = {
    "sim": 4,
    "sim-counting": 3,
    "ea_psb": 1,
    "keithley_2450": 0.5,
    "keysight_bt2200": 2.5,
    "parallel": 1,
}
POSITIONS: dict[BayKind, tuple[int, int]] = {
    "sim": (6, 32),
    "sim-counting": (6, 32),
    "ea_psb": (1, 3),
    "keithley_2450": (1, 2),
    "keysight_bt2200": (6, 24),
    "parallel": (2, 8),
}
MODULE_SENSORS, SENSORS = 32, 128
THERMOMETERS, IO, CHAMBER, METER = "tc-01", "io-01", "ch-01", "hi-01"
MAP = "tc-module.yaml"
CHAMBERS = {
    "sim_chamber": '"sim:ch-01"',
    "watlow_f4t": '"modbus-tcp://127.0.0.1:15005"',
    "espec_p300": '"ascii-tcp://127.0.0.1:15006"',
}
PSB = (
    "on_controller_loss: stop, rated: {voltage: 10 V, current: 15 A, power: 150 W}, "
    "accuracy: {voltage: 0.05 %, current: 0.05 %}, over_voltage: 4.5 V, over_current: 6 A, sink_over_current: 6 A"
)
SMU = "on_controller_loss: stop, rated: {voltage: 5 V, current: 6 A}, accuracy: {voltage: 0.02 %, current: 0.05 %}"
BT = (
    "bipolar_sense: true, on_controller_loss: stop, rated: {voltage: 5 V, current: 7 A}, "
    "accuracy: {voltage: 0.02 %, current: 0.02 %}"
)


@dataclass(slots=True)
class DrawnRack:
    """`text` is the rack file's; it wants `MAP` beside it."""

    devices: list[str] = field(default_factory=list)
    bays: list[str] = field(default_factory=list)
    interlocks: list[str] = field(default_factory=list)
    kinds: list[BayKind] = field(default_factory=list)
    in_chamber: list[bool] = field(default_factory=list)
    pressed: list[bool] = field(default_factory=list)

    @property
    def text(self) -> str:
        """As a person would have written it."""
        parts = ["rack: {id: CAMPAIGN, purpose: production}", "devices:", *self.devices, "bays:", *self.bays]
        return "\n".join([*parts, *(["interlocks:", *self.interlocks] if self.interlocks else [])]) + "\n"


def drawn_rack(random: Random) -> DrawnRack:
    """Every bay is of one kind; each cell has a sensor, most bays a contactor, some a chamber, a press, interlocks."""
    rack = DrawnRack()
    has_chamber, sensor = random.random() < 0.5, 0
    for number in range(1, random.choice((1, 1, 2, 2, 3, 4)) + 1):
        (kind,) = random.choices(list(SHARES), list(SHARES.values()))
        count = random.randint(*POSITIONS[kind])
        channels = _cyclers(rack, kind, number, count)
        in_chamber, pressed = has_chamber and random.random() < 0.7, number <= 2 and random.random() < 0.3
        safe_alone = kind in {"sim", "sim-counting", "parallel"}
        rack.bays.append(f"  - id: B{number:02d}")
        if in_chamber:
            rack.bays.append(f"    chamber: {CHAMBER}")
        if not safe_alone or random.random() < 0.8:
            rack.bays.append(f"    contactor: {IO}/DO{number - 1}")
        if pressed:
            rack.bays.append(f"    press: {IO}/DO{6 - number}")
        rack.bays.append("    positions:")
        for place, channel in enumerate(channels, 1):
            sensor += 1
            rack.bays.append(f"      A{place}: {{channel: {channel}, temperature: {THERMOMETERS}/{sensor}}}")
        rack.kinds.append(kind)
        rack.in_chamber.append(in_chamber)
        rack.pressed.append(pressed)
    _around(rack, random, sensors=sensor)
    return rack


def _cyclers(rack: DrawnRack, kind: BayKind, number: int, count: int) -> list[str]:
    add: Callable[[str], None] = rack.devices.append
    match kind:
        case "sim" | "sim-counting":
            name, counts = f"cyc-{number:02d}", str(kind == "sim-counting").lower()
            add(f'  - {{id: {name}, driver: sim_cycler, resource: "sim:{name}", channels: {count}, counter: {counts}}}')
            return [f"{name}/{place}" for place in range(1, count + 1)]
        case "parallel":
            names = [f"cyc-{number:02d}{letter}" for letter in "ab"]
            for name in names:
                add(f'  - {{id: {name}, driver: sim_cycler, resource: "sim:{name}", channels: "{count}"}}')
            return ["+".join(f"{name}/{place}" for name in names) for place in range(1, count + 1)]
        case "ea_psb":
            names = [f"psb-{number}{place}" for place in range(1, count + 1)]
            for place, name in enumerate(names):
                port = 15100 + 10 * number + place
                address = f"modbus-tcp://127.0.0.1:{port}?scpi={port + 1000}"
                if place == 2:
                    address = f"modbus-rtu-tcp://127.0.0.1:{port}"
                add(f'  - {{id: {name}, driver: ea_psb, resource: "{address}", {PSB}}}')
            return [f"{name}/1" for name in names]
        case "keithley_2450":
            names = [f"smu-{number}{place}" for place in range(1, count + 1)]
            for place, name in enumerate(names):
                address = f"scpi-tcp://127.0.0.1:{15300 + 10 * number + place}"
                add(f'  - {{id: {name}, driver: keithley_2450, resource: "{address}", {SMU}}}')
            return [f"{name}/1" for name in names]
        case "keysight_bt2200":
            name, channels = f"bt-{number:02d}", f"101..{100 + count}"
            address = f"scpi-tcp://127.0.0.1:{15400 + number}"
            add(f'  - {{id: {name}, driver: keysight_bt2200, resource: "{address}", channels: "{channels}", {BT}}}')
            return [f"{name}/{channel}" for channel in range(101, 101 + count)]


def _around(rack: DrawnRack, random: Random, *, sensors: int) -> None:
    if sensors <= MODULE_SENSORS and random.random() < 0.5:
        rack.devices.append(
            f'  - {{id: {THERMOMETERS}, driver: modbus_map, map: {MAP}, resource: "modbus-tcp://127.0.0.1:15004"}}'
        )
    else:
        rack.devices.append(
            f'  - {{id: {THERMOMETERS}, driver: sim_temperature, resource: "sim:{THERMOMETERS}", channels: {SENSORS}}}'
        )
    if random.random() < 0.5:
        rack.devices.append(
            f"  - {{id: {IO}, driver: moxa_iologik, "
            'resource: "modbus-tcp://127.0.0.1:15003", model: E1214, watchdog: 3 s}'
        )
    else:
        lines = 'inputs: "DI0 DI1 DI2 DI3 DI4 DI5", outputs: "DO0 DO1 DO2 DO3 DO4 DO5"'
        rack.devices.append(f'  - {{id: {IO}, driver: sim_io, resource: "sim:{IO}", {lines}}}')
    if any(rack.in_chamber):
        driver = random.choice(sorted(CHAMBERS))
        rack.devices.append(f"  - {{id: {CHAMBER}, driver: {driver}, resource: {CHAMBERS[driver]}}}")
    if random.random() < 0.6:
        rack.interlocks.append(f"  - {{id: estop, input: {IO}/DI0, active: low, scope: rack, action: off-latched}}")
    for number in range(1, len(rack.kinds) + 1):
        if random.random() < 0.4:
            kind, action = random.choice((("smoke", "off-latched"), ("door", "off"), ("door", "hold"), ("tray", "off")))
            active = random.choice(("low", "high"))
            rack.interlocks.append(
                f"  - {{id: {kind}-B{number:02d}, input: {IO}/DI{number}, active: {active}, scope: bay, "
                f"at: B{number:02d}, action: {action}}}"
            )
