"""A recipe's condition in the numbers of one cell type."""

from collections.abc import Mapping

from cycler.model.cell_type import CellType
from cycler.recipe.assignments import coherent
from cycler.recipe.condition import QUANTITY_UNITS, RecipeCondition, RecipeTest
from cycler.recipe.plan import Comparison, Condition, Outcome
from cycler.recipe.plan import Quantity as QuantityName
from cycler.recipe.units import Quantity

ELECTRICAL = frozenset({"voltage", "current", "power", "dv_dt", "di_dt", "dv"})
SAMPLES_ELECTRICAL = 2

SLOPE_WINDOW_S = 60.0


def lower_condition(
    condition: RecipeCondition, window: Quantity | None, cell_type: CellType, targets: Mapping[str, int]
) -> Condition:
    """`window` is the step's own for slopes; `targets` says where in the program a `goto` leads."""
    outcome = condition.outcome
    assert outcome is not None  # noqa: S101 (the reader fills it in)
    electrical = any(test.quantity in ELECTRICAL for test in condition.tests)
    once = condition.for_ is not None or condition.window == "at" or not electrical
    return Condition(
        tests=tuple(_comparison(test, window, cell_type) for test in condition.tests),
        outcome=Outcome(
            kind=outcome.kind,
            code=outcome.word if outcome.kind == "fail" else None,
            goto=targets.get(outcome.word or "") if outcome.kind == "goto" else None,
        ),
        samples=1 if once else SAMPLES_ELECTRICAL,
        for_s=condition.for_.number if condition.for_ else 0.0,
        window=condition.window or "always",
        window_s=condition.window_time.number if condition.window_time else 0.0,
        text=str(condition),
    )


def _comparison(test: RecipeTest, window: Quantity | None, cell_type: CellType) -> Comparison:
    if test.quantity not in QUANTITY_UNITS:
        bound = coherent(test.value, cell_type)
        return Comparison(quantity="variable", relation=test.relation, value=bound, variable=test.quantity)
    quantity: QuantityName = test.quantity  # type: ignore[assignment]
    value, of_tag = test.value.number, None
    if test.value.unit == "C":
        value *= cell_type.rated_capacity_ah
    elif test.value.unit == "%":
        value /= 100
        if test.of != "rated":
            of_tag = test.of
        else:
            value *= cell_type.rated_energy_wh if quantity == "energy" else cell_type.rated_capacity_ah
    return Comparison(
        quantity=quantity,
        relation=test.relation,
        value=value,
        of_tag=of_tag,
        window_s=window.number if window else SLOPE_WINDOW_S,
    )
