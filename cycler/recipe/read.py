"""From nodes to a `Recipe`: every key known, every value a quantity, every default filled in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from cycler.model.cell import LEDGER_STATES, LedgerState
from cycler.model.cell_type import DcirDefaults
from cycler.model.results import REASON_CODES
from cycler.recipe.condition import QUANTITY_UNITS, Consequence, RecipeCondition, parse_condition
from cycler.recipe.fields import Fields, as_list, as_map, as_text, as_title, as_version
from cycler.recipe.model import Alternatives, LimitKeys, LoopStep, Purpose, Recipe, RecordKeys, SetStep, Step, walk
from cycler.recipe.problems import MistakeError, Problems, nearest, shown
from cycler.recipe.steps.form import COMMON_KEYS, CURRENT
from cycler.recipe.steps.table import STEP_KINDS, STEP_WORDS
from cycler.recipe.subrecipes import SubRecipes, expanded
from cycler.recipe.units import Quantity
from cycler.recipe.yaml_nodes import ListNode, MapNode, Node

LOOP_TURNS_MAX = 65_535
STEPS_MAX = 10_000
"""Of a recipe, those of the recipes that it names included."""
LEVELS_MAX = 8
"""Loops around a step; recipes that are named count as one. Its canonical text still is a file that can be read."""

JUDGED_IN_LOOP = frozenset({"time", "total_time"})  # beside variables

PURPOSES: tuple[Purpose, ...] = ("production", "abuse")
DEFAULT_FROM_STATE: tuple[LedgerState, ...] = ("formed", "aged", "graded")
DEFAULT_RECORD = RecordKeys(
    every=Quantity(10.0, "s"),
    voltage=Quantity(0.005, "V"),
    current=Quantity(1 / 250, "C"),
    temperature=Quantity(0.5, "degC"),
)
"""The current threshold follows the cell: 0.4 % of 1C."""


@dataclass(slots=True)
class _Reading:
    """What reading a step depends on, beside its own text."""

    problems: Problems
    defaults: DcirDefaults
    subrecipes: SubRecipes | None
    record: RecordKeys
    variables: set[str] = field(default_factory=set)  # that have been set so far, in the order of the file
    steps: int = 0
    too_many: bool = False

    def count(self, steps: int, line: int) -> bool:
        """Whether there may be so many more."""
        self.steps += steps
        if self.steps > STEPS_MAX and not self.too_many:
            self.too_many = True
            self.problems.add(line, "too-many-steps", f"the recipe has more than {STEPS_MAX} steps from here on")
        return self.steps <= STEPS_MAX


def read_recipe(
    root: MapNode, problems: Problems, defaults: DcirDefaults, subrecipes: SubRecipes | None = None
) -> Recipe | None:
    """A recipe without the steps that could not be read; None where not even its head could. Adds to `problems`.

    Without `subrecipes` it can name none.
    """
    fields = Fields(root, problems, owner="a recipe")
    name = fields.take("recipe", as_title, required=True)
    version = fields.take("version", as_version, required=True)
    cell_type = fields.take("cell_type", as_title, required=True)
    from_state = fields.words("from_state", LEDGER_STATES) or DEFAULT_FROM_STATE
    to_state = fields.word("to_state", LEDGER_STATES)
    purpose = fields.word("purpose", PURPOSES) or "production"
    record = _record(fields) or DEFAULT_RECORD
    _refuse_states(fields, from_state, to_state)
    if purpose == "abuse":
        _refuse_unformed(fields, from_state, to_state)
    steps = fields.take("steps", as_list, required=True)
    fields.close()
    reading = _Reading(problems, defaults, subrecipes, record)
    read = _steps(steps or [], reading, path="", turns=None)
    problems.step = None
    if name is None or version is None or cell_type is None:
        return None
    return Recipe(
        file=problems.file,
        recipe=name,
        version=version,
        cell_type=cell_type,
        from_state=cast(tuple[LedgerState, ...], from_state),
        to_state=cast(LedgerState | None, to_state),
        purpose=cast(Purpose, purpose),
        record=record,
        steps=read,
    )


def _refuse_states(fields: Fields, states: Sequence[str], to_state: str | None) -> None:
    for state in ("quarantine", "recycled"):
        if state in states:
            fields.refuse("from_state", "state", f"a cell in {state} is never energised again")
    if to_state == "filled":
        fields.refuse("to_state", "state", "no cell becomes a filled one again", "leave `to_state` out")


def _refuse_unformed(fields: Fields, states: Sequence[str], to_state: str | None) -> None:
    for state in ("filled", "precharged"):
        if state in states:
            fields.refuse("from_state", "state", f"an abuse test takes cells that have been formed, not {state} ones")
    if to_state != "quarantine":
        hint = "write `to_state: quarantine`"
        fields.refuse("to_state", "state", "a cell that an abuse test has had is never energised again", hint)


def _steps(nodes: Sequence[Node], reading: _Reading, *, path: str, turns: int | None) -> tuple[Step, ...]:
    """Those that could be read. `turns`: of the innermost loop around them."""
    found = []
    for number, node in enumerate(nodes, start=1):
        reading.problems.step = f"{path}{number}"
        if not reading.count(1, node.line):
            break
        step = _step(node, reading, turns)
        if step is not None:
            found.append(step)
    return tuple(found)


def _step(node: Node, reading: _Reading, turns: int | None) -> Step | None:
    problems = reading.problems
    path = problems.step or ""
    if not isinstance(node, MapNode) or len(node.entries) != 1:
        problems.add(
            node.line, "step", "is not one step word with its values", "write it like `- rest: {time: 30 min}`"
        )
        return None
    (word, value), line = next(iter(node.entries.items())), node.line
    if word not in STEP_WORDS:
        problems.add(line, "step", f"{shown(word)} is no step", nearest(word, STEP_WORDS))
        return None
    try:
        fields = Fields(as_map(value), problems, owner=f"`{word}`")
    except MistakeError as mistake:
        problems.add_mistake(line, mistake, key=word)
        return None
    before = len(problems.found)
    id_ = fields.name("id")
    problems.step = id_ or path
    if word == "loop":
        return _loop(fields, reading, path=path, line=line, id_=id_)
    if word == "recipe":
        return _named_recipe(fields, reading, path=path, line=line, id_=id_)
    form = STEP_KINDS[word].form
    if form.free is not None:
        reading.variables.update(fields.node.entries)
    amounts = {key: _amounts(fields, key, units, turns) for key, units in form.amounts.items()}
    common = {"path": path, "line": line, "id": id_, **_common(fields, reading, turns)}
    step = form.build(fields, common, amounts, reading.defaults) if len(problems.found) == before else None
    own_names = fields.node.entries if form.free is not None else ()
    for key in (*form.built_keys, *own_names):  # known, whether or not `build` came to look
        fields.know(key)
    fields.close()
    return step if len(problems.found) == before else None


def _loop(fields: Fields, reading: _Reading, *, path: str, line: int, id_: str | None) -> LoopStep | None:
    problems = fields.problems
    before = len(problems.found)
    times = fields.count("times", low=1, high=LOOP_TURNS_MAX)
    if "times" not in fields:
        hint = "`until` may end it sooner" if "until" in fields else "write it like {times: 3, steps: […]}"
        fields.refuse("times", "missing-key", "a loop needs `times`: with no bound it might never end", hint)
    nodes = fields.take("steps", as_list, required=True)
    fields.know("until")  # read behind the steps, which may set what it tests
    fields.close()
    if path.count(".") >= LEVELS_MAX:
        problems.add(line, "too-deep", f"step {path} has more than {LEVELS_MAX} loops inside each other")
        return None
    own_problems = len(problems.found) > before
    steps = _steps(nodes or [], reading, path=f"{path}.", turns=times or 0)
    problems.step = id_ or path
    until = fields.take("until", lambda node: _loop_ends(node, fields, reading)) or ()
    if own_problems or times is None or not steps or len(problems.found) > before:
        return None
    return LoopStep(path=path, line=line, id=id_, times=times, until=until, steps=steps)


def _loop_ends(node: Node, fields: Fields, reading: _Reading) -> Alternatives:
    """What can be judged between two steps, when no reading belongs to either."""
    found = _alternatives(as_list(node), fields, "until", reading)
    for condition in found:
        others = [test.quantity for test in condition.tests if test.quantity in QUANTITY_UNITS.keys() - JUDGED_IN_LOOP]
        if others:
            fields.refuse(
                "until", "quantity", f"until: `{condition}` tests {others[0]}, but a loop asks between two steps",
                "it asks for variables, time and total_time: end its turn with a `set`",
            )  # fmt: skip
        if condition.for_ is not None or condition.window is not None:
            fields.refuse(
                "until", "window", f"until: `{condition}` waits, but a loop asks once a turn", "leave that out"
            )
        if condition.outcome is not None and condition.outcome.kind == "goto":
            fields.refuse(
                "until", "goto", f"until: `{condition}`: a loop leads to what follows it", "put the `goto` there"
            )
    return found


def _named_recipe(fields: Fields, reading: _Reading, *, path: str, line: int, id_: str | None) -> LoopStep | None:
    """The steps of another recipe, in a loop of one turn."""
    problems = fields.problems
    before = len(problems.found)
    name = fields.take("name", as_title, required=True)
    version = fields.take("version", as_version, required=True)
    fields.close()
    if name is None or version is None or len(problems.found) > before:
        return None
    if reading.subrecipes is None:
        problems.add(line, "recipe", f"{name} is not read, because the cell type is not known")
        return None
    found = reading.subrecipes.find(name, version, line, problems)
    if found is None or not reading.count(sum(1 for _ in walk(found.steps)), line):
        return None
    step = expanded(found, path=path, line=line, id_=id_, record=reading.record)
    deepest = path.count(".") + 1 + max(len(around) for _, around in walk(found.steps))
    if deepest > LEVELS_MAX:
        problems.add(
            line, "too-deep", f"step {path} has {deepest} loops inside each other, {found.recipe} and its own counted",
            f"there may be {LEVELS_MAX}",
        )  # fmt: skip
        return None
    reading.variables.update(
        name for each, _ in walk(found.steps) if isinstance(each, SetStep) for name, _ in each.values
    )
    return step


def _amounts(fields: Fields, key: str, units: tuple[str, ...], turns: int | None) -> tuple[Quantity, ...]:
    values = fields.quantities(key, *units)
    for value in values:
        if value.unit != "V" and value.number <= 0:
            fields.refuse(key, "not-positive", f"{key}: {value} is not above 0")
    _check_turns(fields, key, len(values), turns)
    return values


def _check_turns(fields: Fields, key: str, entries: int, turns: int | None) -> None:
    if entries <= 1 or turns in {0, entries}:  # 0: the loop itself was refused
        return
    if turns is None:
        fields.refuse(
            key,
            "turns",
            f"{key}: {entries} values, but no loop is around the step",
            "a list gives one value a turn of the innermost loop",
        )
    else:
        fields.refuse(
            key,
            "turns",
            f"{key}: {entries} values, but the loop around the step has {turns} turns",
            "give one value, or one for each turn",
        )


def _common(fields: Fields, reading: _Reading, turns: int | None) -> dict[str, Any]:
    read: dict[str, Any] = {
        "tag": fields.name("tag"),
        "until": fields.take("until", lambda node: _conditions(node, fields, "until", reading)) or ((),),
        "fail": fields.take("fail", lambda node: _conditions(node, fields, "fail", reading)) or ((),),
        "record": _record(fields),
        "limits": _limits(fields),
        "window": fields.quantity("window", "s"),
    }
    for key in ("until", "fail"):
        _check_turns(fields, key, len(read[key]), turns)
    if read["window"] is not None and read["window"].number <= 0:
        fields.refuse("window", "not-positive", f"window: {read['window']} is not above 0")
    assert {"id", *read} == set(COMMON_KEYS)  # noqa: S101 (the schema names the same keys)
    return read


def _conditions(
    node: Node, fields: Fields, key: Literal["until", "fail"], reading: _Reading
) -> tuple[Alternatives, ...]:
    """One list of alternatives, or a list of lists: one for each turn."""
    items = as_list(node)
    if any(isinstance(item, ListNode) for item in items):
        return tuple(_alternatives(as_list(item), fields, key, reading) for item in items)
    return (_alternatives(items, fields, key, reading),)


def _alternatives(
    items: Sequence[Node], fields: Fields, key: Literal["until", "fail"], reading: _Reading
) -> Alternatives:
    found = []
    outcome = Consequence("next" if key == "until" else "fail")
    for item in items:
        try:
            condition = parse_condition(_condition_text(item))
        except MistakeError as mistake:
            fields.problems.add_mistake(item.line, mistake, key=key)
        else:
            _check_words(condition, item.line, fields, key, reading.variables)
            found.append(condition if condition.outcome else condition.with_outcome(outcome))
    return tuple(found)


def _check_words(condition: RecipeCondition, line: int, fields: Fields, key: str, variables: set[str]) -> None:
    """Words from closed lists, which the grammar does not know."""
    for test in condition.tests:
        if test.quantity not in QUANTITY_UNITS and test.quantity not in variables:
            hint = nearest(test.quantity, {*QUANTITY_UNITS, *variables})
            message = f"{key}: {test.quantity} is no quantity, and no step before sets such a variable"
            fields.problems.add(line, "quantity", message, hint)
    if condition.for_ is not None and condition.window == "at":
        message = f"{key}: `{condition}` is judged once, and nothing lasts for {condition.for_} in one look"
        fields.problems.add(line, "once", message, "leave `for` out, or write `after` in place of `at`")
    outcome = condition.outcome
    if outcome is not None and outcome.kind == "fail" and outcome.word and outcome.word not in REASON_CODES:
        hint = nearest(outcome.word, REASON_CODES)
        fields.problems.add(line, "code", f"{key}: {outcome.word} is no reason code", hint)


def _condition_text(node: Node) -> str:
    if isinstance(node, MapNode):
        raise MistakeError("condition", "a mapping stands where a condition is due", "write it like voltage >= 4.2 V")
    return as_text(node)


def _record(fields: Fields) -> RecordKeys | None:
    inner = fields.mapping("record", owner="`record`")
    if inner is None:
        return None
    keys = RecordKeys(
        every=inner.quantity("every", "s"),
        voltage=inner.quantity("voltage", "V"),
        current=inner.quantity("current", *CURRENT),
        temperature=inner.quantity("temperature", "degC"),
    )
    inner.close()
    given = {key: getattr(keys, key) for key in ("every", "voltage", "current", "temperature") if getattr(keys, key)}
    for key, value in given.items():
        if value.number <= 0:
            inner.refuse(key, "not-positive", f"record: {key}: {value} is not above 0")
    if not inner.node.entries:
        fields.refuse("record", "empty", "record: nothing says when a sample is kept", "write it like {every: 10 s}")
    return keys


def _limits(fields: Fields) -> LimitKeys | None:
    inner = fields.mapping("limits", owner="`limits`")
    if inner is None:
        return None
    keys = LimitKeys(
        voltage=inner.pair("voltage", "V"),
        trip_margin=inner.quantity("trip_margin", "V"),
        charge_current=inner.quantity("charge_current", *CURRENT),
        discharge_current=inner.quantity("discharge_current", *CURRENT),
        charge_temperature=inner.pair("charge_temperature", "degC"),
        discharge_temperature=inner.pair("discharge_temperature", "degC"),
        capacity=inner.quantity("capacity", "Ah", "%"),
    )
    inner.close()
    return keys
