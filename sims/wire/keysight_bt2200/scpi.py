"""The instrument as SCPI text: one command a line, short and long words, any case.

Errors go to a queue and show in `SYST:ERR?` only; a query with an error gives no answer.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, get_args

from sims.wire.keysight_bt2200.cells import ILLEGAL, OUT_OF_RANGE, Cell, Refused
from sims.wire.keysight_bt2200.device import Bt2200
from sims.wire.keysight_bt2200.programs import NOT_JUDGED, QUANTITIES, Action, Mode, Step, Test, When
from sims.wire.lines import Late

LINE_BYTES = 4096
ERRORS_MAX = 30

UNKNOWN, DATA_TYPE, TOO_MANY, MISSING, QUEUE_FULL, TOO_LONG = -113, -104, -108, -109, -350, -363
TEXTS: Mapping[int, str] = {
    UNKNOWN: "Undefined header",
    DATA_TYPE: "Data type error",
    TOO_MANY: "Parameter not allowed",
    MISSING: "Missing parameter",
    -221: "Settings conflict",
    OUT_OF_RANGE: "Data out of range",
    ILLEGAL: "Illegal parameter value",
    QUEUE_FULL: "Queue overflow",
    TOO_LONG: "Input buffer overrun",
}

_SHORT = {
    "SYSTEM": "SYST", "ERROR": "ERR", "DETECT": "DET", "PROBE": "PROB", "LIMIT": "LIM", "DEFINE": "DEF",
    "CLEAR": "CLE", "ENABLE": "ENAB", "INITIATE": "INIT", "ABORT": "ABOR", "SEQUENCE": "SEQ", "CATALOG": "CAT",
    "MEASURE": "MEAS", "VOLTAGE": "VOLT", "CURRENT": "CURR", "CAPACITY": "CAP", "STATUS": "STAT", "REPORT": "REP",
    "VERBOSE": "VERB", "OUTPUT": "OUTP", "RECORDS": "REC", "AVAILABLE": "AVA",
}  # fmt: skip
_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(?:E[+-]?\d{1,2})?", re.ASCII)
_LIST = re.compile(r"\(@\s*(\d{1,6}(?:\s*:\s*\d{1,6})?(?:\s*,\s*\d{1,6}(?:\s*:\s*\d{1,6})?)*)\s*\)", re.ASCII)
_ARGUMENTS = re.compile(r"(\([^()]*\)|[^,()]*)(?:,|$)")

Arguments = list[str]


def answer(device: Bt2200, line: bytes) -> bytes | Late | None:
    """The reply to one line with its LF, or None where there is none."""
    if len(line) > LINE_BYTES:
        _queue(device, TOO_LONG)
        return None
    text = line.decode("latin-1").strip().upper()
    if not text:
        return None
    asks = text.partition(" ")[0].endswith("?")
    if text == "*RST":
        device.reset()
        return Late(device.traits.reset_s, b"")
    try:
        reply = _execute(device, text)
    except Refused as refused:
        _queue(device, refused.code)
        reply = b"\n" if asks and device.traits.answers_wrong_queries else None
    return None if reply is None else Late(device.traits.reply_s, reply)


def _execute(device: Bt2200, text: str) -> bytes | None:
    name, given = _parsed(text)
    arguments = list(given)
    if name in _QUERIES:
        count, query = _QUERIES[name]
        reply = query(device, _counted(arguments, count))
        return reply if isinstance(reply, bytes) else reply.encode("ascii") + b"\n"
    if name not in _COMMANDS:
        raise Refused(UNKNOWN)
    counts, command = _COMMANDS[name]
    if len(arguments) not in counts:
        raise Refused(MISSING if len(arguments) < counts[0] else TOO_MANY)
    command(device, arguments)
    return None


@lru_cache(maxsize=256)  # hosts ask the same again and again
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """The header in its short form, and the arguments."""
    header, _, rest = text.partition(" ")
    words = header.removesuffix("?").removeprefix(":").split(":")
    name = ":".join(_SHORT.get(word, word) for word in words) + ("?" if header.endswith("?") else "")
    return name, tuple(_split(rest))


def _queue(device: Bt2200, code: int) -> None:
    if len(device.errors) < ERRORS_MAX:
        device.error(code)
    else:
        device.errors[-1] = QUEUE_FULL


def _next_error(device: Bt2200, _: Arguments) -> str:
    code = device.errors.pop(0) if device.errors else 0
    return f'{code:+d},"{TEXTS[code] if code else "No error"}"'


# Arguments.


def _split(text: str) -> Arguments:
    """At commas, but not at those of a list in parentheses."""
    if not text.strip():
        return []
    pieces, at = [], 0
    while True:
        match = _ARGUMENTS.match(text, at)
        if match is None:
            raise Refused(DATA_TYPE)
        pieces.append(match[1].strip())
        at = match.end()
        if not match[0].endswith(","):
            return pieces


def _counted(arguments: Arguments, count: int) -> Arguments:
    if len(arguments) != count:
        raise Refused(MISSING if len(arguments) < count else TOO_MANY)
    return arguments


def _whole(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Refused(DATA_TYPE)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise Refused(DATA_TYPE)
    return float(text)


def _at_least_0(text: str) -> float:
    value = _number(text)
    if value < 0.0:
        raise Refused(OUT_OF_RANGE)
    return value


def _numbers(text: str, known: Mapping[int, object]) -> list[int]:
    """Of a list. A range stands for those in it that are there, a single number must be there."""
    match = _LIST.fullmatch(text)
    if match is None:
        raise Refused(DATA_TYPE)
    found: list[int] = []
    for piece in match[1].split(","):
        low, _, high = piece.partition(":")
        if high:
            span = range(int(low), int(high) + 1)
            found += (
                filter(span.__contains__, sorted(known)) if len(span) > len(known) else filter(known.__contains__, span)
            )
        else:
            found.append(int(low))
    if not found or any(number not in known for number in found):
        raise Refused(OUT_OF_RANGE)
    return list(dict.fromkeys(found))


def _cells(device: Bt2200, text: str) -> list[int]:
    """A list, or the bare 0 for all there are."""
    return list(device.cells) if _INTEGER.fullmatch(text) and int(text) == 0 else _numbers(text, device.cells)


def _word(text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        raise Refused(ILLEGAL)
    return text


# Commands.


def _define_cell(device: Bt2200, arguments: Arguments) -> None:
    match = _LIST.fullmatch(arguments[1])
    if match is None:
        raise Refused(DATA_TYPE)
    channels: list[int] = []
    for piece in match[1].split(","):
        low, _, high = piece.partition(":")
        span = range(int(low), int(high or low) + 1)
        if len(span) > 32:
            raise Refused(OUT_OF_RANGE)
        channels += span
    device.define_cell(_whole(arguments[0]), tuple(channels))


def _define_step(device: Bt2200, arguments: Arguments) -> None:
    sequence, number, mode, duration, *values = arguments
    name: Mode = _word(mode, get_args(Mode))  # type: ignore[assignment]
    if len(values) != 2 and (name != "REST" or values):
        raise Refused(MISSING)
    current_a, voltage_v = (_at_least_0(value) for value in values) if values else (0.0, 0.0)
    step = Step(mode=name, duration_s=_at_least_0(duration), current_a=current_a, voltage_v=voltage_v)
    device.sequences.define_step(_whole(sequence), _whole(number), step)


def _define_test(device: Bt2200, arguments: Arguments) -> None:
    sequence, step, number, kind, value, when, time, action = arguments
    quantity, _, relation = kind.rpartition("_")
    _word(relation, ("GE", "LE"))
    _word(quantity, (*QUANTITIES, *NOT_JUDGED))
    timing: When = _word(when, get_args(When))  # type: ignore[assignment]
    acts: Action = _word(action, get_args(Action))  # type: ignore[assignment]
    test = Test(
        number=_whole(number), kind=kind, value=_number(value), when=timing, time_s=_at_least_0(time), action=acts
    )
    device.sequences.define_test(_whole(sequence), _whole(step), test)


def _clear_cells(device: Bt2200, arguments: Arguments) -> None:
    text = arguments[0]
    alone = _INTEGER.fullmatch(text) is not None and int(text) != 0
    device.clear_cells([int(text)] if alone else _cells(device, text))


def _clear_sequences(device: Bt2200, arguments: Arguments) -> None:
    number = _whole(arguments[0])
    device.sequences.clear([number] if number else list(device.sequences.steps))


def _abort_all(device: Bt2200, _: Arguments) -> None:
    device.abort([cell.number for cell in device.cells.values() if cell.running])


def _limit_probes(device: Bt2200, arguments: Arguments) -> None:
    limit_ohm = _at_least_0(arguments[0])
    _number(arguments[1])
    device.probe_limit_ohm = limit_ohm


def _switch(_: Bt2200, arguments: Arguments) -> None:
    _word(arguments[0], ("ON", "OFF", "1", "0"))


# Queries.


def _identity(device: Bt2200, _: Arguments) -> str:
    traits = device.traits
    return f"Keysight Technologies,{traits.model},{traits.serial},{traits.firmware}"


def _cards(device: Bt2200, arguments: Arguments) -> str:
    if _whole(arguments[0]):
        raise Refused(OUT_OF_RANGE)
    cards = device.traits.cards
    return str(int(cards[0])) if len(set(cards)) == 1 else ",".join(str(int(fitted)) for fitted in cards)


def _step(device: Bt2200, arguments: Arguments) -> str:
    step, number = device.sequences.step(_whole(arguments[0]), _whole(arguments[1])), device.traits.number
    return f"{step.mode},{number(step.duration_s)},{number(step.current_a)},{number(step.voltage_v)}"


def _of_channels(what: Literal["voltage", "current"]) -> Callable[[Bt2200, Arguments], str]:
    def query(device: Bt2200, arguments: Arguments) -> str:
        if _whole(arguments[0]):
            raise Refused(OUT_OF_RANGE)
        return ",".join(device.of_channels(what))

    return query


def _of_cells(what: Literal["voltage", "current", "charge", "energy"]) -> Callable[[Bt2200, Arguments], str]:
    def query(device: Bt2200, arguments: Arguments) -> str:
        return ",".join(map(device.traits.number, device.of_cells(_cells(device, arguments[0]), what)))

    return query


def _times(since: Callable[[Cell], float]) -> Callable[[Bt2200, Arguments], str]:
    def query(device: Bt2200, arguments: Arguments) -> str:
        device.look()
        cells, now_s = device.selected(_cells(device, arguments[0])), device.now_s
        return ",".join(device.traits.number(now_s - since(cell) if cell.running else 0.0) for cell in cells)

    return query


def _digits(device: Bt2200, arguments: Arguments) -> str:
    device.look()
    text = arguments[0]
    cells = device.lists.get(text)
    if cells is None:
        cells = device.lists[text] = device.selected(_cells(device, text))
    return ",".join([cell.digit for cell in cells])


def _long_state(device: Bt2200, arguments: Arguments) -> str:
    device.look()
    (cell,) = device.selected([_whole(arguments[0])])
    number, verdict = device.traits.number, cell.verdict
    (voltage_v,) = device.of_cells([cell.number], "voltage")
    (current_a,) = device.of_cells([cell.number], "current")
    test = verdict.test
    return ",".join(
        (
            "RUNNING" if cell.running else "IDLE",
            str(cell.sequence),
            str(cell.step),
            number(voltage_v),
            number(current_a),
            verdict.result,
            "0" if test is None else str(test.number),
            "NONE" if test is None else test.kind,
            number(0.0 if test is None else test.value),
            number(verdict.measured),
        )
    )


_QUERIES: Mapping[str, tuple[int, Callable[[Bt2200, Arguments], str | bytes]]] = {
    "*IDN?": (0, _identity),
    "SYST:ERR?": (0, _next_error),
    "SYST:CARD:DET:BOOT?": (1, _cards),
    "SEQ:STEP:DEF?": (2, _step),
    "SEQ:CAT?": (0, lambda device, _: ",".join(map(str, sorted(device.sequences.steps)))),
    "MEAS:VOLT?": (1, _of_channels("voltage")),
    "MEAS:CURR?": (1, _of_channels("current")),
    "MEAS:CELL:VOLT?": (1, _of_cells("voltage")),
    "MEAS:CELL:CURR?": (1, _of_cells("current")),
    "MEAS:CELL:CAP:AHR?": (1, _of_cells("charge")),
    "MEAS:CELL:CAP:WHR?": (1, _of_cells("energy")),
    "CELL:TIME?": (1, _times(lambda cell: cell.began_s)),
    "CELL:STEP:TIME?": (1, _times(lambda cell: cell.step_began_s)),
    "STAT:CELL:REP?": (1, _digits),
    "STAT:CELL:VERB?": (1, _long_state),
    "DATA:LOG:REC:AVA?": (0, lambda device, _: str(len(device.log))),
    "DATA:LOG?": (0, lambda device, _: device.log.take()),
}
"""How many arguments each takes, and what it answers."""

_COMMANDS: Mapping[str, tuple[tuple[int, ...], Callable[[Bt2200, Arguments], None]]] = {
    "*CLS": ((0,), lambda device, _: device.errors.clear()),
    "SYST:PROB:LIM": ((2,), _limit_probes),
    "CELL:DEF": ((2,), _define_cell),
    "CELL:DEF:QUICK": ((1,), lambda device, arguments: device.define_cells(_whole(arguments[0]))),
    "CELL:CLE": ((1,), _clear_cells),
    "CELL:ENAB": ((2,), lambda device, arguments: device.enable(_cells(device, arguments[0]), _whole(arguments[1]))),
    "CELL:INIT": ((1,), lambda device, arguments: device.initiate(_cells(device, arguments[0]))),
    "CELL:ABOR": ((1,), lambda device, arguments: device.abort(_cells(device, arguments[0]))),
    "SEQ:STEP:DEF": ((4, 6), _define_step),
    "SEQ:TEST:DEF": ((8,), _define_test),
    "SEQ:CLE": ((1,), _clear_sequences),
    "SEQ:ABOR": ((0,), _abort_all),
    "DATA:LOG:CLE": ((0,), lambda device, _: device.log.clear()),
    "OUTP": ((1,), _switch),
}
"""How many arguments each takes, and what it does."""
