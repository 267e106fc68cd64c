"""`cycler doctor`: every output has its line, and what has to be mended is said."""

import os
from pathlib import Path

import pytest
from command_line import cycler

from cycler.cli.demo import FILES
from cycler.record.journal import lease

RACK = """
rack: {id: R1}
devices:
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502"OVERRIDE}
  - {id: bt-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:5025", rated: {voltage: 5 V, current: 6 A}}
  - {id: ch-01, driver: watlow_f4t, resource: "modbus-rtu:///dev/ttyUSB77?baud=38400&unit=1"}
  - {id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:1503", model: E1212}
bays:
  - {id: B01, contactor: io-01/DO0, chamber: ch-01, positions: {A1..A8: {channel: bt-01/101..108}}}
  - {id: B02, positions: {A1: {channel: psb-01/1}}}
store: {path: store}
runtime: {path: run}
"""


@pytest.fixture
def rack(tmp_path: Path) -> Path:
    file = tmp_path / "rack.yaml"
    file.write_text(RACK.replace("OVERRIDE", ""))
    return file


def test_every_output_says_who_opens_it_and_after_how_long(rack: Path) -> None:
    answer = cycler("doctor", "--config", rack, "--json")
    behind_a_contactor, alone = answer.document["outputs"]
    assert answer.exit_code == 1
    assert (behind_a_contactor["bay"], len(behind_a_contactor["positions"])) == ("B01", 8)
    assert [(each["by"], each["within_s"]) for each in behind_a_contactor["opened_by"]] == [("safe-off", 5.0)]
    assert (behind_a_contactor["second_path"], behind_a_contactor["obstacles"]) == ("contactor io-01/DO0", [])
    assert [(each["by"], each["within_s"]) for each in alone["opened_by"]] == [
        ("its own watchdog", 2.0),
        ("safe-off", 5.0),
    ]
    assert [each["reason"] for each in alone["obstacles"]] == [
        "nothing opens the output when the controller is lost: its watchdog is not proven",
        "its limits are not proven, and there is no second path",
    ]


def test_what_this_computer_lacks_comes_with_what_to_do(rack: Path) -> None:
    checks = {each["about"]: each for each in cycler("doctor", "--config", rack, "--json").document["checks"]}
    assert checks["port of ch-01"]["verdict"] == "mend"
    assert checks["port of ch-01"]["text"] == "/dev/ttyUSB77: No such file or directory"
    assert checks["port of ch-01"]["remedy"]
    assert (checks["store"]["verdict"], checks["runtime"]["verdict"]) == ("fine", "fine")
    assert checks["disk"]["text"].endswith("are free")
    assert checks["contactor of B01"]["verdict"] == "look"
    assert checks["clock"]["verdict"] in ("fine", "mend")


def test_a_valid_override_answers_for_a_missing_second_path_and_one_that_is_over_does_not(rack: Path) -> None:
    for expires, overridden in (("2999-01-01", True), ("2026-01-01", False)):
        signed = f", override: {{by: A. Person, reason: attended, expires: {expires}}}"
        rack.write_text(RACK.replace("OVERRIDE", signed))
        document = cycler("doctor", "--config", rack, "--json").document
        assert document["outputs"][1]["overridden"] is overridden
        assert any(each["about"] == "override of psb-01" for each in document["checks"]) is not overridden


def test_people_get_a_table_with_one_row_for_each_device_and_bay() -> None:
    answer = cycler("doctor", "--config", FILES / "rack.yaml")
    assert answer.err == ""
    assert "If control of rack DEMO died now" in answer.out
    (row,) = [line for line in answer.out.splitlines() if line.split()[:2] == ["B02", "bt-01"]]
    assert "A1 to A12 (12)" in row
    assert "contactor io-01/DO1" in row
    assert answer.out.splitlines()[-1] in ("nothing has to be mended", "there is something to mend")


def test_a_proof_test_wants_a_dummy_load_somebody_beside_it_and_the_rack_for_itself(rack: Path) -> None:
    asked = ("doctor", "--config", rack, "--proof-test", "bt-01/101")
    unsigned = cycler(*asked, "--on-dummy-load")
    assert (unsigned.exit_code, unsigned.err.startswith("error: --by is missing")) == (2, True)
    a_cell = cycler(*asked, "--by", "A. Person")
    assert a_cell.exit_code == 4
    assert "put a dummy load there, and say so by --on-dummy-load" in a_cell.err
    store = rack.with_name("store")
    store.mkdir()
    held = lease(store)
    try:
        busy = cycler(*asked, "--by", "A. Person", "--on-dummy-load")
    finally:
        os.close(held)
    assert busy.exit_code == 4
    assert "control holds the rack" in busy.err
    other = cycler("doctor", "--config", rack, "--proof-test", "bt-7/1", "--by", "A. Person", "--on-dummy-load")
    assert (other.exit_code, "there is no device bt-7" in other.err) == (2, True)
