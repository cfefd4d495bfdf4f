"""The supervisor: restarts what falls, gives up with the cause, stops everything in time."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S, until

from veritape.apps import supervisor
from veritape.apps.supervisor import ChildPlan, Supervisor
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def plan(code: str, name: str = "child", *, ends: bool = False, descriptor: int | None = None) -> ChildPlan:
    return ChildPlan(name, (sys.executable, "-c", code), {"PLANTED": "1"}, ends=ends, descriptor=descriptor)


def started(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path / "logs", {}, SystemClock())


async def until_printed(tmp_path: Path, text: str, name: str = "child") -> None:
    log = tmp_path / "logs" / f"{name}.log"
    await until(
        lambda: log.exists() and text in log.read_text(), lambda: log.read_text() if log.exists() else name
    )


async def until_gone(process_id: int) -> None:
    stat = Path(f"/proc/{process_id}/stat")
    await until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    family = started(tmp_path)
    await family.start(plan(SLEEPS))
    await until_printed(tmp_path, "up")
    first = family.process_id("child")
    os.kill(first, signal.SIGKILL)
    await until_printed(tmp_path, "up\nup")
    await until(lambda: family.process_id("child") != first)
    assert (family.restarts, family.failed.done()) == (1, False)
    await family.stop()


async def test_a_child_starts_once_what_it_needs_is_there(tmp_path: Path) -> None:
    family, needed = started(tmp_path), tmp_path / "calendar"
    writer = ChildPlan("writer", (sys.executable, "-c", f"open({str(needed)!r}, 'w')"), ends=True)
    reader = f"import os, time; print(os.path.exists({str(needed)!r}), flush=True); time.sleep(60)"
    await family.start_all((writer, replace(plan(reader), needs=needed)))
    await until_printed(tmp_path, "True")
    await family.stop()


async def test_nothing_waits_for_a_child_that_failed(tmp_path: Path) -> None:
    family = started(tmp_path)
    failing = ChildPlan("writer", (sys.executable, "-c", "raise SystemExit(2)"))
    with pytest.raises(CheckFailedError, match="writer ended with status 2"):
        await family.start_all((failing, replace(plan(SLEEPS), needs=tmp_path / "never")))
    await family.stop()


async def test_a_child_that_refuses_its_configuration_ends_the_run_with_its_words(tmp_path: Path) -> None:
    family = started(tmp_path)
    await family.start(plan("import sys; print('key x is bad'); sys.exit(2)"))
    error = await asyncio.wait_for(family.failed, PATIENCE_S)
    assert error.message == f"child ended with status 2: key x is bad (see {tmp_path}/logs/child.log)"
    await family.stop()


async def test_a_child_that_falls_too_often_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RESTART_PAUSE_SECONDS", 0.0)
    family = started(tmp_path)
    await family.start(plan("import os; os.abort()"))
    error = await asyncio.wait_for(family.failed, PATIENCE_S)
    assert error.message.startswith(f"child ended with status -{int(signal.SIGABRT)}: it printed nothing")
    assert family.restarts == supervisor.ENDS_LIMIT - 1
    await family.stop()


async def test_a_child_that_is_meant_to_end_is_waited_for(tmp_path: Path) -> None:
    family = started(tmp_path)
    await family.start(plan("import os; print(os.environ['PLANTED'])", ends=True))
    assert await family.wait("child") == 0
    assert family.last_line("child") == "1"
    await family.stop()


async def test_a_deaf_child_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.1)
    family = started(tmp_path)
    await family.start(plan(DEAF))
    await family.start(plan(SLEEPS, "other"))
    await until_printed(tmp_path, "up")
    await family.stop(["child"])
    with pytest.raises(ProcessLookupError):
        os.kill(family.process_id("child"), 0)
    os.kill(family.process_id("other"), 0)
    await family.stop()


async def test_a_child_inherits_its_metrics_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    family = started(tmp_path)
    await family.start(plan(f"import os; os.write({writing}, b'vector')", ends=True, descriptor=writing))
    await family.wait("child")
    assert os.read(reading, 16) == b"vector"
    os.close(reading)
    os.close(writing)


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys, pathlib\n"
        "from veritape.apps.supervisor import ChildPlan, Supervisor\n"
        "from veritape.kernel.clock import SystemClock\n"
        "async def run():\n"
        f"    family = Supervisor(pathlib.Path({str(tmp_path / 'logs')!r}), {{}}, SystemClock())\n"
        f"    await family.start(ChildPlan('child', (sys.executable, '-c', {SLEEPS!r})))\n"
        "    print(family.process_id('child'), flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until_gone(child)
