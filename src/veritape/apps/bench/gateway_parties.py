"""Who works how much for a request: processor time of each party of a benchmark, so that a reader sees what limits.

It hardly depends on what else the machine does, unlike requests a second. What two cores could do follows from it: a figure for a machine
that is shared meanwhile.
"""

from collections.abc import Collection, Mapping
from typing import Final

from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.machine_load import Worked, started_by, worked_by
from veritape.apps.bench.results import Row

MICROSECONDS: Final = 1_000_000

CORES: Final = 2
"""Of the machine that the specification's figures are for."""

GENERATOR: Final = "generator"
"""The party that brings its own processor time."""


def gateway_parties(server: Server) -> dict[str, set[int]]:
    """Return the parties of a gateway: its workers and their parent, or the one process."""
    workers = started_by(server.pid)
    return {"workers": workers, "parent": {server.pid}} if workers else {"gateway": {server.pid}}


class Parties:
    """The parties of one figure."""

    def __init__(self, processes: Mapping[str, Collection[int]]) -> None:
        """Take party -> its processes; the generator's time is told with each run."""
        self._processes = processes
        self._before: dict[str, Worked] = {}
        self._runs: dict[str, list[Worked]] = {name: [] for name in (*processes, GENERATOR)}

    def begin(self) -> None:
        """Look at everybody before a run."""
        self._before = self._look()

    def end(self, requests: int, generator: Worked) -> None:
        """Look at everybody after a run of so many answers; each run's time is kept for one of them."""
        spent = {name: now - self._before[name] for name, now in self._look().items()} | {
            GENERATOR: generator
        }
        for name, worked in spent.items():
            one = Worked(worked.user_s / max(1, requests), worked.system_s / max(1, requests))
            self._runs[name].append(one)

    def rows(self, name: str) -> list[Row]:
        """Return what two cores could do if nobody else wanted them, and a row of microseconds a request for each party."""
        spent = zip(*self._runs.values(), strict=True)
        capacity = [CORES / max(1e-9, sum(one.seconds for one in run)) for run in spent]
        parties = [
            Row(f"{name}_us_{party}", [one.seconds * MICROSECONDS for one in runs], "us", "lower")
            for party, runs in self._runs.items()
        ]
        return [Row(f"{name}_capacity", capacity), *parties]

    def line(self, name: str) -> str:
        """Return a sentence: mean microseconds a request of each party, what of it the kernel took, and the sum."""
        told, total = list[str](), 0.0
        for party, runs in self._runs.items():
            share = MICROSECONDS / max(1, len(runs))
            whole_us, kernel_us = (
                share * sum(one.seconds for one in runs),
                share * sum(one.system_s for one in runs),
            )
            total += whole_us
            told.append(f"{party} {whole_us:.0f} ({kernel_us:.0f} in the kernel)")
        return f"{name}: microseconds of processor time a request: {', '.join(told)}; together {total:.0f}"

    def _look(self) -> dict[str, Worked]:
        return {name: worked_by(pids) for name, pids in self._processes.items()}
