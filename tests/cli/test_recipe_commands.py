"""`cycler recipe check · preview · diff`: a run as a whole, its prediction, and how two versions differ."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import SHORT_RECIPE, cycler

from cycler.recipe.lookup import LIBRARY

LOOPED = """\
recipe: looped
version: 1.0.0
cell_type: nmc811-21700
steps:
  - loop:
      times: 2
      steps:
        - charge: {id: up, current: C/2, until: [time >= 60 s], fail: [capacity > 10 %, voltage > 4.1 V]}
        - rest: {time: 15 min}
  - dcir: {id: pulse, base: C/5, base_time: 2 s}
"""

RACK = """\
rack: {id: R1, purpose: production}
devices:
  - {id: c-01, driver: sim_cycler, resource: "sim:c-01"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: c-01/1, temperature: t-01/1}
      A2: {channel: c-01/2, temperature: t-01/2, empty: true}
      A3: {channel: c-01/3, temperature: t-01/3}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT_RECIPE)
    Path("looped.yaml").write_text(LOOPED)
    Path("rack.yaml").write_text(RACK)


# check


def test_a_check_says_how_much_a_run_takes() -> None:
    answer = cycler("recipe", "check", "short.yaml")
    assert answer.exit_code == 0
    assert re.search(r"^time +2 min 50 s +2 min 50 s +pauses and waiting not counted$", answer.out, re.MULTILINE)
    assert re.search(r"^charged +41\.7 mAh +17\d mWh|^charged +41\.7 mAh +0\.17\d Wh", answer.out, re.MULTILINE)
    document = cycler("recipe", "check", "short.yaml", "--json").document
    assert document["worst_case"]["charge_ah"] == pytest.approx(2.5 / 60)
    assert document["peak_power"]["discharge_step"] == "down"
    assert (document["bays"], document["warnings"]) == ([], [])


def test_a_check_says_the_power_of_a_bay_and_who_watches_over_it() -> None:
    document = cycler("recipe", "check", "short.yaml", "--config", "rack.yaml", "--json").document
    (bay,) = document["bays"]
    assert (bay["bay"], bay["cells"], bay["limit_w"]) == ("B01", 2, None)
    assert bay["charge_w"] == pytest.approx(2 * document["peak_power"]["charge_w"])
    (kind,) = document["watched"]
    assert (kind["driver"], kind["devices"]) == ("sim_cycler", ["c-01"])
    by = {each["bound"]: each["by"] for each in kind["bounds"]}
    assert (by["trip above 4.25 V"], by["silence of this computer"]) == ("both", "device, 3 s")
    text = cycler("recipe", "check", "short.yaml", "--config", "rack.yaml").out
    assert re.search(r"^B01 +2 +\S+ W +\S+ W +none$", text, re.MULTILINE)
    assert re.search(r"^temperature of each cell +software$", text, re.MULTILINE)


def test_a_bay_that_is_too_weak_is_refused_and_one_of_several_is_noted() -> None:
    weak = RACK.replace("  - id: B01\n", "  - id: B01\n    power_limit: 15 W\n")
    Path("weak.yaml").write_text(weak)
    answer = cycler("recipe", "check", "short.yaml", "--config", "weak.yaml", "--json")
    assert answer.exit_code == 2
    (error,) = answer.errors
    assert (error["code"], error["step"]) == ("power", "down")
    assert re.fullmatch(
        r"bay B01: its cells \(2\) reach \S+ W discharging, above its power_limit of 15 W", error["message"]
    )
    other = "  - id: B02\n    contactor: io-01/DO1\n    positions: {A1: {channel: c-01/4, temperature: t-01/4}}\n"
    Path("weak.yaml").write_text(weak + other)
    answer = cycler("recipe", "check", "short.yaml", "--config", "weak.yaml")
    assert answer.exit_code == 0
    assert "note: bay B01: its cells (2) reach" in answer.out


