"""The promises of tests/conftest.py, kept by a run of pytest over tests that each break one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]

CARELESS = """
import asyncio
import socket
import threading
import warnings

kept = []
enough = threading.Event()


async def leave_a_task():
    kept.append(asyncio.create_task(asyncio.Event().wait()))


async def lose_an_error():
    async def fail():
        raise OSError("nobody reads this")

    kept.append(asyncio.create_task(fail()))
    await asyncio.sleep(0)
    kept.clear()


class FailsWhenCollected:
    def __init__(self):
        self.me = self

    def __del__(self):
        raise OSError("nobody reads this")


def test_leaves_a_task():
    asyncio.run(leave_a_task())


def test_loses_the_error_of_a_task():
    asyncio.run(lose_an_error())


def test_loses_the_error_of_a_callback():
    async def main():
        asyncio.get_running_loop().call_soon(int, "no number")
        await asyncio.sleep(0)

    asyncio.run(main())


def test_drops_a_coroutine():
    asyncio.sleep(0)


def test_drops_a_coroutine_that_only_a_collection_finds():
    cycle = [asyncio.sleep(0)]
    cycle.append(cycle)


def test_warns():
    warnings.warn("mind this")


def test_fails_where_nobody_can_catch_it():
    FailsWhenCollected()


def test_fails_in_a_thread():
    thread = threading.Thread(target=int, args=["no number"])
    thread.start()
    thread.join()


def test_leaves_a_thread():
    threading.Thread(target=enough.wait).start()


def test_leaves_a_socket_open():
    kept.append(socket.socket())


def test_drops_an_open_socket():
    socket.socket()


def test_leaves_a_loop_open():
    kept.append(asyncio.new_event_loop())


def test_leaves_a_loop_open_and_drops_it():
    asyncio.new_event_loop()


def test_is_tidy():
    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        return await asyncio.to_thread(int, "1")

    assert asyncio.run(main()) == 1
    with socket.socket():
        pass
    enough.set()
"""


REASONS = {
    "leaves_a_task": "left behind: task Task-",
    "loses_the_error_of_a_task": "left behind: unhandled: Task exception was never retrieved",
    "loses_the_error_of_a_callback": "left behind: unhandled: Exception in callback",
    "drops_a_coroutine": "coroutine 'sleep' was never awaited",
    "drops_a_coroutine_that_only_a_collection_finds": "coroutine 'sleep' was never awaited",
    "warns": "UserWarning: mind this",
    "fails_where_nobody_can_catch_it": "OSError: nobody reads this",
    "fails_in_a_thread": "Exception in thread",
    "leaves_a_thread": "left behind: thread Thread-",
    "leaves_a_socket_open": "left behind: open socket",
    "drops_an_open_socket": "unclosed <socket.socket",
    "leaves_a_loop_open": "left behind: open socket",
    "leaves_a_loop_open_and_drops_it": "unclosed event loop",
}


def each_followed_by_an_innocent(tests: str) -> str:
    blocks = []
    for block in tests.split("\n\n\n"):
        blocks.append(block)
        if block.startswith("def test_"):
            name = block.removeprefix("def test_").partition("(")[0]
            blocks.append(f"def test_after_{name}():\n    pass")
    return "\n\n\n".join(blocks) + "\n"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each careless test is told, by name, and the tidy one that runs after each; empty where it passed."""
    folder = tmp_path_factory.mktemp("careless")
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests/conftest.py", folder / "tests")
    (folder / "tests/test_careless.py").write_text(each_followed_by_an_innocent(CARELESS))
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=outcomes.xml"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        check=False,
    )
    told: dict[str, str] = {}
    for case in ElementTree.parse(folder / "outcomes.xml").iter("testcase"):  # noqa: S314 - our own file
        name = case.attrib["name"].removeprefix("test_")
        told[name] = told.get(name, "") + "".join(
            outcome.attrib["message"] + (outcome.text or "") for outcome in case if outcome.tag in {"failure", "error"}
        )
    return told


@pytest.mark.parametrize("name", REASONS)
def test_a_careless_test_fails_and_is_told_why(outcomes: dict[str, str], name: str) -> None:
    assert REASONS[name] in outcomes[name]


@pytest.mark.parametrize("name", REASONS)
def test_the_test_after_it_does_not_pay_for_it(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[f"after_{name}"] == ""


def test_a_tidy_test_passes(outcomes: dict[str, str]) -> None:
    assert outcomes["is_tidy"] == ""
