"""Ctrl-C during a batch."""

import asyncio
import signal
import sys
from pathlib import Path

from tests import rv32


async def test_ctrl_c_ends_a_batch_and_leaves_nothing_running(tmp_path: Path) -> None:
    """EX-633: a batch that is interrupted while its workers run ends by itself with 130, and without a traceback."""
    program, lines = tmp_path / "endless.elf", tmp_path / "inputs.jsonl"
    program.write_bytes(rv32.elf(rv32.image([rv32.jal(0, 0)], b"", 65_536)))
    lines.write_text('"00"\n"01"\n')
    config = tmp_path / "executor.toml"
    config.write_text(f'[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "veritape", "run", str(program), "--inputs", str(lines), "--config", str(config),
        "--max-cycles", str(1 << 40), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        async with asyncio.timeout(120):
            while len(children.read_text().split()) < 2:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in errors
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
