"""How busy this machine is with other work while something of ours is measured (Linux)."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Worked(NamedTuple):
    """Processor time, seconds."""

    user_s: float
    system_s: float
    """In the kernel."""

    @property
    def seconds(self) -> float:
        """Return both."""
        return self.user_s + self.system_s

    def __sub__(self, before: "Worked") -> "Worked":
        """Return what was added since."""
        return Worked(self.user_s - before.user_s, self.system_s - before.system_s)


class _Reading(NamedTuple):
    busy: int
    """Clock ticks in which any processor worked, since the machine started."""
    all: int
    """Ticks of all processors."""
    ours: dict[int, int]
    """Process -> its ticks: this one and those it started."""


class MachineLoad:
    """Measures from its construction on."""

    def __init__(self, proc: Path = Path("/proc"), own: int = 0) -> None:
        """Begin.

        Args:
            proc: where the kernel tells of processes.
            own: whose work is ours, with all that it started; 0: this process'.
        """
        self._proc, self._own = proc, own or os.getpid()
        self._before = self._read()

    def foreign_share(self) -> float:
        """Return the part of the machine, 0 to 1, that worked for others since the beginning."""
        now, before = self._read(), self._before
        ours = sum(ticks - before.ours.get(pid, 0) for pid, ticks in now.ours.items())
        passed = now.all - before.all
        return max(0, now.busy - before.busy - ours) / passed if passed > 0 else 0.0

    def _read(self) -> _Reading:
        times = [int(word) for word in (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle = times[3] + times[4]
        return _Reading(sum(times) - idle, sum(times), _family(self._own, self._proc))


def processor_seconds(pid: int, proc: Path = Path("/proc")) -> float:
    """Return the processor time of a process, of its threads and of all processes that it started."""
    return sum(_family(pid, proc).values()) / os.sysconf("SC_CLK_TCK")


def worked_by(pids: Iterable[int], proc: Path = Path("/proc")) -> Worked:
    """Return the processor time of some processes and their threads, not of what they started; of one that is gone none."""
    user, system = 0, 0
    for pid in pids:
        try:
            words = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        user, system = user + int(words[11]), system + int(words[12])
    return Worked(user / os.sysconf("SC_CLK_TCK"), system / os.sysconf("SC_CLK_TCK"))


def started_by(pid: int, proc: Path = Path("/proc")) -> set[int]:
    """Return the processes that a process started, and those that these did."""
    return set(_family(pid, proc)) - {pid}


def _family(pid: int, proc: Path) -> dict[int, int]:
    """Return a process and all that it started -> their ticks, ended children included."""
    ticks, children = dict[int, int](), dict[int, list[int]]()
    for path in proc.glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        one = int(path.parent.name)
        ticks[one] = sum(int(word) for word in words[11:15])
        children.setdefault(int(words[1]), []).append(one)
    family, waiting = dict[int, int](), [pid]
    while waiting:
        one = waiting.pop()
        family[one] = ticks.get(one, 0)
        waiting += children.get(one, [])
    return family
