"""The executor in the chain: follows seals, ends at SIGTERM."""

import asyncio
import signal
import sys
import time
from pathlib import Path

from tests.tape import DAY, frames, recorded

from veritape.observer.adapters.segment_files import SegmentStore

UNTIL = 32_400_000 + 60_000


async def test_the_service_follows_the_seals_and_ends_at_sigterm(tmp_path: Path) -> None:
    """EX-343: a seal that appears while it runs gets its receipts; SIGTERM ends it with 0 within 3 seconds."""
    command = ("compute", "--data", str(tmp_path / "data"), "--receipts", str(tmp_path / "receipts"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "veritape", *command)
    try:
        rows = recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]
        seal = SegmentStore(tmp_path / "data").write(
            DAY, 9, rows, {}, [{"file": "f", "first_block": 0, "last_block": 0}]
        )
        codes = set(seal.document["lines"])
        async with asyncio.timeout(60):
            while {path.name.split(".")[-2] for path in (tmp_path / "receipts").glob("vwap.*.sim")} != codes:
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        asked = time.perf_counter()
        assert await process.wait() == 0
        assert time.perf_counter() - asked < 3
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
