"""Ctrl-C during a batch."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path

from tests import rv32

INTERRUPTIONS = 30 if os.environ.get("VERITAPE_SOAK") else 5  # noqa: TID251 - the two sizes of one test
"""Runs that are interrupted at a random moment."""


async def test_ctrl_c_ends_a_batch_and_leaves_nothing_running(tmp_path: Path) -> None:
    """EX-633: a batch that is interrupted while its workers run ends within 5 s with 130, says nothing and leaves nothing."""
    program, lines = tmp_path / "endless.elf", tmp_path / "inputs.jsonl"
    program.write_bytes(rv32.elf(rv32.image([rv32.jal(0, 0)], b"", 65_536)))
    lines.write_text('"00"\n"01"\n')
    config = tmp_path / "executor.toml"
    config.write_text(f'[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    (tmp_path / "temporary").mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "veritape", "run", str(program), "--inputs", str(lines), "--config", str(config),
        "--max-cycles", str(1 << 40), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},  # noqa: TID251 - inherited
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        async with asyncio.timeout(120):
            while len(children.read_text().split()) < 2:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            began = time.perf_counter()
            process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
        assert time.perf_counter() - began < 5
        assert (process.returncode, output, errors.strip()) == (130, b"", b"")
        assert not list((tmp_path / "temporary").iterdir())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_ctrl_c_at_any_moment_of_a_run_is_an_orderly_end(tmp_path: Path) -> None:
    """EX-633: interpreter, libraries, compiled code: 130 each time, never a signal; a run that began ends within 5 s."""
    chance = random.Random(20131007)
    command = (sys.executable, "-m", "veritape", "run", "fibonacci", "--input-u32", "190000000,0,1")
    for _ in range(INTERRUPTIONS):
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), chance.uniform(0.5, 3.0))
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(30):
                _, errors = await process.communicate()
            assert process.returncode == 130, errors
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
