"""The simulated SourceMeter on a real socket, in real time: driven by PyMeasure, and by our driver through VISA."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from programs import free_ports, ran, running

pytestmark = pytest.mark.system


def converse(port: int) -> None:
    from pymeasure.instruments.keithley import Keithley2450  # noqa: PLC0415 (only `make system` installs it)

    smu = Keithley2450(
        f"TCPIP0::127.0.0.1::{port}::SOCKET",
        visa_library="@py",
        read_termination="\n",
        write_termination="\n",
        timeout=5000,
    )
    assert "MODEL 2450" in smu.id
    smu.reset()
    smu.current_output_off_state = smu.voltage_output_off_state = "HIMP"
    smu.use_rear_terminals()

    # The cell's voltage, at 0 A.
    smu.apply_current(current_range=1e-3, compliance_voltage=5.0)
    smu.source_current = 0.0
    smu.measure_voltage(nplc=1, voltage=5.0, auto_range=False)
    smu.enable_source()
    assert 3.0 < smu.voltage < 4.2
    smu.disable_source()

    # A charge at half an ampere, up to 4.2 V.
    smu.apply_voltage(voltage_range=20.0, compliance_current=0.5)
    smu.source_voltage = 4.2
    smu.measure_current(nplc=1, current=1.0, auto_range=False)
    smu.enable_source()
    assert smu.source_enabled
    assert smu.current == pytest.approx(0.5, abs=0.003)
    smu.disable_source()
    assert not smu.source_enabled

    # What it does not understand it says.
    smu.write(":NO:SUCH:THING")
    assert [error[0] for error in smu.check_errors()] == [-113]
    smu.shutdown()
    smu.adapter.close()


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[int]:
    """`cycler sim` with one SourceMeter; the port at which it listens."""
    (port,) = free_ports(1)
    rack = folder / "rack.yaml"
    rack.write_text(
        "rack: {id: R1}\ndevices:\n"
        f'  - {{id: smu-01, driver: keithley_2450, resource: "scpi-tcp://127.0.0.1:{port}"}}\n'
        '  - {id: io-01, driver: sim_io, resource: "sim:io-01"}\n'
        "bays:\n  - id: B01\n    contactor: io-01/DO0\n    positions: {A1: {channel: smu-01/1}}\n"
    )
    async with running("sim", "--config", rack) as program:
        assert await program.line(program.out) == f"smu-01 scpi-tcp://127.0.0.1:{port}"
        assert await program.line(program.out) == "ready"
        yield port


@pytest.mark.skipif(find_spec("pymeasure") is None, reason="`make system` installs PyMeasure")
def test_pymeasure_measures_and_charges_a_cell(tmp_path: Path) -> None:
    async def main() -> None:
        async with simulated(tmp_path) as port:
            await asyncio.to_thread(converse, port)

    asyncio.run(main())


def test_our_driver_reaches_it_over_visa(tmp_path: Path) -> None:
    async def main() -> None:
        async with simulated(tmp_path) as port:
            address = f"visa:TCPIP0::127.0.0.1::{port}::SOCKET"
            code, out, err = await ran("drivers", "probe", address, "--driver", "keithley_2450")
            assert (code, err) == (0, "")
            assert "SIM-smu-01" in out

    asyncio.run(main())
