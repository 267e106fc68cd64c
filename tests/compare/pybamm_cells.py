"""The reference cells: PyBaMM models with their parameter sets, brought to our voltage windows and thermal values."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pybamm
from experiments import TAPER_C_RATE, Model, Step

ZERO_DEGC_K = 273.15
REFERENCE_K = 298.15
VOLUME_M3, SURFACE_M2 = 2e-5, 5e-3  # only what they make together with the coefficients below counts
CUT_OFF_MARGIN_V = 0.4  # pulses may pass the window

pybamm.set_logging_level("ERROR")
Trace = dict[str, np.ndarray]


class ReferenceCell:
    """One model at one air temperature. Its soc counts between the two open-circuit voltages at 25 °C, as ours does."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._parameters = _parameters(model)
        self._parameters.set_initial_state(1.0)
        full = self._lithium()
        self._parameters.set_initial_state(0.0)
        self._empty, self._swing = self._lithium(), full - self._lithium()
        self.capacity_ah = self._measure_capacity()
        self._parameters.update({"Ambient temperature [K]": model.ambient_degc + ZERO_DEGC_K})
        self._parameters.update({"Initial temperature [K]": model.ambient_degc + ZERO_DEGC_K})

    def run(self, steps: Sequence[Step], *, soc: float, points: Callable[[Step], int]) -> Iterator[tuple[Step, Trace]]:
        """Each step at so many points, dense at both its ends; time counts from its beginning."""
        negative, positive = self._empty + soc * self._swing
        self._parameters.update(
            {
                "Initial concentration in negative electrode [mol.m-3]": negative,
                "Initial concentration in positive electrode [mol.m-3]": positive,
            }
        )
        simulation = pybamm.Simulation(
            getattr(pybamm.lithium_ion, self._model.kind)(
                {
                    "thermal": "lumped",
                    "use lumped thermal capacity": "true",
                    "heat of mixing": str(self._model.mixes).lower(),
                }
            ),
            parameter_values=self._parameters,
            experiment=pybamm.Experiment([self._instruction(step) for step in steps]),
            solver=pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8),
        )
        solution = simulation.solve()
        for step, cycle in zip(steps, solution.cycles, strict=True):
            began_s, ended_s = cycle.t[[0, -1]]
            time_s = (ended_s - began_s) * (1 - np.cos(np.linspace(0, np.pi, points(step)))) / 2
            current_a, voltage_v, temperature_k = (
                cycle[name](np.clip(began_s + time_s, began_s, ended_s))
                for name in ("Current [A]", "Voltage [V]", "Volume-averaged cell temperature [K]")
            )
            yield (
                step,
                {
                    "time_s": time_s,
                    "current_a": -current_a,
                    "voltage_v": voltage_v,
                    "temperature_degc": temperature_k - ZERO_DEGC_K,
                },
            )

    def stoichiometries(self, soc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How full the negative and the positive electrode are."""
        negative, positive = (
            self._parameters[f"Maximum concentration in {side} electrode [mol.m-3]"]
            for side in ("negative", "positive")
        )
        (empty_n, empty_p), (swing_n, swing_p) = self._empty, self._swing
        return (empty_n + soc * swing_n) / negative, (empty_p + soc * swing_p) / positive

    def curve(self, name: str, stoichiometry: np.ndarray) -> np.ndarray:
        """One of the set's functions of stoichiometry."""
        function = self._parameters[name]
        return np.array(
            [float((function(pybamm.Scalar(value)) + pybamm.Scalar(0)).evaluate()) for value in stoichiometry]
        )

    def _lithium(self) -> np.ndarray:
        names = [f"Initial concentration in {side} electrode [mol.m-3]" for side in ("negative", "positive")]
        return np.array([self._parameters[name] for name in names], float)

    def _measure_capacity(self) -> float:
        """What the negative electrode takes up between empty and full."""
        parameters, faraday = self._parameters, pybamm.constants.F.value
        volume_m3 = parameters.evaluate(
            pybamm.Parameter("Negative electrode thickness [m]")
            * pybamm.Parameter("Electrode height [m]")
            * pybamm.Parameter("Electrode width [m]")
            * pybamm.Parameter("Number of electrodes connected in parallel to make a cell")
        )
        fraction = parameters["Negative electrode active material volume fraction"]
        return float(self._swing[0] * volume_m3 * fraction * faraday / 3600)

    def _instruction(self, step: Step) -> pybamm.step.BaseStep:
        current_a = -step.c_rate * self.capacity_ah  # PyBaMM's positive current discharges
        model = self._model
        if step.ends_at == "taper":
            return pybamm.step.voltage(model.upper_v, termination=f"{TAPER_C_RATE * self.capacity_ah:.6f} A")
        if step.ends_at == "time":
            return pybamm.step.current(current_a, duration=step.duration_s)
        limit_v = model.upper_v if step.ends_at == "upper" else model.lower_v
        return pybamm.step.current(current_a, termination=f"{limit_v} V", duration=200 * 3600)


def _parameters(model: Model) -> pybamm.ParameterValues:
    parameters = pybamm.ParameterValues(model.parameter_set)
    oregan = pybamm.ParameterValues("ORegan2022")
    entropy = {
        f"{side} electrode OCP entropic change [V.K-1]": oregan[f"{side} electrode OCP entropic change [V.K-1]"]
        for side in ("Negative", "Positive")
    }
    added: dict[str, object] = {}
    if model.parameter_set == "Chen2020":
        added |= entropy
    if model.parameter_set == "Prada2013":
        added |= {f"{side} current collector thickness [m]": 0.0 for side in ("Negative", "Positive")}
        added |= {f"{side} current collector conductivity [S.m-1]": 5e7 for side in ("Negative", "Positive")}
        added["Negative electrode OCP entropic change [V.K-1]"] = entropy[
            "Negative electrode OCP entropic change [V.K-1]"
        ]
    parameters.update(
        added
        | {
            "Reference temperature [K]": REFERENCE_K,
            "Ambient temperature [K]": REFERENCE_K,
            "Initial temperature [K]": REFERENCE_K,
            "Open-circuit voltage at 0% SOC [V]": model.lower_v,
            "Open-circuit voltage at 100% SOC [V]": model.upper_v,
            "Lower voltage cut-off [V]": model.lower_v - CUT_OFF_MARGIN_V,
            "Upper voltage cut-off [V]": model.upper_v + CUT_OFF_MARGIN_V,
            "Cell volume [m3]": VOLUME_M3,
            "Cell cooling surface area [m2]": SURFACE_M2,
            "Cell heat capacity [J.K-1.m-3]": model.heat_capacity_j_per_k / VOLUME_M3,
            "Total heat transfer coefficient [W.m-2.K-1]": model.heat_loss_w_per_k / SURFACE_M2,
        },
        check_already_exists=False,
    )
    return parameters
