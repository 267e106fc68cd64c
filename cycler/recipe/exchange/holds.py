"""In which direction a held voltage drives its cell. A recipe always says so; the other formats never do."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cycler.model.cell_type import Envelope
from cycler.recipe.exchange.protocol import Cycle, Direction, Stage, Stages, flat
from cycler.recipe.problems import Problems


@dataclass(frozen=True, slots=True)
class CellVoltage:
    """Between what a cell's voltage lies. To hold the upper bound is to charge, to hold the lower one to discharge."""

    low_v: float
    high_v: float

    @classmethod
    def anywhere(cls, envelope: Envelope) -> "CellVoltage":
        """All that a recipe may ask for."""
        return cls(envelope.voltage_v_min, envelope.voltage_v_max)

    def to_hold(self, voltage_v: float) -> Direction | None:
        """None where it could be either."""
        charges, discharges = voltage_v >= self.high_v, voltage_v <= self.low_v
        if charges == discharges:
            return None
        return "charge" if charges else "discharge"

    def after(self, stages: Stages, envelope: Envelope) -> "CellVoltage":
        """What is known then. A charge that ends at 4.1 V, by whatever, leaves no more than that."""
        known = self
        for stage in stages:
            if isinstance(stage, Cycle):
                known = CellVoltage.anywhere(envelope).after(stage.stages, envelope)
                continue
            end = stage.value if stage.control == "voltage" else stage.voltage
            direction = stage.direction
            if stage.control == "voltage" and end is not None:
                direction = known.to_hold(end.number) or direction
            if direction == "charge":
                known = replace(known, high_v=end.number if end else envelope.voltage_v_max)
            elif direction == "discharge":
                known = replace(known, low_v=end.number if end else envelope.voltage_v_min)
        return known


def directed(stages: Stages, envelope: Envelope, problems: Problems) -> Stages:
    """The same stages, with the direction of each held voltage. Adds those that could be either, or contradict."""
    return _directed(stages, CellVoltage.anywhere(envelope), envelope, problems)


def check_holds(
    stages: Stages, envelope: Envelope, problems: Problems, *, says_direction: Callable[[Stage], bool]
) -> None:
    """Add each held voltage that a format would not bring back in its direction. `says_direction`: whether it tells."""
    read = directed(_untold(stages, says_direction), envelope, problems)
    for told, understood in zip(flat(stages), flat(read), strict=True):
        if understood.direction not in {told.direction, None} and not says_direction(told):
            problems.step = told.place
            message = f"holds {told.value} in {told.direction}, which would be understood as {understood.direction}"
            problems.add(told.line, "direction", message)
    problems.step = None


def _untold(stages: Stages, says_direction: Callable[[Stage], bool]) -> Stages:
    found: list[Stage | Cycle] = []
    for stage in stages:
        if isinstance(stage, Cycle):
            found.append(replace(stage, stages=_untold(stage.stages, says_direction)))
        else:
            hidden = stage.control == "voltage" and not says_direction(stage)
            found.append(replace(stage, direction=None) if hidden else stage)
    return tuple(found)


def _directed(stages: Stages, known: CellVoltage, envelope: Envelope, problems: Problems) -> Stages:
    found: list[Stage | Cycle] = []
    for stage in stages:
        if isinstance(stage, Cycle):
            again = CellVoltage.anywhere(envelope).after(stage.stages, envelope)
            entry = CellVoltage(min(known.low_v, again.low_v), max(known.high_v, again.high_v))
            found.append(replace(stage, stages=_directed(stage.stages, entry, envelope, problems)))
        elif stage.control == "voltage":
            found.append(_hold(stage, known, problems))
        else:
            found.append(stage)
        known = known.after((found[-1],), envelope)
    return tuple(found)


def _hold(stage: Stage, known: CellVoltage, problems: Problems) -> Stage:
    assert stage.value is not None  # noqa: S101 (a hold has a voltage)
    direction = known.to_hold(stage.value.number)
    problems.step = stage.place
    if direction is None and stage.direction is None:
        problems.add(
            stage.line,
            "direction",
            f"holds {stage.value}, and what comes before does not tell whether that charges or discharges",
            f"let a charge end at {stage.value} or below before it, or a discharge at {stage.value} or above",
        )
    elif stage.direction not in {None, direction or stage.direction}:
        problems.add(
            stage.line,
            "direction",
            f"holds {stage.value} in {stage.direction}, but after what comes before that is a {direction}",
        )
    problems.step = None
    return replace(stage, direction=direction or stage.direction)
