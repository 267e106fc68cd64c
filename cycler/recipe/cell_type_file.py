"""A cell type's file, read and judged: what is impossible for any cell is refused here."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cycler.model.alarm import AlarmCode
from cycler.model.cell import LEDGER_STATES
from cycler.model.cell_type import Band, CellType, DcirDefaults, Envelope, GuardLimits, Phase, SimulationNames
from cycler.recipe.fields import TITLE, Fields, as_count, as_list, as_name, as_text, as_title
from cycler.recipe.problems import InvalidFile, MistakeError, Problems, shown
from cycler.recipe.units import NUMBER, parse_quantity
from cycler.recipe.yaml_nodes import ListNode, MapNode, Node

PHASES: tuple[Phase, ...] = ("filled", "formed", "disposal", "abuse")
METRIC_UNITS: Mapping[str, str] = {
    "capacity_ah": "Ah",
    "dcir_ohm": "Ohm",
    "first_cycle_efficiency": "%",
    "k_v_per_h": "V/s",
    "contact_ohm": "Ohm",
}
"""What `limits` and `grades` can bound. The name says the unit of a bare number; the unit here is of a quantity."""


def read_cell_type(root: MapNode, file: str) -> CellType:
    """Raises `InvalidFile` with everything that is wrong."""
    problems = Problems(file)
    fields = Fields(root, problems, owner="a cell type")
    name = fields.take("cell_type", as_title, required=True)
    chemistry = fields.text("chemistry", required=True)
    rated_ah = _positive(fields, "rated_capacity", "Ah", required=True)
    rated_wh = _positive(fields, "rated_energy", "Wh", required=True)
    mass_kg = _positive(fields, "mass", "kg", required=True)
    envelopes = _envelopes(fields, rated_ah)
    protections = fields.take("required_protections", _codes, required=True)
    unattended_ratio = _share(fields, "unattended_charge")
    resume_gap_s = _positive(fields, "resume_gap", "s")
    resumes_max = fields.count("resumes", low=0, high=100)
    dcir = _dcir(fields, rated_ah)
    guards = _guards(fields)
    limits = _bands(fields.mapping("limits", owner="`limits`"))
    grades = _grades(fields)
    genealogy = fields.take("genealogy", lambda node: tuple(as_name(item) for item in as_list(node)))
    simulation = _simulation(fields)
    fields.close()
    if problems.found:
        raise InvalidFile(problems.found)
    assert name and chemistry and rated_ah and rated_wh and mass_kg and protections is not None  # noqa: S101 (required)
    cell_type = CellType(
        name=name,
        chemistry=chemistry,
        rated_capacity_ah=rated_ah,
        rated_energy_wh=rated_wh,
        mass_kg=mass_kg,
        envelopes=envelopes,
        required_protections=protections,
        dcir=dcir,
        guards=guards,
        limits=limits,
        grades=grades,
        genealogy=genealogy or (),
        simulation=simulation,
    )
    given = {"unattended_charge_ratio": unattended_ratio, "resume_gap_s": resume_gap_s, "resumes_max": resumes_max}
    return replace(cell_type, **_present(given))


def _envelopes(fields: Fields, rated_ah: float | None) -> dict[Phase, Envelope]:
    found: dict[Phase, Envelope] = {}
    outer = fields.mapping("envelope", owner="the envelope", required=True)
    if outer is None:
        return found
    for phase in PHASES:
        inner = outer.mapping(phase, owner=f"the {phase} envelope", required=phase == "formed")
        envelope = _envelope(inner, rated_ah or 1.0) if inner is not None else None
        if envelope is not None:
            found[phase] = envelope
    outer.close()
    return found


def _envelope(fields: Fields, rated_ah: float) -> Envelope | None:
    voltage = fields.pair("voltage", "V", required=True)
    margin_v = _positive(fields, "trip_margin", "V")
    charge = fields.quantity("charge_current", "A", "C", required=True)
    discharge = fields.quantity("discharge_current", "A", "C", required=True)
    charge_degc = fields.pair("charge_temperature", "degC", required=True)
    discharge_degc = fields.pair("discharge_temperature", "degC", required=True)
    capacity = fields.quantity("capacity", "Ah", "%", required=True)
    fields.close()
    if not (voltage and charge and discharge and charge_degc and discharge_degc and capacity):
        return None
    currents_a = [quantity.number * (rated_ah if quantity.unit == "C" else 1.0) for quantity in (charge, discharge)]
    capacity_ah = capacity.number * (rated_ah / 100 if capacity.unit == "%" else 1.0)
    for key, number in (("charge_current", currents_a[0]), ("discharge_current", currents_a[1])):
        if number < 0:
            fields.refuse(key, "negative", f"{key} is a magnitude: it cannot be below 0")
    if capacity_ah <= 0:
        fields.refuse("capacity", "not-positive", f"capacity: {capacity} is not above 0")
    envelope = Envelope(
        voltage_v_min=voltage[0].number,
        voltage_v_max=voltage[1].number,
        charge_current_a=currents_a[0],
        discharge_current_a=currents_a[1],
        charge_temperature_degc=(charge_degc[0].number, charge_degc[1].number),
        discharge_temperature_degc=(discharge_degc[0].number, discharge_degc[1].number),
        capacity_ah=capacity_ah,
    )
    return replace(envelope, **_present({"trip_margin_v": margin_v}))


def _dcir(fields: Fields, rated_ah: float | None) -> DcirDefaults:
    inner = fields.mapping("dcir", owner="`dcir`")
    if inner is None:
        return DcirDefaults()
    direction = inner.word("direction", ("charge", "discharge"))
    current = inner.quantity("current", "A", "C")
    time_s = _positive(inner, "time", "s")
    values = inner.quantities("values", "s")
    inner.close()
    if current is not None and current.number <= 0:
        inner.refuse("current", "not-positive", f"current: {current} is not above 0")
    given = {
        "direction": direction,
        "c_rate": None if current is None else current.number / (1.0 if current.unit == "C" else rated_ah or 1.0),
        "time_s": time_s,
        "values_s": tuple(sorted({value.number for value in values})) or None,
    }
    defaults = replace(DcirDefaults(), **_present(given))
    if not all(0 < value_s <= defaults.time_s for value_s in defaults.values_s):
        inner.refuse("values", "values", f"every one of `values` must lie within the pulse of {defaults.time_s:g} s")
    return defaults


def _guards(fields: Fields) -> GuardLimits:
    inner = fields.mapping("guards", owner="`guards`")
    if inner is None:
        return GuardLimits()
    rise_k_per_s = _positive(inner, "temperature_rise", "K/s")
    given = {
        "temperature_rise_k_per_min": None if rise_k_per_s is None else 60 * rise_k_per_s,
        "voltage_jump_v": _positive(inner, "voltage_jump", "V"),
        "charge_fall_v": _positive(inner, "charge_fall", "V"),
        "current_rise_ratio": _share(inner, "current_rise"),
    }
    inner.close()
    return replace(GuardLimits(), **_present(given))


def _bands(fields: Fields | None) -> dict[str, Band]:
    if fields is None:
        return {}
    found = {}
    for metric in METRIC_UNITS:
        band = fields.take(metric, lambda node, metric=metric: _band(node, metric))  # type: ignore[misc]
        if band is not None:
            found[metric] = band
    fields.close()
    return found


def _band(node: Node, metric: str) -> Band:
    if not isinstance(node, ListNode) or len(node.items) != 2:
        raise MistakeError("pair", "two values are due", "write [min, max]")
    low, high = (_metric(as_text(item), metric) for item in node.items)
    if low > high:
        raise MistakeError("pair", f"{low:g} is above {high:g}", "write [min, max]")
    return Band(low=low, high=high)


def _metric(text: str, metric: str) -> float:
    """In the unit that the metric's name says; a ratio also as `84 %`."""
    if re.fullmatch(NUMBER, text, re.ASCII):
        return float(text)
    quantity = parse_quantity(text, (METRIC_UNITS[metric],))
    return quantity.number * {"%": 0.01, "V/s": 3600.0}.get(quantity.unit, 1.0)


