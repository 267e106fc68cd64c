"""A recipe that names another, works with its results and stops with a verdict, from the file to what a run leaves."""

import json
from pathlib import Path

import pyarrow.parquet as pq
from command_line import cycler

INNER = """\
recipe: reference
version: 1.2.0
cell_type: nmc811-21700
record: {every: 5 s}
steps:
  - discharge:
      {id: down, current: C/2, until: [time >= 60 s], fail: [capacity > 10 %, voltage < 2.6 V, time > 5 min], tag: cap}
  - rest: {time: 20 s}
"""
OUTER = """\
recipe: outer
version: 1.0.0
cell_type: nmc811-21700
steps:
  - set: {n: 0, sum: 0 Ah}
  - loop:
      id: cycles
      times: 20
      until: [n >= 2]
      steps:
        - recipe: {id: ref, name: reference, version: 1.2.0}
        - set: {n: n + 1, sum: sum + cap}
  - set: {mean: sum / n, until: [mean > 1 Ah -> goto good]}
  - stop: {id: poor, verdict: quarantine, code: LOW_CAPACITY}
  - rest: {id: good, time: 5 s}
"""


def test_a_verdict_of_the_recipe_reaches_the_table_the_events_and_the_report(tmp_path: Path) -> None:
    (tmp_path / "outer.yaml").write_text(OUTER)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "reference.yaml").write_text(INNER)
    options = ["--cells", "1", "--seed", "3", "--start", "formed@50%", "--out", tmp_path / "out"]
    answer = cycler("simulate", tmp_path / "outer.yaml", *options)
    assert answer.exit_code == 0, answer.err
    (cell,) = pq.read_table(tmp_path / "out" / "cells.parquet").to_pylist()
    assert (cell["verdict"], cell["reason_codes"]) == ("quarantine", "LOW_CAPACITY")
    assert "quarantine" in (tmp_path / "out" / "report.html").read_text()
    steps = pq.read_table(tmp_path / "out" / "steps.parquet").to_pylist()
    turn = ["ref-down", "2.1.2", "2.2"]
    assert [step["step_id"] for step in steps] == ["1", *turn, *turn, "3", "poor"]
    events = pq.read_table(tmp_path / "out" / "events.parquet").to_pylist()
    told = [json.loads(event["data"]) for event in events if event["event"] == "variables.set"]
    moved_ah = [step["discharge_ah"] for step in steps if step["step_id"] == "ref-down"]
    assert abs(told[2]["sum"] - sum(moved_ah)) < 1e-9
    assert abs(told[3]["mean"] - sum(moved_ah) / 2) < 1e-9
    (left,) = [event for event in events if event["event"] == "loop.left"]
    assert (left["text"], json.loads(left["data"])) == ("n >= 2 -> next", {"loop": "cycles", "turns": 2})
    assert "name: reference" not in (tmp_path / "out" / "recipe.yaml").read_text()
    assert cycler("recipe", "check", tmp_path / "out" / "recipe.yaml").exit_code == 0
