"""What later steps can take from a tagged one: some numbers of its last valid execution, by the names of recipes."""

from collections.abc import Mapping
from math import isfinite

from cycler.model.results import NAS_PER_AH, StepResult

Tags = Mapping[str, Mapping[str, float]]
"""By tag and field: Ah, Wh, V, A, s, degC, Ohm. What a step did not measure is not in it, nor is what is not valid."""


def fields_of(result: StepResult) -> dict[str, float]:
    """`capacity` and `energy` are those of the step's direction."""
    moved, found = result.moved, dict[str, float]()
    match result.step_type:
        case "charge":
            found |= {"capacity": moved.charged_nas / NAS_PER_AH, "energy": moved.charged_nws / NAS_PER_AH}
        case "discharge":
            found |= {"capacity": moved.discharged_nas / NAS_PER_AH, "energy": moved.discharged_nws / NAS_PER_AH}
        case "ramp" | "pulse" | "profile":
            # Recipes ask only those that go one way: what is counted the other way is noise around nothing.
            found |= {
                "capacity": max(moved.charged_nas, moved.discharged_nas) / NAS_PER_AH,
                "energy": max(moved.charged_nws, moved.discharged_nws) / NAS_PER_AH,
            }
        case "rest":
            found["ocv"] = result.end_voltage_v
        case "ocv" if result.ocv_v is not None:
            found["ocv"] = result.ocv_v
        case "acir" if result.acir_ohm is not None:
            found["acir"] = result.acir_ohm
        case "dcir" if result.pulse:
            found["dcir"] = max(result.pulse, key=lambda point: point.nominal_s).resistance_ohm
    found |= {
        "end_voltage": result.end_voltage_v,
        "end_current": result.end_current_a,
        "duration": result.duration_s,
        "temperature_max": result.temperature_degc_max,
    }
    return {name: value for name, value in found.items() if isfinite(value)}
