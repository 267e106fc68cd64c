"""What a command says when it is used wrongly, where its files go, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SHORT_RECIPE, cycler

from cycler.cli.errors import explain_bug
from cycler.record.journal import Journal
from cycler.record.reader import Reader
from cycler.service.clock import utcnow

HEAVY = ("apsw", "jinja2", "msgspec", "numpy", "pyarrow", "pydantic", "pymodbus", "structlog", "yaml")


FIRST_CHARGE = """\
recipe: first
version: 1.0.0
cell_type: nmc811-21700
from_state: filled
to_state: precharged
steps:
  - contact: {}
  - charge: {current: C/50, until: [time >= 60 s], fail: [capacity > 10 %, voltage > 4.1 V]}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT_RECIPE)
    return "short.yaml"


def simulated(recipe: str, *more: str) -> tuple[str, ...]:
    return ("simulate", recipe, "--start", "formed@40%", *more)


# Wrong use.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulat", "x"], "No such command 'simulat'. Did you mean 'simulate'"),
        (["recipe", "chek", "x"], "No such command 'chek'. Did you mean 'check'"),
        (["recipe"], "Missing command"),
        (["simulate"], "Missing argument 'recipe'"),
        (["simulate", "x", "--sed", "1"], "No such option: --sed"),
        (["simulate", "x", "--cells", "0"], "Invalid value for '--cells'"),
        (["simulate", "x", "--cells", "nan"], "Invalid value for '--cells'"),
        (["simulate", "x", "--seed", "-1"], "Invalid value for '--seed'"),
        (["sim"], "Missing option '--config'"),
        (["sim", "--config", "x", "--speed", "0"], "Invalid value for '--speed'"),
        (["sim", "--config", "x", "--speed", "inf"], "Invalid value for '--speed'"),
        (["drivers", "probe"], "Missing argument 'resource'"),
        (["demo", "--wire", "carrier-pigeon"], "--wire carrier-pigeon: there are memory and loopback"),
    ],
)
def test_wrong_use_is_said_in_one_line(arguments: list[str], message: str) -> None:
    answer = cycler(*arguments)
    assert (answer.exit_code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"error: {message}")
    document = cycler(*arguments, "--json").errors if arguments[0] in {"simulate", "demo"} else []
    assert all(error["message"].startswith(message) for error in document)


def test_no_command_at_all_is_answered_with_the_help() -> None:
    answer = cycler()
    assert (answer.exit_code, answer.out) == (2, "")
    assert "simulate" in answer.err


def test_help_waits_for_no_heavy_library() -> None:
    program = (
        "import sys\nfrom cycler.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "simulate" in done.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version  # noqa: PLC0415

    answer = cycler("--version")
    assert (answer.exit_code, answer.out) == (0, f"formation-cycler {version('formation-cycler')}\n")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("full", "'full' is no state"),
        ("formed@130%", "a cell is never 130 % full"),
        ("formed@nan%", "'formed@nan%' is no state"),
        ("frmed@30%", "'frmed' is no state (did you mean formed?)"),
    ],
)
def test_a_start_that_cannot_be_is_refused(recipe: str, start: str, message: str) -> None:
    answer = cycler("simulate", recipe, "--start", start, "--out", "out")
    assert answer.exit_code == 2
    assert message in answer.err
    assert not Path("out").exists()


def test_a_cell_in_a_state_that_the_recipe_does_not_take_is_not_run(recipe: str) -> None:
    answer = cycler("simulate", recipe, "--start", "quarantine", "--json", "--strict")
    (cell,) = answer.document["cells"]
    assert (answer.exit_code, cell["verdict"], cell["reason_codes"]) == (4, "not-run", ["STATE_CONTRADICTED"])


def test_cells_are_as_the_recipe_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("first.yaml").write_text(FIRST_CHARGE)
    for start in ([], ["--start", "filled"]):
        (cell,) = cycler("simulate", "first.yaml", "--json", *start).document["cells"]
        assert cell["verdict"] == "pass"
        assert 0.3 < cell["end_voltage_v"] < 2.0  # formed cells have more


