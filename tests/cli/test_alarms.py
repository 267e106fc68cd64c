"""Alarms as people find them: in the table of `cycler alarms`, in a run's files and in its report."""

import asyncio
from pathlib import Path

import pyarrow.parquet
import pytest
from command_line import SHORT_RECIPE, Answer, cycler
from formed_tray import recording

from cycler.control.alarms import Alarms
from cycler.model.alarm import AlarmCode
from cycler.model.rack import PositionId, Rack
from sims.loop import run_virtual
from sims.testing.wired import utcnow

WORLD = """\
seed: 3
defects:
  - {at: S01/2, defect: extra-heat, power: 45 W, from: 10 s, for: 36 s}
faults:
  - {device: chamber, fault: door-open, from: 5 s, for: 60 s}
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which the second of three cells became too hot, and a door was opened for a minute."""
    folder = tmp_path_factory.mktemp("alarms")
    (folder / "short.yaml").write_text(SHORT_RECIPE)
    (folder / "world.yaml").write_text(WORLD)
    out = folder / "out"
    arguments = ("--start", "formed@40%", "--cells", "3", "--world", folder / "world.yaml", "--out", out)
    assert cycler("simulate", folder / "short.yaml", *arguments).exit_code == 0
    return out


def lines_of(answer: Answer) -> list[str]:
    assert (answer.exit_code, answer.err) == (0, "")
    return answer.out.splitlines()


def test_the_worst_comes_first_with_its_cells_and_what_to_do(out: Path) -> None:
    lines = lines_of(cycler("alarms", "--store", out))
    (hot,) = [place for place, line in enumerate(lines) if "9 cell over-temperature" in line]
    (door,) = [place for place, line in enumerate(lines) if "57 door open" in line]
    assert hot < door
    assert "critical" in lines[hot] and "S01/2 " in lines[hot] and "Keep away and watch the bay" in lines[hot]
    assert "NEW" in lines[hot + 1] and "limit 45 degC" in lines[hot + 1]
    assert "S01/1..3 (3)" in lines[door] and "Close the door." in lines[door]
    assert "gone, not seen" in lines[door + 1]
    assert "2 raised" in lines[-1] and "0 floods (more than 10 in 10 min)" in lines[-1]


def test_programs_get_the_same_with_the_trail(out: Path) -> None:
    document = cycler("alarms", "--store", out / "journal", "--json").document
    hot, door = document["alarms"]
    assert (hot["code"], hot["state"], hot["positions"], hot["is_trip"]) == (9, "unacknowledged", ["S01/2"], True)
    assert [change["act"] for change in door["trail"]] == ["raise", "clear"]
    assert door["returned_utc"] > door["raised_utc"]
    assert document["rates"]["raised"] == 2


def test_the_files_of_a_run_have_its_alarms_and_the_readings_before_its_trips(out: Path) -> None:
    hot, door = sorted(pyarrow.parquet.read_table(out / "alarms.parquet").to_pylist(), key=lambda row: row["code"])
    assert (hot["cell_ids"], hot["severity"], hot["name"]) == ("sim-0002", "critical", "cell over-temperature")
    assert door["positions"] == "S01/1;S01/2;S01/3"
    before = pyarrow.parquet.read_table(out / "trip_samples.parquet").to_pylist()
    assert {row["cell_id"] for row in before} == {"sim-0002"}
    assert before[-1]["time_s"] == 0.0
    assert before[-1]["temperature_degc"] > 45.0 > before[0]["temperature_degc"]


def test_the_report_tells_of_them_in_words(out: Path) -> None:
    report = (out / "report.html").read_text()
    section = report.split("<h2>Alarms</h2>")[1].split("<h2>")[0]
    assert section.index("9 cell over-temperature") < section.index("57 door open")
    assert "S01/2 (sim-0002)" in section
    assert "Keep away and watch the bay for an hour" in section
    assert section.count("before the trip</figcaption>") == 2  # of the one that tripped


def test_a_folder_with_alarms_can_be_used_again(out: Path) -> None:
    again, world = out.parent / "again", out.parent / "door.yaml"
    world.write_text("faults:\n  - {device: chamber, fault: door-open, from: 5 s, for: 60 s}\n")
    arguments = ("simulate", out.parent / "short.yaml", "--start", "formed@40%", "--cells", "1", "--out", again)
    for more, has_alarms in ((("--world", world), True), ((), False)):
        assert cycler(*arguments, *more).exit_code == 0
        assert (again / "alarms.parquet").exists() == has_alarms


# A store whose alarms people have dealt with.


@pytest.fixture
def store(tmp_path: Path) -> Path:
    async def main() -> None:
        async with recording(tmp_path / "store") as recorder:
            alarms = Alarms(Rack(rack="R1", purpose="production", bays={}), recorder, utcnow)
            alarms.raised(AlarmCode.STALE_DATA, "psb-01", "no answer", positions=[PositionId("B01/A1")])
            alarms.acknowledge(1, by="Ann Lee")
            alarms.raised(AlarmCode.CLOCK_NOT_SYNCHRONISED, "rack", "no source")
            alarms.shelve(2, by="Bo Chen", reason="switch is being replaced", for_s=3600.0)
            for _ in range(3):
                alarms.raised(AlarmCode.DOOR, "door-B01", "the door is open")
                await asyncio.sleep(5)
                alarms.cleared(AlarmCode.DOOR, "door-B01")
            alarms.raised(AlarmCode.CLOCK_JUMP, "rack", "set by 5 s")
            alarms.cleared(AlarmCode.CLOCK_JUMP, "rack")
            alarms.acknowledge(4, by="Ann Lee")
            await recorder.durable()

    run_virtual(main())
    return tmp_path / "store"


def test_what_people_have_said_stands_in_the_table(store: Path) -> None:
    told = cycler("alarms", "--store", store).out
    assert "acknowledged by Ann Lee" in told
    assert "by Bo Chen: switch is being replaced" in told
    assert "it chatters: 3 times so far" in told
    assert "1 that chatter" in told
    assert "clock jump" not in told  # it is over


def test_those_that_are_over_are_shown_on_request(store: Path) -> None:
    assert "clock jump" in cycler("alarms", "--store", store, "--all").out


def rack_file(folder: Path, *, store: Path | None) -> Path:
    file = folder / "rack.yaml"
    kept = "" if store is None else f"store: {{path: {store}}}\n"
    file.write_text(
        "rack: {id: R1, purpose: production}\n"
        'devices:\n  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01", channels: 1}\n'
        "bays:\n  - id: B01\n    positions:\n      A1: {channel: cyc-01/1}\n" + kept
    )
    return file


def test_a_rack_file_names_the_store(store: Path, tmp_path: Path) -> None:
    answer = cycler("alarms", "--config", rack_file(tmp_path, store=store))
    assert "49 stale data" in answer.out
    assert "0 raised" in answer.out  # in the last 24 h of our time


@pytest.mark.parametrize(
    ("has_store", "exit_code", "told"),
    [(True, 0, "no alarm stands"), (False, 2, "has no store to keep alarms in")],
    ids=["nothing recorded yet", "no store"],
)
def test_a_rack_without_a_record_has_no_alarms(tmp_path: Path, has_store: bool, exit_code: int, told: str) -> None:
    file = rack_file(tmp_path, store=tmp_path / "store" if has_store else None)
    answer = cycler("alarms", "--config", file)
    assert answer.exit_code == exit_code
    assert told in answer.out + answer.err


def test_a_store_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    answer = cycler("alarms", "--store", tmp_path / "nowhere")
    assert answer.exit_code == 1
    assert "nowhere/journal.sqlite does not exist" in answer.err
