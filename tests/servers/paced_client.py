"""A process that asks through the account's permits: three components, each request a line to a server that answers it.

Arguments: permit file, port, requests of each component, 0 or 1: whether it kills itself with requests under way.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.pacing_gate import Gate
from veritape.observer.adapters.permit_file import PermitFile, machine_boot_id
from veritape.observer.lanes import Lane
from veritape.observer.pacing import Pace


async def component(gate: Gate, lane: Lane, port: int, requests: int) -> None:
    async def ask() -> None:
        permit = await gate.take(lane)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"?\n")
        await reader.readline()
        gate.answered(permit)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(requests)))


async def main(path: str, port: int, requests: int, dies: int) -> None:
    clock = SystemClock()
    permits = PermitFile(
        Path(path),
        Pace(18, spacing=not dies),
        machine_boot_id(),
        clock.monotonic_ns(),
        owner=False,
        notice=print,
    )
    gate = Gate(permits, clock)
    lanes = (Lane.ANCHOR, Lane.SWEEP, Lane.BACKFILL)
    work = asyncio.gather(*(component(gate, lane, port, requests) for lane in lanes))
    if dies:
        await asyncio.sleep(1.2)
        os.kill(os.getpid(), signal.SIGKILL)
    await work


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
