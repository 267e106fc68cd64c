"""Programs that know OPC UA and nothing of us drive the simulated LADS chamber: real sockets, real time."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asyncua import Client, Node, ua
from programs import PATIENCE_S, free_ports, running

pytestmark = pytest.mark.system

CHAMBER = "ns=6;s=Chamber"
CONTROLLER = f"{CHAMBER}.FunctionalUnitSet.Unit.FunctionSet.TemperatureController"
MACHINE = f"{CONTROLLER}.ControlFunctionState"


@asynccontextmanager
async def chamber(folder: Path) -> AsyncIterator[str]:
    """Its address, while `cycler sim` runs it."""
    (port,) = free_ports(1)
    url = f"opc.tcp://127.0.0.1:{port}/lads"
    file = folder / "rack.yaml"
    file.write_text(
        "rack: {id: R1}\ndevices:\n"
        f'  - {{id: ch-01, driver: lads_thermal, resource: "{url}", security: none}}\n'
        '  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01", channels: 1}\n'
        '  - {id: io-01, driver: sim_io, resource: "sim:io-01"}\n'
        "bays:\n  - {id: B01, chamber: ch-01, contactor: io-01/DO0, positions: {A1: {channel: cyc-01/1}}}\n"
    )
    async with running("sim", "--config", file, "--speed", "20") as program:
        assert await program.line(program.out) == f"ch-01 {url}"
        assert await program.line(program.out) == "ready"
        yield url


async def tool(name: str, url: str, *arguments: str) -> str:
    """What one of asyncua's own command line programs says."""
    program = str(Path(sys.executable).with_name(name))
    process = await asyncio.create_subprocess_exec(
        program, "--url", url, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def test_command_line_tools_browse_read_write_and_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chamber(tmp_path) as url:
            listed = await tool("uals", url, "--nodeid", CONTROLLER, "--depth", "2")
            for name in ("5:CurrentValue", "5:TargetValue", "5:ControlFunctionState", "0:EngineeringUnits"):
                assert name in listed
            air_degc = float(await tool("uaread", url, "--nodeid", f"{CONTROLLER}.CurrentValue"))
            assert 15.0 < air_degc < 35.0
            await tool("uawrite", url, "--nodeid", f"{CONTROLLER}.TargetValue", "--datatype", "double", "60")
            assert float(await tool("uaread", url, "--nodeid", f"{CONTROLLER}.TargetValue")) == 60.0
            assert "Stopped" in await tool("uaread", url, "--nodeid", f"{MACHINE}.CurrentState")
            await tool("uacall", url, "--nodeid", MACHINE, "--method", "5:Start")
            assert "Running" in await tool("uaread", url, "--nodeid", f"{MACHINE}.CurrentState")

    asyncio.run(scenario())


class Listener:
    """What a subscription hands its values to."""

    def __init__(self) -> None:
        self.values: asyncio.Queue[tuple[str, object]] = asyncio.Queue()

    async def datachange_notification(self, node: Node, value: object, data: object) -> None:
        await self.values.put((str(node.nodeid.Identifier).rpartition(".")[2], value))


def test_a_plain_client_finds_its_way_by_names_and_subscribes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with chamber(tmp_path) as url, Client(url, timeout=PATIENCE_S) as client:
            di = await client.get_namespace_index("http://opcfoundation.org/UA/DI/")
            lads = await client.get_namespace_index("http://opcfoundation.org/UA/LADS/")
            device = await client.nodes.objects.get_child([f"{di}:DeviceSet", f"{lads}:Chamber"])
            assert (await (await device.get_child(f"{di}:Model")).read_value()).Text == "simulated LADS chamber"
            names = ("FunctionalUnitSet", "Unit", "FunctionSet", "TemperatureController")
            controller = await device.get_child([f"{lads}:{name}" for name in names])
            machine = await controller.get_child(f"{lads}:ControlFunctionState")
            listener = Listener()
            subscription = await client.create_subscription(200, listener)
            watched = [await controller.get_child(f"{lads}:CurrentValue"), await machine.get_child("0:CurrentState")]
            await subscription.subscribe_data_change(watched)
            target = await controller.get_child(f"{lads}:TargetValue")
            await target.write_value(ua.Variant(60.0, ua.VariantType.Double))
            await machine.call_method(f"{lads}:Start")
            seen: dict[str, list[object]] = {"CurrentValue": [], "CurrentState": []}
            async with asyncio.timeout(PATIENCE_S):
                while len(set(seen["CurrentValue"])) < 5 or len(seen["CurrentState"]) < 2:
                    name, value = await listener.values.get()
                    seen[name].append(value)
            assert seen["CurrentValue"] == sorted(seen["CurrentValue"])
            assert [state.Text for state in seen["CurrentState"][:2]] == ["Stopped", "Running"]
            await subscription.delete()

    asyncio.run(scenario())
