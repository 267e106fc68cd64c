"""`cycler drivers probe` against the demo's whole rack on real ports: each instrument is known by its driver."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from programs import free_ports, ran, running

from cycler.cli.demo import FILES

pytestmark = pytest.mark.system

KNOWN = {
    "psb-01": "ea_psb",
    "psb-03": "ea_psb",
    "smu-01": "keithley_2450",
    "bt-01": "keysight_bt2200",
    "ch-01": "watlow_f4t",
    "ch-02": "lads_thermal",
    "io-01": "moxa_iologik",
}
MORE = {"ch-02": ("--driver", "lads_thermal", "--option", "security=none")}


def on_free_ports(folder: Path) -> Path:
    """The demo's rack where nobody else listens."""
    text = (FILES / "rack.yaml").read_text()
    ports = sorted(set(re.findall(r"127\.0\.0\.1:(\d+)|scpi=(\d+)", text)))
    numbers = [number for pair in ports for number in pair if number]
    for number, free in zip(numbers, free_ports(len(numbers)), strict=True):
        text = re.sub(rf"(127\.0\.0\.1:|scpi={{1}}){number}\b", rf"\g<1>{free}", text)
    (folder / "tc-module.yaml").write_text((FILES / "tc-module.yaml").read_text())
    file = folder / "rack.yaml"
    file.write_text(text)
    return file


def test_each_instrument_of_the_demo_is_known_by_its_own_driver(tmp_path: Path) -> None:
    file = on_free_ports(tmp_path)

    async def scenario() -> dict[str, str]:
        found: dict[str, str] = {}
        async with running("sim", "--config", file) as sim:
            resources = {}
            while (line := await sim.line(sim.out)) != "ready":
                device, resource = line.split(" ", 1)
                resources[device] = resource
            for device in KNOWN:
                code, said, complaint = await ran(
                    "drivers", "probe", resources[device], *MORE.get(device, ()), "--json"
                )
                assert code == 0, (device, complaint)
                found[device] = json.loads(said)["driver"]
        return found

    assert asyncio.run(scenario()) == KNOWN


def test_a_meter_says_what_it_measures(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    resource = f"ascii-tcp://127.0.0.1:{port}"
    file = tmp_path / "rack.yaml"
    file.write_text(
        "rack: {id: R1}\n"
        "devices:\n"
        '  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01"}\n'
        f'  - {{id: hi-01, driver: hioki_bt3562, resource: "{resource}"}}\n'
        "bays: [{id: B01, positions: {A1: {channel: cyc-01/1, meter: hi-01/1}}}]\n"
    )

    async def scenario() -> dict[str, object]:
        async with running("sim", "--config", file) as sim:
            while await sim.line(sim.out) != "ready":
                pass
            code, said, complaint = await ran("drivers", "probe", resource, "--driver", "hioki_bt3562", "--json")
            assert code == 0, complaint
            found: dict[str, object] = json.loads(said)
            return found

    found = asyncio.run(scenario())
    assert (found["model"], found["channels"], found["kinds"]) == ("BT3562A", 1, ["acir", "ocv"])
    assert found["frequency_hz"] == 1000.0


ON_A_LINE = """\
rack: {{id: R1}}
devices:
  - {{id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01"}}
  - {{id: ch-01, driver: espec_p300, resource: "{espec}"}}
  - {{id: psb-01, driver: ea_psb, resource: "{psb}", rated: {{voltage: 10 V, current: 15 A, power: 150 W}}}}
  - {{id: tc-01, driver: modbus_map, map: tc-module.yaml, resource: "{module}"}}
bays:
  - id: B01
    chamber: ch-01
    positions:
      A1: {{channel: cyc-01/1, temperature: tc-01/1}}
      A2: {{channel: psb-01/1}}
"""


def test_what_one_driver_asked_on_a_serial_line_spoils_no_other_drivers_question(tmp_path: Path) -> None:
    espec, psb = f"serial://{tmp_path}/ttyESPEC?baud=9600", f"modbus-rtu://{tmp_path}/ttyPSB?baud=115200&unit=1"
    module = f"modbus-tcp://127.0.0.1:{free_ports(1)[0]}"
    (tmp_path / "tc-module.yaml").write_text((FILES / "tc-module.yaml").read_text())
    file = tmp_path / "rack.yaml"
    file.write_text(ON_A_LINE.format(espec=espec, psb=psb, module=module))

    async def scenario() -> tuple[list[str], str]:
        async with running("sim", "--config", file) as sim:
            while await sim.line(sim.out) != "ready":
                pass
            found = []
            for resource in (espec, psb):
                code, said, complaint = await ran("drivers", "probe", resource, "--json")
                assert code == 0, complaint
                found.append(json.loads(said)["driver"])
            _, _, complaint = await ran("drivers", "probe", module)
        return found, complaint

    found, complaint = asyncio.run(scenario())
    assert found == ["espec_p300", "ea_psb"]
    assert "it takes `driver: modbus_map` and its map" in complaint


def test_a_probe_without_certificates_is_told_the_option() -> None:
    code, _, complaint = asyncio.run(ran("drivers", "probe", "opc.tcp://127.0.0.1:4840"))
    assert (code, "--option security=none" in complaint) == (2, True)
