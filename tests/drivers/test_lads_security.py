"""A simulated LADS chamber that wants keys, and the driver that has them: the same rack file tells both."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from lads_bench import DEVICE, URL
from opcua_bench import certificates
from world_bench import run, world

from cycler.contract.devices import ChamberDriver
from cycler.contract.errors import DeviceError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.world import SimulatedDevice
from drivers.lads_thermal.driver import DRIVER
from sims.loop import VirtualLoop
from sims.testing.wired import utcnow
from sims.wire.lads_thermal.simulator import LadsSimulator, simulate
from sims.world import SimulatedWorld


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Certificates and keys, that of the chamber beside its certificate."""
    (certificates(tmp_path) / "server.pem").rename(tmp_path / "server.key")
    return tmp_path


def options(folder: Path, **changes: str) -> dict[str, str]:
    files = {"certificate": "rack.der", "key": "rack.pem", "server_certificate": "server.der", "login_file": "login"}
    return {key: f"{folder}/{name}" for key, name in files.items()} | changes


def simulator(given: Mapping[str, str], built: SimulatedWorld) -> LadsSimulator:
    resource = Resource.parse(URL)
    device = SimulatedDevice(device=DEVICE, driver="lads_thermal", resource=resource, channels=(), options=given)
    return simulate(device, built)


def driver(given: Mapping[str, str]) -> ChamberDriver:
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse(URL), options=given)
    return DRIVER.opens(settings, Surroundings(utcnow=utcnow))  # type: ignore[return-value]


def meeting(theirs: Mapping[str, str], ours: Mapping[str, str]) -> bytes:
    """What goes over the wire while a target is set. Raises `DeviceError`."""
    built, host, said = world(), driver(ours), bytearray()
    chamber = simulator(theirs, built)

    async def meet() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop) and loop.network is not None
        loop.network.taps.append(lambda address, direction, data: said.extend(data))
        await chamber.start()
        try:
            await host.connect()
            await host.commission()
            await host.set_target(temperature_degc=40.0, rate_k_per_min=None)
            assert (await host.read()).target_degc == pytest.approx(40.0)
        finally:
            await host.aclose()
            await chamber.aclose()
            await asyncio.sleep(0.1)  # the ends of connections are on their way

    run(built, meet)
    return bytes(said)


@pytest.mark.parametrize("mode", ["encrypt", "sign"])
def test_a_chamber_with_keys_serves_the_rack_that_has_its_own(folder: Path, mode: str) -> None:
    given = options(folder, security=mode)
    said = meeting(given, given)
    assert b"Basic256Sha256" in said
    assert (b"ControlFunctionState" in said) is (mode == "sign")
    assert b"secret word" not in said


@pytest.mark.parametrize(
    "changes",
    [{"certificate": "other.der", "key": "other.pem"}, {"login_file": "stranger"}, {"server_certificate": "other.der"}],
    ids=["another certificate", "another login", "another server"],
)
def test_who_is_not_who_the_chamber_knows_is_not_let_in(folder: Path, changes: dict[str, str]) -> None:
    (folder / "stranger").write_text("rack\nopen sesame\n")
    ours = options(folder, **{key: f"{folder}/{name}" for key, name in changes.items()})
    with pytest.raises(DeviceError):
        meeting(options(folder), ours)


def test_nobody_is_let_in_unsecured(folder: Path) -> None:
    with pytest.raises(DeviceError):
        meeting(options(folder), {"security": "none"})


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("server.key", "its simulated twin wants the key of .*server.der beside it, as server.key"),
        ("rack.der", "wants the key .*rack.der is not there"),
    ],
)
def test_a_file_that_the_simulated_chamber_misses_is_named(folder: Path, missing: str, says: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=f"{DEVICE}: .*{says}"):
        simulator(options(folder), world())


def test_a_key_of_another_certificate_is_refused(folder: Path) -> None:
    (folder / "other.pem").rename(folder / "server.key")
    with pytest.raises(ValueError, match=r"server.key is not the key of .*server.der"):
        simulator(options(folder), world())
