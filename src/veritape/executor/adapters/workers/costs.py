"""The file of measured costs: read by the decider, added to by the runtime when a backend has measured some (EX-446)."""

import contextlib
import fcntl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veritape.executor.aggregation.cost_samples import Measured, Origin, samples_of, with_measured
from veritape.executor.aggregation.costs import Costs, costs_of
from veritape.kernel.files import write_atomically


@dataclass(frozen=True)
class CostFile:
    """Samples of one machine and parameter set; processes share the file."""

    path: Path
    """Where it is kept."""
    origin: Origin
    """Whose samples are read and added."""

    def known(self) -> Costs:
        """Return the figures that enough samples stand behind; none where there is no file."""
        return costs_of(samples_of(self._read(), self.origin))

    def add(self, measured: Sequence[Measured]) -> None:
        """Add samples, one process at a time; a disk that refuses costs them, and the work that was measured counts all the same."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                write_atomically(self.path, with_measured(self._read(), self.origin, measured))

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError:
            return b""
