"""Two processes do not drive one device."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cycler.contract.plugin import DeviceSettings, Resource
from cycler.service.device_lease import driven_alone, refuse_driven
from cycler.service.refusal import Refused

HERE = "modbus-tcp://lease.test:1502?unit=1"


def device(name: str, text: str = HERE) -> DeviceSettings:
    return DeviceSettings(device=name, resource=Resource.parse(text))


def test_a_device_is_driven_once_and_free_again_afterwards() -> None:
    for _ in range(2):
        with driven_alone([device("psb-01"), device("psb-02", "modbus-tcp://lease.test:1502?unit=2")]):
            refusal = r"psb-07: process \d+ of this computer drives modbus-tcp://lease\.test"
            with pytest.raises(Refused, match=refusal), driven_alone([device("psb-07")]):
                pytest.fail("two drive it")
            with pytest.raises(Refused):
                refuse_driven("psb-01", Resource.parse(HERE))
    refuse_driven("psb-01", Resource.parse(HERE))


def test_a_refused_process_holds_nothing() -> None:
    other = "modbus-tcp://lease.test:1503"
    with driven_alone([device("psb-01")]):
        with pytest.raises(Refused), driven_alone([device("psb-03", other), device("psb-01")]):
            pytest.fail("two drive it")
        refuse_driven("psb-03", Resource.parse(other))


def test_a_serial_line_is_the_same_by_any_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    with driven_alone([device("f4t", f"modbus-rtu://{tmp_path}/ttyUSB0?unit=1")]):
        with pytest.raises(Refused):
            refuse_driven("f4t", Resource.parse(f"modbus-rtu://{tmp_path}/by-id?unit=1"))
        refuse_driven("f4t", Resource.parse(f"modbus-rtu://{tmp_path}/by-id?unit=2"))


def test_what_a_killed_process_held_is_free() -> None:
    child = textwrap.dedent(f"""
        import sys
        from cycler.contract.plugin import DeviceSettings, Resource
        from cycler.service.device_lease import driven_alone
        with driven_alone([DeviceSettings(device="psb-01", resource=Resource.parse({HERE!r}))]):
            print("held", flush=True)
            sys.stdin.read()
    """)
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"held\n"
        with pytest.raises(Refused, match=f"process {holding.pid} of this computer"):
            refuse_driven("psb-01", Resource.parse(HERE))
        holding.kill()
        holding.wait()
        refuse_driven("psb-01", Resource.parse(HERE))