def _grades(fields: Fields) -> dict[str, dict[str, Band]]:
    outer = fields.mapping("grades", owner="`grades`")
    if outer is None:
        return {}
    found = {}
    for grade in outer.node.entries:
        if not TITLE.fullmatch(grade):
            outer.refuse(grade, "name", f"{shown(grade)} is no name for a grade")
        found[grade] = _bands(outer.mapping(grade, owner=f"grade {grade}"))
    return found


def _codes(node: Node) -> frozenset[int]:
    codes = set()
    for item in as_list(node):
        code = as_count(item, low=min(AlarmCode), high=max(AlarmCode))
        codes.add(code)
    return frozenset(codes)


def _simulation(fields: Fields) -> SimulationNames:
    inner = fields.mapping("simulation", owner="`simulation`")
    if inner is None:
        return SimulationNames()
    leak = inner.quantity("leak", "A")
    given = {
        "ocv": inner.take("ocv", as_name),
        "circuit": inner.take("circuit", as_name),
        "body": inner.take("body", as_name),
        "capacity_ah": _positive(inner, "capacity", "Ah"),
        "film_loss": _share(inner, "film_loss"),
        "leak_a": None if leak is None else leak.number,
        "state": inner.take("state", _state),
        "spread": inner.word("spread", ("none", "good", "poor")),
    }
    inner.close()
    return replace(SimulationNames(), **_present(given))


def _state(node: Node) -> str:
    text = as_text(node)
    match = re.fullmatch(rf"({'|'.join(LEDGER_STATES)})(@(\d+(?:\.\d+)?) ?%)?", text, re.ASCII)
    if match is None or (match[3] is not None and not 0 <= float(match[3]) <= 100):
        raise MistakeError("state", f"{shown(text)} is no state of a cell", "write it like formed@30%")
    return text.replace(" ", "")


def _positive(fields: Fields, key: str, unit: str, *, required: bool = False) -> float | None:
    quantity = fields.quantity(key, unit, required=required)
    if quantity is not None and quantity.number <= 0:
        fields.refuse(key, "not-positive", f"{key}: {quantity} is not above 0")
        return None
    return None if quantity is None else quantity.number


def _share(fields: Fields, key: str) -> float | None:
    quantity = fields.quantity(key, "%")
    if quantity is not None and not 0 <= quantity.number <= 100:
        fields.refuse(key, "range", f"{key}: {quantity} is not between 0 and 100 %")
    return None if quantity is None else quantity.number / 100


def _present(values: Mapping[str, object]) -> dict[str, Any]:
    """Without those that the file does not give: the model's own defaults stand."""
    return {key: value for key, value in values.items() if value is not None}
