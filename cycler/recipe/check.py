"""Whether a lowered step may be asked of a cell, and of a channel. Everything is refused that would hurt either."""

from math import inf, isnan

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType, Envelope
from cycler.recipe.bounds import ABOVE, BELOW, bounds, drive_direction
from cycler.recipe.ledger_phase import envelope_of
from cycler.recipe.plan import PlanPhase, PlanStep, StepVariant
from cycler.recipe.problems import Problems
from cycler.recipe.steps.judge import ACCURACIES_MIN, StepJudge, amp
from cycler.recipe.steps.table import STEP_KINDS
from cycler.recipe.units import Quantity

STEP_TIME_S_MAX = 31 * 86400.0
"""A month: what is bounded by more is not bounded."""


class StepCheck:
    """Judges one step by what holds for all kinds of them, and by what holds for its own."""

    def __init__(
        self,
        step: PlanStep,
        cell_type: CellType,
        channel: ChannelRange | None,
        problems: Problems,
        *,
        chamber_degc: float | None = None,
    ) -> None:
        """`chamber_degc`: what the chamber has been set to by then; None where the recipe does not say."""
        self._chamber_degc = chamber_degc
        self._step = step
        self._cell_type = cell_type
        self._channel = channel
        self._judge = StepJudge(step=step, cell_type=cell_type, channel=channel, problems=problems)
        self._refuse = self._judge.refuse

    def run(self) -> None:
        """Add all that is wrong to the problems."""
        self._judge.problems.step = self._step.step_id
        self._limits_narrow()
        self._temperature()
        for variant in self._step.variants:
            drives = [phase for phase in variant.different if phase.direction != "rest"]
            STEP_KINDS[self._step.step_type].check(self._judge, variant, drives)
            if STEP_TIME_S_MAX < self._step.time_s_max < inf:
                self._refuse(
                    "time", f"may take {self._step.time_s_max / 86400:.3g} days: that is no limit", "give a real one"
                )
            self._tests(variant)
            for phase in dict.fromkeys(drives):
                self._currents(variant, phase)
                self._voltages(variant, phase)
        self._judge.problems.step = None

    def _limits_narrow(self) -> None:
        own, whole = self._step.envelope, envelope_of(self._cell_type, self._step.ledger_phase)
        wider = [name for name in _ENVELOPE_NUMBERS if not 0 <= getattr(own, name) <= getattr(whole, name)]
        wider += [name for name in _ENVELOPE_WINDOWS if not _inside(getattr(own, name), getattr(whole, name))]
        if not _inside((own.voltage_v_min, own.voltage_v_max), (whole.voltage_v_min, whole.voltage_v_max)):
            wider.append("voltage")
        if wider:
            names = ", ".join(
                name.removesuffix("_a").removesuffix("_ah").removesuffix("_v").removesuffix("_degc") for name in wider
            )
            self._refuse("limits", f"has limits that are wider than the cell type's: {names}", "limits only narrow")

    def _temperature(self) -> None:
        """A cell may rest wherever it may be charged or discharged, and is charged where that is allowed."""
        envelope, step = self._step.envelope, self._step
        charge, discharge = envelope.charge_temperature_degc, envelope.discharge_temperature_degc
        if step.chamber is not None:
            target_degc = step.chamber.target_degc
            within_k = step.soak.within_k if step.soak is not None else 0.0
            low, high = min(charge[0], discharge[0]), max(charge[1], discharge[1])
            if not low <= target_degc - within_k <= target_degc + within_k <= high:
                around = f" and lets cells be {within_k:g} K off" if within_k else ""
                self._refuse(
                    "envelope",
                    f"sets the chamber to {target_degc:g} degC{around},"
                    f" outside of {low:g} to {high:g} degC of {self._cell_type.name}",
                )
        elif self._chamber_degc is not None:
            for direction, (low, high) in (("charge", charge), ("discharge", discharge)):
                goes = any(phase.direction == direction for variant in step.variants for phase in variant.phases)
                if goes and not low <= self._chamber_degc <= high:
                    self._refuse(
                        "temperature",
                        f"would {direction} at the {self._chamber_degc:g} degC that the chamber has been set to,"
                        f" outside of {low:g} to {high:g} degC of {self._cell_type.name}",
                        "set the chamber before it",
                    )

    def _tests(self, variant: StepVariant) -> None:
        envelope, channel = self._step.envelope, self._channel
        for condition in (*variant.until, *variant.fail):
            for test in condition.tests:
                value, text = test.value, condition.text
                if test.quantity in _MAGNITUDES and value <= 0:
                    self._refuse("not-positive", f"tests `{text}`: {test.quantity} is a magnitude, above 0")
                elif test.quantity == "voltage" and not envelope.voltage_v_min <= value <= envelope.voltage_v_max:
                    self._refuse(
                        "envelope", f"tests `{text}`, outside of {self._judge.window} of {self._cell_type.name}"
                    )
                elif test.quantity == "temperature" and (outside := self._outside_temperatures(variant, value)):
                    self._refuse("envelope", f"tests `{text}`, outside of {outside} of {self._cell_type.name}")
                elif test.quantity == "capacity" and test.of_tag is None and value > envelope.capacity_ah:
                    most = Quantity(round(envelope.capacity_ah, 6), "Ah")
                    self._refuse(
                        "capacity", f"tests `{text}`, but a step of {self._cell_type.name} moves {most} at most"
                    )
                elif test.quantity == "current" and channel and value < ACCURACIES_MIN * channel.current_accuracy_a:
                    self._refuse("accuracy", f"tests `{text}`, which is {self._too_small(value, channel)}")

    def _outside_temperatures(self, variant: StepVariant, value_degc: float) -> str:
        """The window that a cell is energised in, where the value lies beyond it; a cell at rest has none."""
        windows = [
            getattr(self._step.envelope, f"{direction}_temperature_degc")
            for direction in {phase.direction for phase in variant.different} - {"rest"}
        ]
        low, high = max((low for low, _ in windows), default=-inf), min((high for _, high in windows), default=inf)
        return "" if low <= value_degc <= high else f"{low:g} to {high:g} degC"

    def _currents(self, variant: StepVariant, phase: PlanPhase) -> None:
        direction, envelope, channel = drive_direction(phase), self._step.envelope, self._channel
        least_a, most_a = _current_range_a(phase, envelope)
        limit_a = envelope.charge_current_a if direction == "charge" else envelope.discharge_current_a
        if least_a > limit_a:
            self._refuse(
                "current", f"asks for {amp(least_a)}, but {self._cell_type.name} takes {amp(limit_a)} in {direction}"
            )
        cut_offs_a = [
            test.value
            for c in variant.until
            for test in c.tests
            if test.quantity == "current" and test.relation in BELOW
        ]
        if phase.holds_voltage and any(cut_a >= most_a for cut_a in cut_offs_a):
            self._refuse(
                "cut-off", f"has a cut-off of {amp(max(cut_offs_a))} that is not below its current", "lower it"
            )
        if channel is None:
            return
        if phase.resistance_ohm is not None:
            self._resistance(phase.resistance_ohm, channel)
        channel_a = channel.charge_current_a_max if direction == "charge" else channel.discharge_current_a_max
        if least_a > channel_a:
            self._refuse("channel", f"asks for {amp(least_a)}, but the channel gives {amp(channel_a)} in {direction}")
        if least_a < ACCURACIES_MIN * channel.current_accuracy_a:
            self._refuse("accuracy", f"asks for {self._too_small(least_a, channel)}")
        most_w = phase.power_w or min(most_a, channel_a) * max(phase.voltage_v, envelope.voltage_v_min)
        if most_w > channel.power_w_max:
            self._refuse("channel", f"asks for {most_w:.4g} W, but the channel gives {channel.power_w_max:.4g} W")

    def _resistance(self, ohm: float, channel: ChannelRange) -> None:
        low, high = channel.resistance_ohm_min, channel.resistance_ohm_max
        if not high:
            self._refuse("channel", "discharges through a resistance, which the channel cannot hold")
        elif not low <= ohm <= high:
            self._refuse(
                "channel", f"discharges through {ohm:.4g} Ohm, but the channel holds {low:.4g} to {high:.4g} Ohm"
            )

    def _voltages(self, variant: StepVariant, phase: PlanPhase) -> None:
        direction, envelope, channel = drive_direction(phase), self._step.envelope, self._channel
        target_v = phase.voltage_v
        if phase.holds_voltage and not envelope.voltage_v_min <= target_v <= envelope.voltage_v_max:
            at = Quantity(target_v, "V")
            self._refuse("envelope", f"asks for {at}, outside of {self._judge.window} of {self._cell_type.name}")
        if channel is None:
            return
        if not isnan(target_v) and not channel.voltage_v_min <= target_v <= channel.voltage_v_max:
            low, high = channel.voltage_v_min, channel.voltage_v_max
            self._refuse("channel", f"needs {target_v:.4g} V, but the channel gives {low:.4g} to {high:.4g} V")
        guard_v = max(channel.voltage_accuracy_v + channel.voltage_noise_v, channel.voltage_resolution_v)
        margin_v = envelope.trip_margin_v
        if margin_v < 2 * guard_v:
            self._refuse(
                "trip-margin",
                f"has a trip margin of {1e3 * margin_v:.4g} mV, but target, clamp and trip of a channel that is good to"
                f" {1e3 * guard_v:.4g} mV lie {2e3 * guard_v:.4g} mV apart at least",
                "widen trip_margin in the cell type, or use a finer channel",
            )
        ways = ABOVE if direction == "charge" else BELOW
        ends_v = [condition.tests[0].value for condition in bounds(variant, "voltage", ways)]
        passes = phase.duration_s is not None  # on its way to other voltages
        if phase.holds_voltage and not passes and any(abs(end_v - target_v) < guard_v for end_v in ends_v):
            self._refuse(
                "separation",
                f"holds {Quantity(target_v, 'V')} and has a voltage limit that the channel cannot tell from it",
                f"they must lie {1e3 * guard_v:.4g} mV apart; leave `voltage` out to end a CC there",
            )

    def _too_small(self, value_a: float, channel: ChannelRange) -> str:
        least_a = ACCURACIES_MIN * channel.current_accuracy_a
        return f"{amp(value_a)}: less than {ACCURACIES_MIN} times the channel's accuracy, {amp(least_a)}"


_MAGNITUDES = frozenset({"current", "power", "time", "total_time", "capacity", "energy"})
_ENVELOPE_NUMBERS = ("trip_margin_v", "charge_current_a", "discharge_current_a", "capacity_ah")
_ENVELOPE_WINDOWS = ("charge_temperature_degc", "discharge_temperature_degc")


def _inside(own: tuple[float, float], whole: tuple[float, float]) -> bool:
    return whole[0] <= own[0] <= own[1] <= whole[1]


def _current_range_a(phase: PlanPhase, envelope: Envelope) -> tuple[float, float]:
    """The least and the most that flows before CV, where power or resistance set it: over the envelope's voltages."""
    low_v, high_v = envelope.voltage_v_min, envelope.voltage_v_max
    if phase.power_w is not None:
        return phase.power_w / high_v, phase.power_w / low_v if low_v > 0 else inf
    if phase.resistance_ohm is not None:
        return low_v / phase.resistance_ohm, high_v / phase.resistance_ohm
    return phase.current_a, phase.current_a