@pytest.mark.parametrize(
    ("device", "refused"),
    [
        ('driver: sim_cycler, resource: "sim:c-01"', None),
        ('driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502"', None),
        ('driver: ea_psb, resource: "scpi-tcp://127.0.0.1:1502"', "which the channel cannot hold"),
        (
            'driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:1502", channels: 101..102',
            "which the channel cannot",
        ),
    ],
    ids=["simulated", "psb over modbus", "psb over scpi", "bt2200"],
)
def test_a_resistance_is_refused_on_channels_that_hold_none(device: str, refused: str | None) -> None:
    rated = "rated: {voltage: 6 V, current: 12 A, power: 60 W}"
    entry = f"{{id: c-01, {device}, {rated}, accuracy: {{voltage: 1 mV, current: 5 mA}}}}"
    text = RACK.replace('{id: c-01, driver: sim_cycler, resource: "sim:c-01"}', entry)
    one_position = [line for line in text.splitlines() if not line.startswith(("      A2", "      A3"))]
    Path("rack.yaml").write_text(
        "\n".join(one_position).replace("c-01/1", "c-01/101" if "bt2200" in device else "c-01/1")
    )
    drive = "discharge: {resistance: 1.5 Ohm, until: [voltage <= 2.8 V], fail: [capacity > 115 %, time > 6 h]}"
    Path("cr.yaml").write_text(f"recipe: cr\nversion: 1.0.0\ncell_type: nmc811-21700\nsteps:\n  - {drive}\n")
    answer = cycler("recipe", "check", "cr.yaml", "--config", "rack.yaml", "--json")
    assert answer.exit_code == (2 if refused else 0)
    if refused:
        assert any(refused in error["message"] and error["step"] == "1" for error in answer.errors)
    else:
        told = answer.document["notes"] == [
            "c-01 does not tell before it is connected which resistances it holds, if any"
        ]
        assert told == ("ea_psb" in device)


def test_a_contradiction_is_refused_and_a_doubt_is_a_warning() -> None:
    Path("never.yaml").write_text(
        SHORT_RECIPE.replace("capacity > 10 %, voltage > 4.1 V", "time > 30 s, voltage > 4.1 V, capacity > 10 %")
    )
    answer = cycler("recipe", "check", "never.yaml", "--json")
    assert (answer.exit_code, [error["step"] for error in answer.errors]) == (2, ["up"])
    slow = "charge: {current: C/10, voltage: 4.1 V, until: [current <= C/50], fail: [capacity > 110 %, time > 2 h]}"
    Path("slow.yaml").write_text(SHORT_RECIPE.replace("rest: {time: 20 s}", slow))
    answer = cycler("recipe", "check", "slow.yaml")
    assert answer.exit_code == 0
    assert "warning: slow.yaml:9: step 4 may never get to" in answer.out


# preview


def test_a_preview_tells_and_draws_every_executed_step() -> None:
    answer = cycler("recipe", "preview", "looped.yaml", "--start", "formed@40%", "--out", "looped.svg")
    assert answer.exit_code == 0
    assert re.search(r"^ 1\.1 charge up +2 of 2 +16 min +1 min +0\.042 .* time >= 1 min *$", answer.out, re.MULTILINE)
    assert "One ideal cell as the simulation data of the cell type describe it" in answer.out
    assert answer.out.endswith("drawn: looped.svg\n")
    root = ElementTree.parse("looped.svg").getroot()  # noqa: S314 (our own file)
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for text in ("looped 1.0.0", "voltage in V", "time in min", "turn 1 of 2", "turn 2 of 2", "2 dcir pulse"):
        assert text in texts
    assert texts.count("1.1 charge up") == 2


def test_a_prediction_is_what_an_ideal_simulation_gives() -> None:
    document = cycler("recipe", "preview", "looped.yaml", "--start", "formed@40%", "--json").document
    assert (document["completed"], document["start"], document["file"]) == (True, "formed@40%", None)
    steps = document["steps"]
    assert [(step["path"], step["turns"]) for step in steps] == [
        ("1.1", [1]), ("1.2", [1]), ("1.1", [2]), ("1.2", [2]), ("2", []),
    ]  # fmt: skip
    assert document["charge_ah"] == pytest.approx(2 * 2.5 / 60, rel=1e-3)
    cycler("simulate", "looped.yaml", "--start", "formed@40%", "--ideal", "--out", "run")
    import pyarrow.parquet as pq  # noqa: PLC0415

    simulated = pq.read_table("run/steps.parquet").column("end_voltage_v").to_pylist()
    assert [step["end_voltage_v"] for step in steps] == pytest.approx(simulated, abs=1e-4)


