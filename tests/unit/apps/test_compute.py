"""The executor in the chain: follows seals, ends at SIGTERM."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from tests.tape import DAY, frames, recorded
from tests.waiting import until

from veritape.observer.adapters.segment_files import SegmentStore

UNTIL = 32_400_000 + 60_000


async def test_the_service_follows_the_seals_and_ends_at_sigterm(tmp_path: Path) -> None:
    """EX-343, TL-600: a seal that appears gets its receipts, each logged once; SIGTERM ends it with 0 (usually in half a second)."""
    command = ("compute", "--data", str(tmp_path / "data"), "--receipts", str(tmp_path / "receipts"))
    with (tmp_path / "executor.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "veritape", *command, stderr=log)
    try:
        rows = recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]
        seal = SegmentStore(tmp_path / "data").write(
            DAY, 9, rows, {}, [{"file": "f", "first_block": 0, "last_block": 0}]
        )
        codes = set(seal.document["lines"])
        await until(
            lambda: {path.name.split(".")[-2] for path in (tmp_path / "receipts").glob("vwap.*.sim")} == codes
        )
        process.send_signal(signal.SIGTERM)
        asked = time.perf_counter()
        assert await process.wait() == 0
        assert time.perf_counter() - asked < 30
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    records = [json.loads(line) for line in (tmp_path / "executor.log").read_text().splitlines()]
    assert (records[0]["event"], records[-1]["event"]) == ("process_started", "process_stopped")
    events = {one["event"] for one in records[1:-1]}
    measured = {"parallel_chosen", "memory_underestimated"}  # the machine's affair
    assert events - measured == {"receipt_made", "aggregation_decided"}
    made = [(one["program"], one["tape"]) for one in records if one["event"] == "receipt_made"]
    assert len(made) == len(set(made))
    assert {one for one in made if one[0] == "vwap"} == {("vwap", f"KRX.{DAY}.09.{code}") for code in codes}