# Where files go.


def test_a_run_goes_into_a_new_folder_an_empty_one_and_that_of_an_earlier_run(recipe: str) -> None:
    Path("empty").mkdir()
    for out in ("new", "deeply/nested/new", "empty", "new"):
        assert cycler(*simulated(recipe, "--out", out)).exit_code == 0
        assert (Path(out) / "run.json").is_file()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("taken", "--out taken holds files that no run has left there: thesis.txt (choose an empty folder"),
        ("taken/thesis.txt", "--out taken/thesis.txt is a file (give a folder)"),
        ("taken/thesis.txt/deeper", "--out taken/thesis.txt/deeper cannot be used: "),
        ("/proc/here", "--out /proc/here cannot be used: "),
    ],
)
def test_a_folder_that_cannot_be_had_is_left_alone(recipe: str, out: str, message: str) -> None:
    Path("taken").mkdir()
    Path("taken/thesis.txt").write_text("chapter 1")
    answer = cycler(*simulated(recipe, "--out", out))
    assert (answer.exit_code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"error: {message}")
    assert Path("taken/thesis.txt").read_text() == "chapter 1"
    assert [file.name for file in Path("taken").iterdir()] == ["thesis.txt"]


def test_somebody_elses_journal_is_left_alone(recipe: str) -> None:
    diary = Path("mine/journal/2026.txt")
    diary.parent.mkdir(parents=True)
    diary.write_text("dear diary")
    answer = cycler(*simulated(recipe, "--out", "mine"))
    assert answer.exit_code == 2
    assert "holds files that no run has left there: journal" in answer.err
    assert diary.read_text() == "dear diary"


def test_the_files_of_a_run_that_was_killed_make_way_and_those_of_a_refused_one_stay(recipe: str) -> None:
    assert cycler(*simulated(recipe, "--out", "out")).exit_code == 0
    before = Path("out/report.html").read_bytes()
    Path("refused.yaml").write_text(SHORT_RECIPE.replace("C/2", "3C"))
    assert cycler(*simulated("refused.yaml", "--out", "out")).exit_code == 2
    assert Path("out/report.html").read_bytes() == before
    Path("out/run.json").unlink()  # as it is while the files are written
    Path("out/.steps.parquet.unfinished").write_bytes(b"PAR1")
    assert cycler(*simulated(recipe, "--out", "out")).exit_code == 0
    assert not Path("out/.steps.parquet.unfinished").exists()


def test_a_folder_in_which_a_run_is_under_way_is_left_alone(recipe: str) -> None:
    journal = Journal(Path("out/journal"), rack="R1", opened_utc=utcnow())
    try:
        answer = cycler(*simulated(recipe, "--out", "out"))
    finally:
        journal.close()
    assert (answer.exit_code, answer.err) == (1, "error: out/journal is in use by another control process\n")
    assert Path("out/journal/journal.sqlite").exists()


def test_the_journal_that_a_run_leaves_tells_the_run(recipe: str) -> None:
    assert cycler(*simulated(recipe, "--out", "out")).exit_code == 0
    with Reader(Path("out/journal")) as reader:
        (run,) = reader.runs()
        assert len(reader.record(run.run_id).steps["S01/1"]) == 4  # type: ignore[index]


def test_without_a_folder_nothing_is_left(recipe: str) -> None:
    assert cycler(*simulated(recipe)).exit_code == 0
    assert [file.name for file in Path().iterdir()] == [recipe]


# How a run ends.


def test_cells_that_were_rejected_are_no_failure_unless_that_is_asked_for(recipe: str) -> None:
    empty = ("simulate", recipe, "--start", "formed@0%")  # the discharge hits the recipe's own limit
    assert cycler(*empty).exit_code == 0
    assert cycler(*empty, "--strict").exit_code == 5
    assert cycler(*simulated(recipe, "--strict")).exit_code == 0


