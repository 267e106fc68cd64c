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
