"""A proof test over real wires: its record is what lets a rack file leave a device to itself."""

import asyncio
import json
from pathlib import Path

import pytest
from programs import free_ports, ran, running

pytestmark = pytest.mark.system

SPEED = "20"  # its orders last seconds each, and the mainframe takes 15 s before each current


def test_a_device_that_was_proved_may_finish_its_step(tmp_path: Path) -> None:
    bt, io = free_ports(2)
    file = tmp_path / "rack.yaml"
    text = (
        "rack: {id: R1}\n"
        "devices:\n"
        f'  - {{id: bt-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:{bt}", channels: 101..102,'
        " rated: {voltage: 5 V, current: 6 A}MORE}\n"
        f'  - {{id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:{io}", model: E1212}}\n'
        "bays: [{id: B01, contactor: io-01/DO0, positions: {A1..A2: {channel: bt-01/101..102}}}]\n"
    )
    trust = ", on_controller_loss: finish-step, temperature_guard: independent, proof_test: p.yaml"
    file.write_text(text.replace("MORE", ""))

    async def scenario() -> None:
        async with running("sim", "--config", file, "--speed", SPEED) as sim:
            await sim.line(sim.out, "ready")
            signed = ("--on-dummy-load", "--by", "A. Person", "--current", "0.5 A", "--record", tmp_path / "p.yaml")
            code, said, complaint = await ran("doctor", "--config", file, "--proof-test", "bt-01/101", *signed)
            assert code == 0, complaint
            assert said.startswith("5 opened, 0 not proven\n")
        file.write_text(text.replace("MORE", trust))
        assert (await ran("config", "check", file))[0] == 0
        _, said, _ = await ran("doctor", "--config", file, "--json")
        (found,) = json.loads(said)["outputs"]
        assert (found["on_controller_loss"], found["limits"][:12]) == ("finish-step", "proof-tested")

    asyncio.run(scenario())