def test_results_are_on_stdout_and_progress_on_stderr(recipe: str) -> None:
    answer = cycler(*simulated(recipe, "--out", "out"))
    assert "sim-0001" in answer.out
    assert answer.out.splitlines()[-1] == "report: out/report.html"
    assert answer.err.startswith("S01 ")
    assert "sim-0001" not in answer.err


def test_with_json_the_lot_is_one_document(recipe: str) -> None:
    lot = cycler(*simulated(recipe, "--json", "--cells", "2", "--out", "out")).document
    assert [cell["cell_id"] for cell in lot["cells"]] == ["sim-0001", "sim-0002"]
    assert {cell["verdict"] for cell in lot["cells"]} == {"pass"}
    assert lot["report"] == "out/report.html"


# Devices.


def test_an_address_where_nobody_answers_is_unreachable() -> None:
    answer = cycler("drivers", "probe", "modbus-tcp://127.0.0.1:1", "--json")
    (error,) = answer.errors
    assert (answer.exit_code, error["code"]) == (3, "unreachable")
    assert "127.0.0.1:1" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["somewhere"], "'somewhere' names no scheme"),
        (["gpib://7"], "no installed driver opens gpib addresses; what can be probed: ascii-tcp, modbus-rtu"),
        (["sim:x"], "sim:x exists only inside a simulation"),
        (["modbus-tcp://"], "modbus-tcp://: 'modbus-tcp://' names no host"),
        (["modbus-tcp://127.0.0.1:99999"], "'modbus-tcp://127.0.0.1:99999': Port out of range"),
        (["modbus-tcp://127.0.0.1:1", "--driver", "ea_psd"], "no driver 'ea_psd' is installed: did you mean ea_psb?"),
        (["opc.tcp://127.0.0.1:1", "--option", "security=none"], "--option is one driver's: say which by --driver"),
        (["opc.tcp://127.0.0.1:1", "--driver", "lads_thermal", "--option", "none"], "--option none: write it like"),
        (["modbus-tcp://127.0.0.1:1", "--driver", "sim_io"], "the driver sim_io does not open modbus-tcp addresses"),
        (["modbus-tcp://127.0.0.1:1", "--driver", "modbus_map"], "the driver modbus_map identifies nobody by itself"),
    ],
)
def test_an_address_that_cannot_be_probed_is_refused(arguments: list[str], message: str) -> None:
    answer = cycler("drivers", "probe", *arguments)
    assert (answer.exit_code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {message}")


def test_the_installed_drivers_are_listed() -> None:
    listed = cycler("drivers", "list", "--json").document["drivers"]
    assert "ea_psb" in {driver["name"] for driver in listed}
    assert "ea_psb" in cycler("drivers", "list").out


# Racks.

RACK = """\
rack: {id: R1}
devices:
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502", rated: RATED}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
  - {id: B01, contactor: io-01/DO0, positions: {A1: {channel: psb-01/1, temperature: t-01/1}}}
"""


def rack(rated: str = "{voltage: 10 V, current: 15 A, power: 150 W}", more: str = "") -> str:
    Path("rack.yaml").write_text(RACK.replace("RATED", rated) + more)
    return "rack.yaml"


def test_a_rack_file_is_checked_and_counted(recipe: str) -> None:
    answer = cycler("config", "check", rack())
    assert answer.exit_code == 0
    assert "rack R1: devices 3, bays 1, positions 1" in answer.out
    assert "no run can start" not in answer.out


def test_what_keeps_a_run_from_starting_on_a_rack_is_told(recipe: str) -> None:
    answer = cycler("config", "check", rack(more="power_limit: 5 kW\n"))
    assert answer.exit_code == 0
    assert "no run can start on it: rack.yaml:8: power_limit: not available in this version" in answer.out
    document = cycler("config", "check", "rack.yaml", "--json").document
    assert [problem["line"] for problem in document["not_yet"]] == [8]


def test_a_world_is_checked_against_its_rack(recipe: str) -> None:
    Path("world.yaml").write_text("cells: {default: nmc811-21700}\ndefects: [{at: B01/A1, defect: gasing}]\n")
    answer = cycler("config", "check", rack(), "--world", "world.yaml")
    assert answer.exit_code == 2
    assert answer.err.startswith("error: world.yaml:2: B01/A1: no defect 'gasing' is simulated")


def test_a_recipe_is_checked_against_the_channels_of_a_rack(recipe: str) -> None:
    assert cycler("recipe", "check", recipe, "--config", rack()).exit_code == 0
    answer = cycler("recipe", "check", recipe, "--config", rack("{voltage: 10 V, current: 2 A, power: 20 W}"))
    assert answer.exit_code == 2
    assert "short.yaml:6: step up" in answer.err


def test_a_position_without_what_a_required_protection_is_judged_by_is_refused(recipe: str) -> None:
    file = Path(rack())
    file.write_text(file.read_text().replace(", temperature: t-01/1", ""))
    answer = cycler("recipe", "check", recipe, "--config", file)
    assert answer.exit_code == 2
    assert "nmc811-21700 requires protections that B01/A1 does not have: 9 (no temperature)" in answer.err
    lines = cycler("config", "check", file).out
    assert "not available are" in lines and "  9, 10, 11: no temperature\n" in lines
    missing = cycler("config", "check", file, "--json").document["protections_not_available"]
    assert missing["B01/A1"]["9"] == ["temperature"]


def test_a_recipe_is_checked_against_the_chambers_of_a_rack(recipe: str) -> None:
    soaks = [f"  - soak: {{chamber: {degc} degC, timeout: 3 h}}\n" for degc in (25, 40)]
    Path("warm.yaml").write_text(Path(recipe).read_text() + "".join(soaks))
    answer = cycler("recipe", "check", "warm.yaml", "--config", rack())
    assert answer.exit_code == 2
    assert "warm.yaml:11: step 6 wants 40 degC, and bay B01 has no chamber to get there" in answer.err


SIMS = (("cyc", "cycler"), ("ch", "chamber"))


def test_a_recipe_that_can_run_on_some_bays_only_is_fine_and_the_others_are_named(recipe: str) -> None:
    soaks = [f"  - soak: {{chamber: {degc} degC, timeout: 3 h}}\n" for degc in (25, 40)]
    Path("warm.yaml").write_text(Path(recipe).read_text() + "".join(soaks))
    file = Path(rack(more="  - {id: B02, chamber: ch-01, positions: {A1: {channel: cyc-01/1, temperature: t-01/2}}}\n"))
    devices = "".join(f'  - {{id: {name}-01, driver: sim_{kind}, resource: "sim:{name}-01"}}\n' for name, kind in SIMS)
    file.write_text(file.read_text().replace("bays:\n", f"{devices}bays:\n"))
    notes = cycler("recipe", "check", "warm.yaml", "--config", file, "--json").document["notes"]
    assert notes == ["step 6 wants 40 degC, and bay B01 has no chamber to get there"]


def test_a_channel_that_does_not_tell_its_range_is_named(recipe: str) -> None:
    notes = cycler("recipe", "check", recipe, "--config", rack("{voltage: 10 V}"), "--json").document["notes"]
    assert notes == ["psb-01 does not tell its range before it is connected: give `rated`"]


def test_simulated_instruments_listen_on_loopback_only(recipe: str) -> None:
    file = Path(rack())
    file.write_text(file.read_text().replace("127.0.0.1", "192.0.2.7"))
    answer = cycler("sim", "--config", file)
    assert answer.exit_code == 2
    assert "psb-01: modbus-tcp://192.0.2.7:1502: simulated instruments listen on loopback only" in answer.err


def test_the_schema_of_recipes_is_json() -> None:
    assert json.loads(cycler("recipe", "schema").out)["title"] == "Recipe"


def test_a_bug_of_ours_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError("what nobody expected")
    except KeyError as error:
        explain_bug(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "bug in the program: KeyError at test_commands.py:" in said
    assert said.count("\n") == 1
