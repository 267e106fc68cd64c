"""The canonical form: one text for each meaning, which loads as the same recipe."""

from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import BOUNDS, CHARGE, DISCHARGE, HEAD, NOWHERE, load

from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.compile import LoadedRecipe, load_recipe_text

times = st.one_of(
    st.integers(1, 600).map(lambda number: f"{number} min"),
    st.floats(0.001, 1e5).map(lambda number: f"{number!r} s"),
)
rests = st.one_of(st.integers(30, 170).map("{} min".format), st.floats(1800.0, 1e4).map("{!r} s".format))
currents = st.one_of(
    st.floats(0.1, 5).map(lambda number: f"{number!r} A"),
    st.integers(1, 40).map(lambda number: f"C/{number}"),
    st.floats(0.01, 1).map(lambda number: f"{number!r}C"),
    st.integers(20, 5000).map(lambda number: f"{number} mA"),
)
voltages = st.floats(2.6, 4.1).map(lambda number: f"{number!r} V")
extras = st.lists(
    st.sampled_from(
        [
            "record: {every: 3 s, current: C/250}",
            "record: {voltage: 2 mV, temperature: 1 degC}",
            "limits: {voltage: [2.51 V, 4.19 V], capacity: 125 %, charge_temperature: [15 degC, 40 degC]}",
            "window: 90 s",
        ]
    ),
    unique_by=lambda extra: extra.split(":")[0],
)
ends = st.lists(
    st.sampled_from(
        [
            "temperature > 40 degC -> hold",
            "dv_dt < -3 mV/min and voltage < 3 V for 10 s after 5 min -> fail SELF_DISCHARGE",
            "voltage < 2.6 V at 20 min -> fail SHORT",
            "energy > 101 %",
            "temperature_rise > 12 degC before 1 h -> end",
        ]
    ),
    max_size=3,
    unique=True,
)


MUST = {"soak": ["chamber: 25 degC"], "chamber": ["target: 30 degC"], "contact": list[str]()}
OF_THE_BAY = {
    "soak": ["cells_within: 1.5 degC", "hold: 7 min", "hold: 900 s", "timeout: 2.5 h"],
    "chamber": ["rate: 1.5 K/min", "rate: 0.01 K/s", "wait: 20 min"],
    "contact": ["ocv: [2.9 V, 3700 mV]", "continuity: 30 mV", "continuity: 0.1 V"],
}


@st.composite
def steps(draw: st.DrawFn, depth: int = 0, turns: int = 1) -> str:
    def per_turn(values: st.SearchStrategy[str]) -> str:
        if turns == 1 or draw(st.booleans()):
            return draw(values)
        return f"[{', '.join(draw(st.lists(values, min_size=turns, max_size=turns)))}]"

    extra = "".join(f", {each}" for each in draw(extras))
    fail = ", ".join([BOUNDS, *draw(ends)])
    kinds = ["charge", "discharge", "rest", "dcir", "soak", "chamber", "contact", "loop"]
    kind = draw(st.sampled_from(kinds if depth < 2 else ["charge", "rest"]))
    match kind:
        case "charge":
            until = "current <= 10 mA for 2 s"  # below all currents that are drawn
            own = f"current: {per_turn(currents)}, voltage: {per_turn(voltages)}, until: {until}"
            return f"charge: {{{own}, fail: [{fail}]{extra}}}"
        case "discharge":
            own = f"current: {per_turn(currents)}, until: voltage <= {draw(voltages)}"
            return f"discharge: {{{own}, fail: [{fail}]{extra}}}"
        case "rest":
            return f"rest: {{time: {per_turn(times)}{extra}}}"
        case "dcir":
            own = f"current: {per_turn(currents)}, rest: {per_turn(rests)}"
            return f"dcir: {{{own}, fail: [{fail}]{extra}}}"
        case "soak" | "chamber" | "contact":
            own = draw(st.lists(st.sampled_from(OF_THE_BAY[kind]), unique_by=lambda key: key.split(":")[0]))
            step = f"{kind}: {{{', '.join([*MUST[kind], *own])}{extra if MUST[kind] or own else ''}}}"
            # Contacts are checked on cells that have rested.
            return f"loop: {{times: 1, steps: [rest: {{time: 10 min}}, {step}]}}" if kind == "contact" else step
    inner_turns = draw(st.integers(1, 4))
    inner = draw(st.lists(steps(depth + 1, inner_turns), min_size=1, max_size=3))
    return f"loop: {{times: {inner_turns}, steps: [{', '.join(inner)}]}}"


def reload(loaded: LoadedRecipe) -> LoadedRecipe:
    return load_recipe_text(canonical_text(loaded.recipe), file="canonical.yaml", beside=NOWHERE)


@given(texts=st.lists(steps(), min_size=1, max_size=4))
def test_the_canonical_text_loads_as_the_same_recipe_with_the_same_hash(texts: list[str]) -> None:
    loaded = load(*texts)
    again = reload(loaded)
    assert again.recipe == loaded.recipe
    assert canonical_text(again.recipe) == canonical_text(loaded.recipe)
    assert content_hash(again.recipe) == content_hash(loaded.recipe)


def test_every_default_is_written_out() -> None:
    text = canonical_text(load(DISCHARGE.replace("{", "{tag: cap, "), "dcir: {}").recipe)
    assert text == (
        "recipe: test\n"
        "version: 1.0.0\n"
        "cell_type: nmc811-21700\n"
        "from_state: [formed, aged, graded]\n"
        "record: {every: 10 s, voltage: 5 mV, current: C/250, temperature: 0.5 degC}\n"
        "steps:\n"
        "  - discharge: {current: C/2, until: [voltage <= 2.8 V -> next],"
        " fail: [capacity > 115 % of rated -> fail, time > 3 h -> fail], tag: cap}\n"
        "  - dcir: {direction: discharge, current: 1C, time: 10 s, values: [0.1 s, 1 s, 10 s]}\n"
    )


def test_the_hash_follows_the_meaning_not_the_spelling() -> None:
    plain = content_hash(load(CHARGE).recipe)
    spelt = """charge:
      fail:
        - capacity > 115 % of rated # all
        - time > 180 min
      until: current<=C/20 -> next
      voltage: 4200 mV
      current: 0.5C"""
    assert content_hash(load(spelt).recipe) == plain
    assert content_hash(load(CHARGE.replace("3 h", "4 h")).recipe) != plain


def test_per_turn_conditions_stay_per_turn() -> None:
    until = "until: [[voltage <= 2.8 V], [voltage <= 2.6 V]]"
    step = f"discharge: {{current: C/2, {until}, fail: [{BOUNDS}]}}"
    loaded = load(f"loop: {{times: 2, steps: [{step}]}}")
    assert "until: [[voltage <= 2.8 V -> next], [voltage <= 2.6 V -> next]]" in canonical_text(loaded.recipe)
    assert reload(loaded).recipe == loaded.recipe
    assert HEAD.splitlines()[0] in canonical_text(loaded.recipe)
