"""What a benchmark row is, and the document that ``--json`` prints.

Every row is measured now, on this machine, and never stored. The median of the runs is the figure and the extremes are its
spread. The machine may be shared, so a ratio to the peer of the same run says more than a figure.
"""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from veritape.kernel.clock import NANOSECONDS, SystemClock

Work = Callable[[], int]
"""Does some work; returns how many units it did."""

DIGITS = 4
"""Significant digits of a printed figure."""


class Size(NamedTuple):
    """How much is measured."""

    runs: int = 5
    """Repetitions of a short row."""
    seconds: float = 60.0
    """Length of a row that lasts."""
    quick: bool = False
    """Rows that cannot be made short are left out."""


QUICK = Size(3, 10.0, quick=True)
"""Under three minutes a suite."""


@dataclass(frozen=True)
class Row:
    """One figure, as it was measured."""

    name: str
    """What was measured, with its unit where the name needs one."""
    values: list[float]
    """One a run."""
    unit: str = "1/s"
    """Unit of the values."""
    better: str = "higher"
    """Which direction is good: ``higher`` or ``lower``."""
    target: float | None = None
    """What the specification requires."""
    goal: float | None = None
    """What it hopes for."""
    peer: str = ""
    """What stands beside it; empty: nothing."""
    peer_values: list[float] = field(default_factory=list)
    """One a run of the peer; empty when it could not be measured."""
    published: bool = False
    """The peer's figure was published and not measured here."""

    def document(self) -> dict[str, Any]:
        """Return the row as ``--json`` prints it."""
        value = statistics.median(self.values)
        peer = statistics.median(self.peer_values) if self.peer_values else None
        meets = None if self.target is None else self._meets(value, self.target)
        return {
            "name": self.name,
            "value": _short(value),
            "unit": self.unit,
            "better": self.better,
            "runs": len(self.values),
            "spread": [_short(min(self.values)), _short(max(self.values))],
            "target": self.target,
            "goal": self.goal,
            "meets": meets,
            "peer": self.peer,
            "peer_value": None if peer is None else _short(peer),
            "ratio": None if not peer else round(value / peer, 3),
            "published": self.published,
        }

    def _meets(self, value: float, target: float) -> bool:
        return value >= target if self.better == "higher" else value <= target


Suite = Callable[[Size], Iterable[Row]]
"""Measures its rows, one after another."""


def measured(suite: str, rows: Iterable[Row]) -> dict[str, Any]:
    """Return the document of a suite."""
    machine = {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {
        "suite": suite, "machine": machine, "commit": _commit(), "rows": [row.document() for row in rows]
    }  # fmt: skip


def rates(size: Size, work: Work, peer: Work | None = None) -> tuple[list[float], list[float]]:
    """Return units a second of a piece of work and of its peer, run by run, turn by turn; the first run is not counted."""
    work()
    values, peers = [], []
    for _ in range(size.runs):
        values.append(rate(work))
        if peer is not None:
            peers.append(rate(peer))
    return values, peers


def rate(work: Work) -> float:
    """Return the units a second of one run."""
    units, seconds = timed(work)
    return units / seconds


def timed(work: Work) -> tuple[int, float]:
    """Return the units of one run and its seconds."""
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    units = work()
    return units, max(1, clock.monotonic_ns() - began_ns) / NANOSECONDS


def text(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that people read."""
    machine = document["machine"]
    yield f"{document['suite']}: {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"
    for row in document["rows"]:
        target = (
            ""
            if row["target"] is None
            else f", target {row['target']:,g} {'met' if row['meets'] else 'MISSED'}"
        )
        peer = "" if row["ratio"] is None else f", {row['ratio']:g} x {row['peer']} ({row['peer_value']:,g})"
        yield f"  {row['name']:44}{row['value']:>14,g} {row['unit']}{target}{peer}"


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}") if abs(value) < 10**DIGITS else round(value, 1)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ("git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    except OSError:
        return ""
    return answer.stdout.strip()
