"""Whatever loads can be run: it comes to its end in its own time, within its envelope, and from any reading on."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_bench import CHANNEL, ENVELOPE, Bench, machine_for, started
from recipe_bench import loaded

from cycler.control.machine_events import Tripped
from cycler.recipe.compile import LoadedRecipe, compile_plan
from cycler.recipe.describe import worst_case_s

MARGIN_V = ENVELOPE.trip_margin_v  # an end that is seen in two readings lies a little beyond its bound
ENDS_IN = {"completed", "failed", "held"}  # a healthy cell trips no protection

voltages_up = st.sampled_from(["3.7 V", "3.9 V", "4.1 V"])
voltages_down = st.sampled_from(["2.9 V", "3.3 V", "3.6 V"])
currents = st.sampled_from(["C/5", "C/2", "0.8C", "1 A"])
times = st.sampled_from(["1 s", "7 s", "30 s", "1 min"])
charges = st.sampled_from(["2 mAh", "10 mAh", "0.5 %"])
variables = st.sampled_from(["a", "b"])
ways = st.sampled_from(["", "", "", " -> end", " -> hold", " -> fail", " -> fail HIGH_K", " -> goto last"])


@dataclass
class Said:
    """What the steps so far make known."""

    tags: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    ids: int = 0


@st.composite
def conditions(draw: st.DrawFn, said: Said, *, always: bool = False) -> str:
    """Of plain numbers, of charge, of time: some come, some never."""
    tests = []
    if said.variables:
        tests.append(f"{draw(st.sampled_from(sorted(said.variables)))} {draw(relations)} {draw(numbers)}")
    if not always:
        tests += [f"time >= {draw(times)}", f"total_time > {draw(times)}", "temperature > 30 degC"]
    return draw(st.sampled_from(tests or ["total_time > 2 min"]))


relations = st.sampled_from([">", ">=", "<", "<="])
numbers = st.sampled_from(["0", "1", "80 %", "2.5", "-1"])


@st.composite
def sums(draw: st.DrawFn, said: Said) -> str:
    """Ratios, counters and what cannot be worked out."""
    kinds = [draw(numbers)]
    if said.tags:
        tag = draw(st.sampled_from(sorted(said.tags)))
        kinds += [f"{tag} / 20 mAh", f"{tag}.energy / (1 Wh + {tag}.energy)", f"{tag}.duration / (3 s - 3 s)"]
        kinds.append(f"({tag}.end_voltage - 3 V) / 1 V")
    if said.variables:
        name = draw(st.sampled_from(sorted(said.variables)))
        kinds += [f"{name} + 1", f"-{name} * {draw(numbers)}", f"1 / {name}"]
    return draw(st.sampled_from(kinds))


@st.composite
def steps(draw: st.DrawFn, said: Said, depth: int = 0) -> str:
    more = f", {draw(conditions(said))}{draw(ways)}" if draw(st.integers(0, 2)) == 2 else ""
    fail = f"fail: [capacity > 100 mAh, time > {draw(st.sampled_from(['40 s', '3 min']))}{more}]"
    kind = draw(st.sampled_from(["charge", "taper", "discharge", "rest", "dcir", "set", "set", "loop", "loop"]))
    if kind in {"charge", "discharge"}:
        tag = draw(st.sampled_from(["up", "down"]))
        said.tags.add(tag)
        voltage = draw(voltages_up if kind == "charge" else voltages_down)
        end = f"voltage {'>=' if kind == 'charge' else '<='} {voltage}"
        share = f", capacity >= {draw(charges)}" if draw(st.booleans()) else ""
        return f"{kind}: {{current: {draw(currents)}, until: [{end}{share}], {fail}, tag: {tag}}}"
    if kind == "taper":
        return f"charge: {{current: {draw(currents)}, voltage: {draw(voltages_up)}, until: [current <= C/10], {fail}}}"
    if kind == "dcir":
        return f"dcir: {{current: 0.8C, time: 4 s, values: [1 s, 4 s], rest: {draw(times)}}}"
    if kind == "set":
        name, value = draw(variables), draw(sums(said))
        said.variables.add(name)
        lead = f", until: [{draw(conditions(said, always=True))}{draw(ways)}]" if draw(st.booleans()) else ""
        return f"set: {{{name}: {value}{lead}}}"
    if kind == "loop" and depth < 2:
        inside = [draw(steps(said, depth + 1)) for _ in range(draw(st.integers(1, 3)))]
        until = ""
        if draw(st.booleans()):
            tested = draw(st.sampled_from([draw(conditions(said, always=True)), f"time > {draw(times)}"]))
            until = f"until: [{tested}{draw(ways).removesuffix(' -> goto last')}], "
        return f"loop: {{times: {draw(st.integers(1, 4))}, {until}steps: [{', '.join(inside)}]}}"
    rest = f"rest: {{time: {draw(times)}, until: [{draw(conditions(said))}{draw(ways)}]}}"
    return rest if draw(st.booleans()) else f"rest: {{time: {draw(times)}}}"


@st.composite
def recipes(draw: st.DrawFn) -> LoadedRecipe:
    said = Said()
    body = [draw(steps(said)) for _ in range(draw(st.integers(1, 5)))]
    if draw(st.booleans()):  # what stands behind a stop needs a way past it
        body.append("rest: {time: 1 s, until: [voltage > 3.8 V -> goto last]}")
        body.append(draw(st.sampled_from(["stop: {}", "stop: {verdict: retest, code: HIGH_DCIR}"])))
    return loaded(*body, "rest: {id: last, time: 5 s}")


benches = st.fixed_dictionaries(
    {
        "order_takes": st.integers(1, 3),
        "phases_max": st.integers(1, 3),
        "counter": st.booleans(),
        "soc": st.sampled_from([0.1, 0.5, 0.95]),
        "capacity_ah": st.just(0.05),
    }
)


@settings(max_examples=60)
@given(recipe=recipes(), facts=benches, cut=st.floats(0.0, 1.0))
def test_whatever_loads_ends_in_its_time_within_its_envelope_and_from_any_reading_on(
    recipe: LoadedRecipe, facts: dict[str, int | float | bool], cut: float
) -> None:
    seen: list[tuple[float, float]] = []

    def watch(_: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        seen.append((voltage_v, current_a))
        return voltage_v, current_a

    plan = compile_plan(recipe.recipe, recipe.cell_type, CHANNEL)
    whole = started(plan, disturb=watch, **facts).run()  # type: ignore[arg-type]
    assert whole.over.end in ENDS_IN
    assert not any(isinstance(event, Tripped) for event in whole.events)

    # Each order takes its time, and an end needs two readings; no step here has more than two orders.
    orders_s = 2 * len(whole.results) * (facts["order_takes"] + 2)
    assert whole.time_s <= worst_case_s(recipe.recipe, recipe.cell_type) + orders_s

    for voltage_v, current_a in seen:
        assert ENVELOPE.voltage_v_min - MARGIN_V < voltage_v < ENVELOPE.voltage_v_max + MARGIN_V
        assert -ENVELOPE.discharge_current_a <= current_a <= ENVELOPE.charge_current_a

    broken = started(plan, **facts)  # type: ignore[arg-type]
    broken.run(int(cut * whole.time_s))
    saved = broken.machine.save()
    broken.machine = machine_for(plan, phases_max=int(facts["phases_max"]))
    broken.machine.restore(saved)
    assert broken.machine.save() == saved
    broken.run()
    assert broken.events == whole.events
