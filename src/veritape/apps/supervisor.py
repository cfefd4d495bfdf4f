"""Run the parts of the chain as child processes and end them together.

Every child has its own session, so Ctrl-C reaches the supervisor alone and it decides the order; the kernel ends the
children should the supervisor itself be killed. What a child prints goes to ``<logs>/<name>.log``. A child that ends by
itself while it is wanted is started again after a pause; too many ends in a short time stop the run with the last line
that the child printed, because a restart that cannot succeed only hides the cause.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import CheckFailedError
from veritape.telemetry.log_record import readable

STOP_SECONDS = 4.0
"""Seconds between SIGTERM and SIGKILL: ``up`` promises to end within 5."""

RESTART_PAUSE_SECONDS = 0.5
"""Seconds before a child that ended is started again: lets its port and lock go."""

NEEDS_LOOK_SECONDS = 0.02
"""How often a file that a child needs is looked for."""

NEEDS_LOOKS = 1_000
"""Looks, 20 s; then the child starts all the same and says itself what is missing."""

ENDS_LIMIT = 3
"""Ends of one child within ``ENDS_WINDOW_NS`` after which the run stops."""

ENDS_WINDOW_NS = 60 * NANOSECONDS
"""Nanoseconds over which ends are counted."""

PARENT_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of prctl(2)."""

TAIL_BYTES = 4096
"""Bytes at the end of a log that are searched for its last line."""


@dataclass(frozen=True)
class ChildPlan:
    """One process of the chain."""

    name: str
    """Part name, unique: the log's file name too."""
    argv: tuple[str, ...]
    """Program and arguments."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside the supervisor's own."""
    ends: bool = False
    """The child is expected to end by itself with status 0."""
    needs: Path | None = None
    """A file that another child writes, and without which this one cannot start."""
    descriptor: int | None = None
    """A descriptor that the child inherits under the same number: the writing end of its metrics pipe."""


@dataclass
class _Child:
    plan: ChildPlan
    process: asyncio.subprocess.Process
    watcher: "asyncio.Task[None]"
    ends_ns: deque[int] = field(default_factory=lambda: deque(maxlen=ENDS_LIMIT))


class Supervisor:
    """Starts children, restarts those that fall, stops them all.

    ``failed`` resolves with a CheckFailedError when the run cannot go on. After construction: ``start`` each plan, wait
    for ``failed`` or your own end, then ``stop``.
    """

    def __init__(self, log_directory: Path, environment: Mapping[str, str], clock: Clock) -> None:
        self._log_directory = log_directory
        self._environment = environment
        self._clock = clock
        self._children: dict[str, _Child] = {}
        self._stopping = False
        self.failed: asyncio.Future[CheckFailedError] = asyncio.get_running_loop().create_future()
        """Resolves when a child fell too often, or ended with a status that no restart can mend."""
        self.restarts = 0
        """Children started again since the start."""

    async def start(self, plan: ChildPlan) -> None:
        """Start one child and watch it."""
        process = await self._spawn(plan)
        child = _Child(plan, process, asyncio.create_task(asyncio.sleep(0)))
        child.watcher = asyncio.create_task(self._watch(child))
        self._children[plan.name] = child

    async def start_all(self, plans: Sequence[ChildPlan]) -> None:
        """Start children in order, each once what it needs is there.

        Raises:
            CheckFailedError: what ``failed`` says of a child that the next one waited for.
        """
        for plan in plans:
            for _ in range(NEEDS_LOOKS):
                if plan.needs is None or plan.needs.exists() or self.failed.done():
                    break
                await asyncio.sleep(NEEDS_LOOK_SECONDS)
            if self.failed.done():
                raise self.failed.result()
            await self.start(plan)

    def process_id(self, name: str) -> int:
        """Return the process id of a child."""
        return self._children[name].process.pid

    async def wait(self, name: str) -> int:
        """Wait until a child that is expected to end has ended; return its exit status."""
        child = self._children[name]
        await child.watcher
        return child.process.returncode or 0

    async def stop(self, names: Sequence[str] | None = None) -> None:
        """End children (all, or those named) with SIGTERM and, after ``STOP_SECONDS``, SIGKILL."""
        chosen = [child for name, child in self._children.items() if names is None or name in names]
        self._stopping = self._stopping or names is None
        for child in chosen:
            child.watcher.cancel()
            if child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        waiting = [asyncio.create_task(child.process.wait()) for child in chosen]
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_SECONDS)
        for child in chosen:
            if child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
                await child.process.wait()

    def log_of(self, name: str) -> Path:
        """Return where a child's output goes."""
        return self._log_directory / f"{name}.log"

    def last_line(self, name: str) -> str:
        """Return the last line that a child printed, for messages."""
        with contextlib.suppress(FileNotFoundError), self.log_of(name).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
        return "it printed nothing"

    async def _spawn(self, plan: ChildPlan) -> asyncio.subprocess.Process:
        self._log_directory.mkdir(parents=True, exist_ok=True)
        with self.log_of(plan.name).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *plan.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **plan.environment},
                pass_fds=() if plan.descriptor is None else (plan.descriptor,),
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    async def _watch(self, child: _Child) -> None:
        while True:
            status = await child.process.wait()
            if self._stopping or (child.plan.ends and status == 0):
                return
            child.ends_ns.append(self._clock.monotonic_ns())
            if self._gives_up(child, status):
                return
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
            child.process = await self._spawn(child.plan)
            self.restarts += 1

    def _gives_up(self, child: _Child, status: int) -> bool:
        """Report and return True when a restart cannot help: bad usage, or too many ends in the window."""
        often = len(child.ends_ns) == ENDS_LIMIT and child.ends_ns[-1] - child.ends_ns[0] < ENDS_WINDOW_NS
        if status not in {1, 2} and not often:
            return False
        if not self.failed.done():
            message = (
                f"{child.plan.name} ended with status {status}: {readable(self.last_line(child.plan.name))}"
            )
            self.failed.set_result(CheckFailedError(f"{message} (see {self.log_of(child.plan.name)})"))
        return True


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
