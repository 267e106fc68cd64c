"""What a device does when its controller is lost: what it qualifies for, who opens its outputs, what is proved."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cycler.contract.capabilities import Identity, Keeps, Watchdog
from cycler.model.rack import Override
from cycler.recipe.problems import InvalidFile
from cycler.service.configuration import Configuration
from cycler.service.controller_loss import Contactor, LossRule, obstacles, openers, unguarded
from cycler.service.joined_rack import joined_rack
from cycler.service.proof_record import ProofRecord, load_proof, proof_text, proven_capabilities, proven_keeps
from cycler.service.rack_file import load_configuration
from cycler.service.wiring import offline_keeps

ALONE = Keeps(
    phases_max=8,
    ends=frozenset({"time_s", "voltage_v", "current_a", "charge_ah"}),
    protections=frozenset({"over_voltage", "under_voltage", "over_current", "over_power", "over_charge", "time"}),
    limit_readback="yes",
)
WATCHED = Keeps(watchdog=Watchdog(watches="host", timeout_s=2.0, proven=False))
FINISH, STOP = LossRule(word="finish-step"), LossRule()
DROPS = Contactor(output="io-01/DO0", watchdog=Watchdog(watches="host", timeout_s=3.0, proven=True))

IDENTITY = Identity(maker="Keysight", model="BT2202A", serial="MY1", firmware="1.4")
RECORD = ProofRecord(
    device="bt-01",
    channel="101",
    identity=IDENTITY,
    day=date(2026, 5, 17),
    by="A. Person",
    tripped=dict.fromkeys(("over_voltage", "under_voltage", "over_current", "over_charge", "time"), "it opened: 1 s"),
)

BT = 'driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:5025", rated: {voltage: 5 V, current: 6 A}'


def reasons(rule: LossRule, keeps: Keeps, *, guarded: bool = True) -> list[str]:
    return [obstacle.reason for obstacle in obstacles(rule, keeps, guarded=guarded)]


def rack(folder: Path, entry: str, *, contactor: bool = False, channel: str = "101") -> Configuration:
    (folder / "proof.yaml").write_text(proof_text(RECORD))
    file = folder / "rack.yaml"
    bay = "contactor: io-01/DO0, " if contactor else ""
    file.write_text(
        f"rack: {{id: R1}}\ndevices:\n  - {{id: bt-01, {entry}}}\n"
        '  - {id: io-01, driver: sim_io, resource: "sim:io-01"}\n'
        f"bays: [{{id: B01, {bay}positions: {{A1: {{channel: bt-01/{channel}}}}}}}]\n"
    )
    return load_configuration(file)


def refusals(folder: Path, entry: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        rack(folder, entry)
    return [problem.message for problem in caught.value.problems]


def test_any_device_may_stop() -> None:
    assert reasons(STOP, Keeps(), guarded=False) == []


def test_a_device_that_keeps_all_limits_itself_may_finish_its_step() -> None:
    assert reasons(FINISH, ALONE) == []


@pytest.mark.parametrize(
    ("keeps", "guarded", "reason"),
    [
        (WATCHED, True, "its watchdog opens the output after 2 s without its controller"),
        (replace(ALONE, protections=ALONE.protections - {"over_charge"}), True, "it does not keep over charge"),
        (replace(ALONE, limit_readback="no"), True, "its limits are neither read back nor proof-tested"),
        (replace(ALONE, ends=frozenset({"voltage_v"})), True, "it does not end a step by time itself"),
        (ALONE, False, "nobody watches temperatures without this computer"),
    ],
    ids=["watchdog", "charge", "unproven", "time", "temperature"],
)
def test_what_is_missing_for_finishing_a_step_is_named(keeps: Keeps, guarded: bool, reason: str) -> None:
    (found,) = reasons(FINISH, keeps, guarded=guarded)
    assert reason in found


def test_only_a_watchdog_stops_an_output_after_a_time() -> None:
    assert reasons(LossRule(word="stop-after", after_s=10.0), WATCHED) == []
    (short,) = reasons(LossRule(word="stop-after", after_s=1.0), WATCHED)
    assert short == "its watchdog opens after 2 s"
    (nobody,) = reasons(LossRule(word="stop-after", after_s=600.0), ALONE)
    assert nobody == "nothing at the device counts the 10 min without its controller"


def test_the_soonest_to_open_comes_first_and_the_end_of_the_step_last() -> None:
    assert [(each.by, each.within_s) for each in openers(STOP, WATCHED, DROPS)] == [
        ("its own watchdog", 2.0),
        ("contactor io-01/DO0", 3.0),
        ("safe-off", 5.0),
    ]
    assert [(each.by, each.within_s) for each in openers(FINISH, ALONE, None)] == [
        ("safe-off", 5.0),
        ("its own limits", None),
    ]


def test_without_a_proven_watchdog_or_a_contactor_nobody_opens_the_output() -> None:
    watchdog, limits = unguarded(WATCHED, None)
    assert watchdog.reason.endswith("its watchdog is not proven")
    assert limits.reason.startswith("its limits are not proven")
    assert list(unguarded(WATCHED, DROPS)) == []


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "proof.yaml"
    file.write_text(proof_text(RECORD))
    assert load_proof(file, device="bt-01") == RECORD


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("device: bt-01", "device: bt-02", "device: this is the proof test of bt-02, not of bt-01"),
        ("2026-05-17", "May", "date: `May` is no date"),
        ("serial: MY1\n", "", "a proof test's record needs `serial`"),
        ("over_voltage:", "over_volts:", "`over_volts` is no key of `tripped`"),
    ],
    ids=["device", "date", "serial", "limit"],
)
def test_a_record_is_read_strictly(tmp_path: Path, was: str, becomes: str, message: str) -> None:
    file = tmp_path / "proof.yaml"
    file.write_text(proof_text(RECORD).replace(was, becomes))
    with pytest.raises(InvalidFile) as caught:
        load_proof(file, device="bt-01")
    assert message in str(caught.value)


def test_a_proof_test_counts_for_the_device_that_was_tested_alone(tmp_path: Path) -> None:
    (config, _) = rack(tmp_path, BT).devices
    keeps = offline_keeps(config)
    assert keeps is not None
    assert proven_keeps(keeps, RECORD).limit_readback == "proof-tested"
    from drivers.keysight_bt2200.declaration import capabilities_of  # noqa: PLC0415 (what the device itself says)
    from drivers.keysight_bt2200.options import parse_options  # noqa: PLC0415

    declared = capabilities_of(config.settings, parse_options(config.settings))
    assert proven_capabilities(declared, IDENTITY, RECORD).limit_readback == "proof-tested"
    other = proven_capabilities(declared, replace(IDENTITY, firmware="1.5"), RECORD)
    assert other.limit_readback == "no"
    assert other.limits_missing[-1].endswith("this is MY1 with 1.5")
    partly = replace(RECORD, tripped={"over_voltage": "it opened", "over_current": "it opened"})
    found = proven_capabilities(declared, IDENTITY, partly)
    assert found.limit_readback == "no"
    assert found.limits_missing[-1] == "the proof test of 2026-05-17 did not trip over_charge, time, under_voltage"


def test_a_seen_watchdog_counts_as_proven() -> None:
    seen = proven_keeps(WATCHED, replace(RECORD, tripped={"watchdog": "it opened after 2 s"}))
    assert seen.watchdog == Watchdog(watches="host", timeout_s=2.0, proven=True)
    assert seen.limit_readback == "no"


def test_a_rack_file_may_ask_only_for_what_its_devices_do(tmp_path: Path) -> None:
    (unproven,) = refusals(tmp_path, f"{BT}, on_controller_loss: finish-step, temperature_guard: independent")
    assert unproven == ("bt-01: on_controller_loss: finish-step: its limits are neither read back nor proof-tested")
    asked = f"{BT}, on_controller_loss: finish-step, temperature_guard: independent, proof_test: proof.yaml"
    trust = rack(tmp_path, asked).devices[0].trust
    assert (trust.on_loss, trust.guarded, trust.proof) == (FINISH, True, RECORD)


def test_a_proof_test_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    found = refusals(tmp_path, f"{BT}, proof_test: elsewhere.yaml")
    assert found[0] == "proof_test: it cannot be used as it is"


def test_an_override_is_signed_and_ends(tmp_path: Path) -> None:
    override = "override: {by: A. Person, reason: attended at all times, expires: 2026-05-17}"
    found = rack(tmp_path, f"{BT}, {override}").rack
    assert found.override("bt-01", today=date(2026, 5, 17)) == Override(
        by="A. Person", reason="attended at all times", expires=date(2026, 5, 17)
    )
    assert found.override("bt-01", today=date(2026, 5, 18)) is None
    assert joined_rack(found).override("bt-01", today=datetime(2026, 1, 1, tzinfo=UTC).date()) is not None
    assert refusals(tmp_path, f"{BT}, override: {{by: A. Person, expires: 2026-05-17}}") == [
        "`override` needs `reason`"
    ]
