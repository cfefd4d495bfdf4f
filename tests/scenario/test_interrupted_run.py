"""Ctrl-C during a batch."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests import rv32
from tests.children import answers_signals, children_of
from tests.waiting import PATIENCE_S, until

ENDS_IN_S, INTERRUPTIONS = (5, 30) if os.environ.get("VERITAPE_SOAK") else (50, 5)  # noqa: TID251 - the two sizes of one test
"""Seconds of EX-633, or ten times as many where others may have the processor; runs that are interrupted at a random moment."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Return a folder for a process's temporary files whose name is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="veritape-") as folder:
        yield Path(folder)


async def endless_batch(folder: Path, temporary: Path) -> asyncio.subprocess.Process:
    """Start two executions that never end."""
    program, lines = folder / "endless.elf", folder / "inputs.jsonl"
    program.write_bytes(rv32.elf(rv32.image([rv32.jal(0, 0)], b"", 65_536)))
    lines.write_text('"00"\n"01"\n')
    config = folder / "executor.toml"
    config.write_text(f'[executor.cache]\ndisk_path = "{folder / "cache"}"\n')
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "veritape", "run", str(program), "--inputs", str(lines), "--config", str(config),
        "--max-cycles", str(1 << 40), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},  # noqa: TID251 - inherited
    )  # fmt: skip


async def test_a_folder_too_deep_for_a_socket_is_named(tmp_path: Path) -> None:
    """EX-348: workers talk through a socket below TMPDIR; where its path is too long, one line says what to do."""
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    process = await endless_batch(tmp_path, deep)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert "set TMPDIR to a folder with a shorter one" in errors.decode()
    assert b"Traceback" not in errors


async def interrupted(tmp_path: Path, temporary: Path) -> float:
    """Interrupt a batch while its workers run; return the seconds until its silent end, which leaves nothing."""
    process = await endless_batch(tmp_path, temporary)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await until(lambda: [one for child in children_of(process.pid) for one in children_of(child)])
            await asyncio.sleep(1)
            began = time.perf_counter()
            process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
        seconds = time.perf_counter() - began
        assert (process.returncode, output, errors.strip()) == (130, b"", b"")
        assert not list(temporary.iterdir())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return seconds


async def test_ctrl_c_ends_a_batch_and_leaves_nothing_running(tmp_path: Path, temporary: Path) -> None:
    """EX-633: a batch that is interrupted while its workers run ends within 5 s with 130, says nothing and leaves nothing."""
    assert await interrupted(tmp_path, temporary) < ENDS_IN_S


async def test_what_a_killed_batch_leaves_is_gone_after_the_next_one(tmp_path: Path, temporary: Path) -> None:
    """EX-354: SIGKILL leaves one folder among the temporary files, sockets and jobs in it; the next run removes it."""
    process = await endless_batch(tmp_path, temporary)
    async with asyncio.timeout(PATIENCE_S):
        await until(lambda: len(children_of(process.pid)) >= 2)
        process.kill()
        await process.communicate()
    (left,) = temporary.iterdir()
    assert {path.name.partition("-")[0] for path in left.iterdir()} == {"job", "pymp"}
    lines = tmp_path / "inputs.jsonl"
    lines.write_text("[10, 0, 1]\n")
    again = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "veritape", "run", "fibonacci", "--inputs", str(lines), "--config", str(tmp_path / "executor.toml"),
        env={**os.environ, "TMPDIR": str(temporary)},  # noqa: TID251 - inherited
    )  # fmt: skip
    assert await again.wait() == 0
    assert list(temporary.iterdir()) == []


async def test_ctrl_c_at_any_moment_of_a_run_is_an_orderly_end(tmp_path: Path) -> None:
    """EX-633: libraries, compiled code: 130 each time, never a signal, from the moment at which our program has begun."""
    chance = random.Random(20131007)
    command = (sys.executable, "-m", "veritape", "run", "fibonacci", "--input-u32", "190000000,0,1")
    for _ in range(INTERRUPTIONS):
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            await until(partial(answers_signals, process.pid))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), chance.uniform(0, 3.0))
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE_S):
                _, errors = await process.communicate()
            assert process.returncode == 130, errors
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
