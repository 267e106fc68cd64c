"""The JSON Schema of recipe files, for editors: keys, words and units. What values mean together only `check` knows."""

from typing import Any

from cycler.model.cell import LEDGER_STATES
from cycler.recipe.condition import NAME, RESERVED
from cycler.recipe.fields import TITLE, VERSION
from cycler.recipe.read import LOOP_TURNS_MAX, PURPOSES
from cycler.recipe.steps.form import COMMON_KEYS, CURRENT, StepForm
from cycler.recipe.steps.table import STEP_KINDS
from cycler.recipe.units import NUMBER, SCALES

Schema = dict[str, Any]

_RECORD_UNITS = {"every": ("s",), "voltage": ("V",), "current": CURRENT, "temperature": ("degC",)}
_LIMIT_UNITS = {
    "trip_margin": ("V",),
    "charge_current": CURRENT,
    "discharge_current": CURRENT,
    "capacity": ("Ah", "%"),
}
_LIMIT_PAIRS = {"voltage": "V", "charge_temperature": "degC", "discharge_temperature": "degC"}


def recipe_schema() -> Schema:
    """For one recipe file, as JSON Schema 2020-12. YAML's own numbers are allowed where a whole number is due."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recipe",
        **_mapping(
            {
                "recipe": _pattern(TITLE.pattern),
                "version": _version(),
                "cell_type": _pattern(TITLE.pattern),
                "from_state": _one_or_more({"enum": list(LEDGER_STATES)}),
                "to_state": {"enum": list(LEDGER_STATES)},
                "purpose": {"enum": list(PURPOSES)},
                "record": {"$ref": "#/$defs/record"},
                "steps": {"$ref": "#/$defs/steps"},
            },
            required=["recipe", "version", "cell_type", "steps"],
        ),
        "$defs": {
            "steps": _one_or_more({"$ref": "#/$defs/step"}),
            "step": {
                "oneOf": [_mapping({word: value}, required=[word]) for word, value in _step_values().items()],
            },
            "name": {**_pattern(NAME.pattern), "not": {"enum": sorted(RESERVED)}},
            "condition": {
                "type": "string",
                "description": "quantity > value [and …] [for time] [after|before|at time] [-> outcome]",
            },
            "conditions": {
                "anyOf": [
                    _one_or_more({"$ref": "#/$defs/condition"}),
                    {"type": "array", "minItems": 1, "items": _one_or_more({"$ref": "#/$defs/condition"})},
                ]
            },
            "record": _mapping({key: _quantity(units) for key, units in _RECORD_UNITS.items()}),
            "limits": _mapping(
                {key: _quantity(units) for key, units in _LIMIT_UNITS.items()}
                | {key: _pair(unit) for key, unit in _LIMIT_PAIRS.items()}
            ),
        },
    }


def _step_values() -> dict[str, Schema]:
    loop = _mapping(
        {
            "id": {"$ref": "#/$defs/name"},
            "times": {"type": "integer", "minimum": 1, "maximum": LOOP_TURNS_MAX},
            "until": _one_or_more({"$ref": "#/$defs/condition"}),
            "steps": {"$ref": "#/$defs/steps"},
        },
        required=["times", "steps"],
    )
    recipe = _mapping(
        {"id": {"$ref": "#/$defs/name"}, "name": _pattern(TITLE.pattern), "version": _version()},
        required=["name", "version"],
    )
    return {**{word: _step(kind.form) for word, kind in STEP_KINDS.items()}, "loop": loop, "recipe": recipe}


def _step(form: StepForm) -> Schema:
    own: dict[str, Schema] = {key: _one_or_more(_quantity(units)) for key, units in form.amounts.items()}
    own |= {key: _quantity(units) for key, units in form.singles.items()}
    own |= {key: _pair(units[0]) for key, units in form.pairs.items()}
    own |= {key: _one_or_more(_quantity(units)) for key, units in form.lists.items()}
    own |= {key: {"enum": list(words)} for key, words in form.words.items()}
    own |= {key: dict(other.schema) for key, other in form.others.items()}
    common = {
        "id": {"$ref": "#/$defs/name"},
        "tag": {"$ref": "#/$defs/name"},
        "until": {"$ref": "#/$defs/conditions"},
        "fail": {"$ref": "#/$defs/conditions"},
        "record": {"$ref": "#/$defs/record"},
        "limits": {"$ref": "#/$defs/limits"},
        "window": _quantity(("s",)),
    }
    step = _mapping(own | common)
    if form.free is None:
        return step
    names = [{"$ref": "#/$defs/name"}, {"enum": list(COMMON_KEYS)}]
    return {**step, "additionalProperties": dict(form.free), "propertyNames": {"anyOf": names}}


def _version() -> Schema:
    return {"anyOf": [_pattern(VERSION.pattern), {"type": "number"}]}


def _mapping(properties: dict[str, Schema], *, required: list[str] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "minItems": 1, "items": item}]}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _quantity(units: tuple[str, ...]) -> Schema:
    """Text: a bare number has no unit and is refused."""
    spelt = "|".join(name for name, (base, _) in SCALES.items() if base in units)
    text = rf"{NUMBER} ?(?:{spelt})"
    return _pattern(rf"{text}|C ?/ ?{NUMBER}" if "C" in units else text)


def _pair(unit: str) -> Schema:
    return {"type": "array", "items": _quantity((unit,)), "minItems": 2, "maxItems": 2}
