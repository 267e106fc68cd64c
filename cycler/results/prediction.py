"""What a recipe is predicted to do to a cell: executed steps with their place in the recipe, and the curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cycler.model.results import NAS_PER_AH, StepResult
from cycler.results.cell_record import Floats, Samples

ASSUMPTIONS = (
    "One ideal cell as the simulation data of the cell type describe it, its film loss included: no spread, no noise,"
    " no error of an instrument, contacts of 1 mOhm. The rack behind it is as simulated: orders take their time, and"
    " the chamber heats and cools at its own pace. It starts at the temperature of the room, 25 degC."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedStep:
    """One executed step. `turns`: of the loops around it, outermost first, from 1, with how many there are."""

    result: StepResult
    path: str  # `4.1`
    turns: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """`4.1 charge`, `3 charge precharge`."""
        own = "" if self.result.step_id == self.path else f" {self.result.step_id}"
        return f"{self.path} {self.result.step_type}{own}"

    @property
    def turn(self) -> str:
        """`2 of 3`, in nested loops `1 of 2, 2 of 3`; empty outside of loops."""
        return ", ".join(f"{turn} of {times}" for turn, times in self.turns)

    @property
    def charged_ah(self) -> float:
        return self.result.moved.charged_nas / NAS_PER_AH

    @property
    def discharged_ah(self) -> float:
        return self.result.moved.discharged_nas / NAS_PER_AH

    @property
    def charged_wh(self) -> float:
        return self.result.moved.charged_nws / NAS_PER_AH

    @property
    def discharged_wh(self) -> float:
        return self.result.moved.discharged_nws / NAS_PER_AH

    @property
    def ended_by(self) -> str:
        """In the words of the recipe, where it says."""
        return (self.result.stop_text or self.result.stop_reason).removesuffix(" -> next")

    def document(self) -> Mapping[str, object]:
        """For programs."""
        result = self.result
        return {
            "step_count": result.step_count,
            "step_id": result.step_id,
            "path": self.path,
            "step_type": result.step_type,
            "tag": result.tag,
            "turns": [turn for turn, _ in self.turns],
            "started_s": result.started_s,
            "duration_s": result.duration_s,
            "charge_ah": self.charged_ah,
            "discharge_ah": self.discharged_ah,
            "charge_wh": self.charged_wh,
            "discharge_wh": self.discharged_wh,
            "end_voltage_v": result.end_voltage_v,
            "temperature_degc_max": result.temperature_degc_max,
            "stop_reason": result.stop_reason,
            "stop_text": result.stop_text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """`trouble` says why the cell did not get through; None where it did."""

    recipe: str
    version: str
    recipe_hash: str
    cell_type: str
    rated_capacity_ah: float
    start: str  # `filled`, `formed@30%`
    steps: Sequence[PredictedStep]
    samples: Samples
    air_degc: Floats | None  # beside the samples
    trouble: str | None

    @property
    def duration_s(self) -> float:
        """From the start to the end of the last step."""
        return max((step.result.started_s + step.result.duration_s for step in self.steps), default=0.0)

    @property
    def totals(self) -> Mapping[str, float]:
        """Charge and energy, of all steps."""
        names = ("charged_ah", "discharged_ah", "charged_wh", "discharged_wh")
        return {name: sum(getattr(step, name) for step in self.steps) for name in names}

    def document(self) -> Mapping[str, object]:
        """For programs."""
        return {
            "recipe": self.recipe,
            "version": self.version,
            "hash": self.recipe_hash,
            "cell_type": self.cell_type,
            "start": self.start,
            "assumptions": ASSUMPTIONS,
            "completed": self.trouble is None,
            "trouble": self.trouble,
            "duration_s": self.duration_s,
            **{name.replace("charged", "charge"): value for name, value in self.totals.items()},
            "steps": [step.document() for step in self.steps],
        }
