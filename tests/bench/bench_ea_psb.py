"""CPU of an EA PSB sweep through the in-memory wire, both ends, and of the simulated device alone."""

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from psb_bench import charge, psb_bench

from sims.loop import run_virtual
from sims.wire.ea_psb import modbus
from sims.wire.ea_psb.device import Interface

SWEEPS = 10_000
STATE, ACTUAL = bytes.fromhex("03 01 f9 00 02"), bytes.fromhex("03 01 fb 00 03")


async def main() -> None:
    """Print both."""
    async with psb_bench(capacitance_f=1e9) as bench:
        await bench.must(charge())
        for _ in range(2):  # the first round warms up
            began_s = time.process_time()
            for _ in range(SWEEPS):
                await bench.driver.read()
            sweep_us = (time.process_time() - began_s) / SWEEPS * 1e6
            began_s = time.process_time()
            for _ in range(SWEEPS):
                modbus.answer(bench.device, Interface.MODBUS_TCP, 0, STATE)
                modbus.answer(bench.device, Interface.MODBUS_TCP, 0, ACTUAL)
            request_us = (time.process_time() - began_s) / SWEEPS / 2 * 1e6
            await asyncio.sleep(0.1)
    print(f"sweep: two reads with a gap   {sweep_us:6.1f} µs CPU, both ends")
    print(f"simulated device, a request   {request_us:6.1f} µs, a test cell's physics included")


if __name__ == "__main__":
    run_virtual(main())
