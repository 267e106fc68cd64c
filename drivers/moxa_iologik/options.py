"""What the rack file says of one module, beyond its address."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from cycler.contract.plugin import DeviceSettings
from drivers.moxa_iologik.registers import MODELS, WordOrder

_KEYS = ("model", "dio_outputs", "watchdog", "watchdog_proof", "safe_status", "word_order")
_ANALOGUE = re.compile(r"AI([0-7])")
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?)\s*([A-Za-z]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`watchdog_s` is what a person has set on the module's web page, which Modbus cannot be asked for;
    `watchdog_proof` where it is recorded that the outputs were seen to drop in that time."""

    model: str | None
    dio_outputs: tuple[int, ...] | None  # None: all of them
    watchdog_s: float | None
    watchdog_proof: str
    clears_safe_status: bool
    word_order: WordOrder
    alarms_ma: Mapping[int, float]  # by analogue channel: from here on its loop current is an alarm


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    device, given = settings.device, dict(settings.options)
    if unknown := set(settings.resource.query) - {"unit"}:
        raise ValueError(f"{device}: {settings.resource.text!r}: {min(unknown)!r} is unknown; there is unit")
    model = given.pop("model", None)
    if model is not None and model not in MODELS:
        raise ValueError(f"{device}: model: {model!r} is none of {', '.join(MODELS)}")
    analogue = MODELS[model].analogue if model else max(known.analogue for known in MODELS.values())
    options = Options(
        model=model,
        dio_outputs=_channels(device, given.pop("dio_outputs", None), model),
        watchdog_s=_quantity(device, "watchdog", given.pop("watchdog", None), "s"),
        watchdog_proof=given.pop("watchdog_proof", ""),
        clears_safe_status=_word(device, "safe_status", given.pop("safe_status", "refuse"), "refuse", "clear")
        == "clear",
        word_order=cast(
            WordOrder, _word(device, "word_order", given.pop("word_order", "high-first"), "high-first", "low-first")
        ),
        alarms_ma={
            int(match[1]): alarm_ma
            for key in sorted(given)
            if (match := _ANALOGUE.fullmatch(key)) and int(match[1]) < analogue
            if (alarm_ma := _quantity(device, key, given.pop(key), "mA")) is not None
        },
    )
    if given:
        known = [*_KEYS, *([f"AI0 … AI{analogue - 1}"] if analogue else [])]
        raise ValueError(f"{device}: option {min(given)!r} is unknown; there are {', '.join(known)}")
    return options


def _channels(device: str, text: str | None, model: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    dios = MODELS[model].dios if model else max(known.dios for known in MODELS.values())
    words = text.replace(",", " ").split()
    if not all(word.isascii() and word.isdecimal() and int(word[:3]) < dios for word in words):
        raise ValueError(f"{device}: dio_outputs: {text!r} are no DIO channels like '0 1 2'; there are {dios} from 0")
    return tuple(sorted({int(word) for word in words}))


def _word(device: str, key: str, text: str, *words: str) -> str:
    if text not in words:
        raise ValueError(f"{device}: {key}: {text!r} is none of {', '.join(words)}")
    return text


def _quantity(device: str, key: str, text: str | None, unit: str) -> float | None:
    if text is None:
        return None
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] != unit or float(match[1]) <= 0.0:
        raise ValueError(f"{device}: {key}: {text!r} is no positive quantity in {unit}, like 3 {unit}")
    return float(match[1])
