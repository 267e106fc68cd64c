"""The addresses that the driver uses, each with how far it can be trusted.

Source: Moxa, "ioLogik E1200 Series User's Manual", appendix A (default Modbus address mapping). Marks: V the manual
says so, F a program in use with the device does, U nobody at hand confirms it. Coils and discrete inputs are two
tables.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drivers.links.modbus import Block

# Coils, one a channel.
OUTPUT = 0x0000  # V: 0 off, 1 on
PULSES_RUNNING = 0x0010  # V: of an output in pulse mode
COUNTER_RUNNING = 0x0100  # V: of an input in counter mode
LEAVE_SAFE_STATUS = 0x1020  # V: write 1

CLEAR_WATCHDOG_ALARM = 0x1030  # V: one for the module, write 1

SAFE_STATUS = 0x1010  # V: 1 while an output is in safe status; a coil, in newer manuals a discrete input

OUTPUTS = Block(0x0020, struct.Struct(">H"))  # V: bit 0 is channel 0
INPUTS = Block(0x0030, struct.Struct(">H"), table="input")  # V

MODEL = Block(5000, struct.Struct(">20s"), table="input")  # V, in newer manuals only; the order of its letters U
MAC = Block(5024, struct.Struct(">6s"), table="input")  # V
FIRMWARE = Block(5029, struct.Struct(">4B"), table="input")  # V; what each byte means U

CONFIRM_S = 0.5  # U: within which an output shows what was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """How many channels of each kind; V. A DIO is an input or an output, as its jumper says.

    `current` is where its analogue inputs stand as floats, `current_state` where the state of their loops does.
    """

    inputs: int = 0
    dios: int = 0
    outputs: int = 0
    analogue: int = 0
    current: int = 0
    current_state: int = 0


MODELS: Mapping[str, Model] = {
    "E1210": Model(inputs=16),
    "E1211": Model(outputs=16),
    "E1212": Model(inputs=8, dios=8),
    "E1214": Model(inputs=6, outputs=6),
    "E1240": Model(analogue=8, current=0x0008, current_state=0x003C),  # the state F
    "E1242": Model(inputs=4, dios=4, analogue=4, current=0x0208, current_state=0x0240),
}

WordOrder = Literal["high-first", "low-first"]
"""Of a float's two registers. V for high-first; one program in the field reads some floats low-first."""


def text(field: bytes) -> str:
    """A text register's content."""
    return field.split(b"\0", 1)[0].decode("latin-1").strip()
