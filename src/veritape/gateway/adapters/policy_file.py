"""The policy file: read at the start, looked at each second, swapped when it is valid (GW-104)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from veritape.gateway.policy import Policy
from veritape.gateway.policy_reader import check_successor, read_policy
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError, VeritapeError

LOOK_NS: Final = NANOSECONDS
"""How often the file is looked at."""

Stamp = tuple[int, int, int]
"""Inode, size, modification time."""


def shipped_policy() -> bytes:
    """Return the policy that comes with the package."""
    return files("veritape.gateway").joinpath("policy.toml").read_bytes()


class Reloaded(NamedTuple):
    """How a reload ended."""

    result: str
    """``applied``, ``refused`` or ``unchanged``."""
    detail: str
    """Why it was refused: one line an error."""


class PolicyFile:
    """A policy file, or the shipped policy when no file is named."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self.asked = asyncio.Event()
        """Set to have the file read again at once."""
        self.results: Counter[str] = Counter()
        """Reloads by their end: applied, refused, unchanged."""
        self._turn = asyncio.Lock()
        self._running: Policy | None = None
        self._swap: Callable[[Policy], None] = lambda _: None
        self._report: Callable[[str], None] = lambda _: None

    def read(self) -> Policy:
        """Read and check the policy.

        Raises:
            MisuseError: the file cannot be read or is refused; all errors are named.
        """
        if self._path is None:
            return read_policy(shipped_policy(), "policy.toml")
        try:
            self._stamp = _stamp(self._path)
            octets = self._path.read_bytes()
        except OSError as error:
            raise MisuseError(
                f"policy: cannot read {self._path}: {error.strerror}: name a policy file, or leave policy out for the shipped one"
            ) from error
        return read_policy(octets, str(self._path))

    async def watch(
        self, running: Policy, clock: Clock, swap: Callable[[Policy], None], report: Callable[[str], None]
    ) -> None:
        """Apply every valid change until cancelled; an invalid file leaves the running policy in place.

        Args:
            running: the policy in use.
            clock: paces the looks at the file.
            swap: puts another policy in place.
            report: takes one line for the log.
        """
        self._running, self._swap, self._report = running, swap, report
        while True:
            await self._wait(clock)
            if self._is_due():
                await self.reload()

    async def reload(self) -> Reloaded:
        """Read the file and apply it if it is another valid policy; say how that ended."""
        async with self._turn:
            running = self._running
            if running is None or self._path is None:
                return Reloaded("unchanged", "")
            try:
                following = await asyncio.to_thread(self.read)
                check_successor(running, following, str(self._path))
                if following.sha256 == running.sha256:
                    return self._ended("unchanged", "")
                self._swap(following)
            except VeritapeError as error:
                self._report(f"policy refused, version {running.version} stays: {error.message}")
                return self._ended("refused", error.message)
            self._running = following
            self._report(f"policy version {following.version} applied")
            return self._ended("applied", "")

    def _ended(self, result: str, detail: str) -> Reloaded:
        self.results[result] += 1
        return Reloaded(result, detail)

    async def _wait(self, clock: Clock) -> None:
        """Wait a second, or less when a reload is asked for."""
        pause = asyncio.ensure_future(clock.sleep_until(clock.monotonic_ns() + LOOK_NS))
        asked = asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait((pause, asked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            asked.cancel()

    def _is_due(self) -> bool:
        asked = self.asked.is_set()
        self.asked.clear()
        if self._path is None:
            return False
        try:
            return asked or _stamp(self._path) != self._stamp
        except OSError:
            return asked


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