def test_a_preview_as_a_page_needs_nothing_else() -> None:
    assert cycler("recipe", "preview", "looped.yaml", "--start", "formed@40%", "--out", "looped.html").exit_code == 0
    page = Path("looped.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!#)|url\(|@import|<script', page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert page.count("<tr>") == 1 + 5
    assert "2 dcir pulse</figcaption>" in page


def test_a_cell_that_does_not_get_through_is_told_of() -> None:
    fails = LOOPED.replace("voltage > 4.1 V", "voltage > 3.7 V")
    Path("fails.yaml").write_text(fails)
    answer = cycler("recipe", "preview", "fails.yaml", "--start", "formed@40%", "--out", "fails.html")
    assert answer.exit_code == 0
    assert "the ideal cell does not get through: failed: voltage > 3.7 V -> fail" in answer.out
    assert "The ideal cell does not get through" in Path("fails.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.png"], "--out x.png: what to draw goes by its ending (use .svg or .html)"),
        (["--out", "nowhere/x.svg"], "--out nowhere/x.svg: there is no folder nowhere (make it first)"),
        (["--start", "frmed"], "--start: 'frmed' is no state (did you mean formed?)"),
        (["--start", "quarantine"], "the cell was not started: the cell is quarantine, the recipe takes formed"),
        (
            ["--cell-type", "plain.yaml"],
            "the cell type nmc811-21700 does not say how its cells behave (add `simulation",
        ),
    ],
    ids=["picture", "folder", "misspelt", "state", "cell-type"],
)
def test_what_cannot_be_predicted_is_said_in_one_line(arguments: list[str], message: str) -> None:
    text = (LIBRARY / "cell-types" / "nmc811-21700.yaml").read_text()
    Path("plain.yaml").write_text(text[: text.index("simulation:")])
    answer = cycler("recipe", "preview", "short.yaml", *arguments)
    assert (answer.exit_code, answer.out) == (2, "")
    assert answer.err.splitlines()[-1].startswith(f"error: {message}")


def test_a_preview_for_a_rack_is_refused_where_the_rack_cannot_run_it() -> None:
    Path("small.yaml").write_text(
        RACK.replace('"sim:c-01"', '"sim:c-01", rated: {voltage: 5 V, current: 1 A, power: 5 W}')
    )
    answer = cycler("recipe", "preview", "short.yaml", "--config", "small.yaml")
    assert (answer.exit_code, answer.out) == (2, "")
    assert "but the channel gives 1 A in charge" in answer.err


# diff


def test_equal_meanings_end_with_0_and_others_with_1_as_diff_does() -> None:
    Path("spelt.yaml").write_text(SHORT_RECIPE.replace("C/2", "0.5C").replace("60 s", "1 min"))
    answer = cycler("recipe", "diff", "short.yaml", "spelt.yaml")
    assert (answer.exit_code, answer.out.startswith("both mean the same: short 1.0.0")) == (0, True)
    Path("faster.yaml").write_text(SHORT_RECIPE.replace("id: up, current: C/2", "id: up, current: 1C"))
    answer = cycler("recipe", "diff", "short.yaml", "faster.yaml")
    assert answer.exit_code == 1
    assert "  1 charge up: current C/2 (2.5 A) -> 1C (5 A)\n" in answer.out
    document = cycler("recipe", "diff", "short.yaml", "faster.yaml", "--json").document
    assert document["same"] is False
    assert document["changes"] == [
        {
            "step": "1 charge up",
            "key": "current",
            "before": "C/2 (2.5 A)",
            "after": "1C (5 A)",
            "safety": True,
            "text": "current C/2 (2.5 A) -> 1C (5 A)",
        }
    ]
    assert cycler("recipe", "diff", "short.yaml", "nowhere.yaml").exit_code == 2
