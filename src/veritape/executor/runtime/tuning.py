"""Which is faster here, one worker with all threads or all workers with one thread each: measured once a machine (EX-349)."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from veritape.executor.runtime.presets import Parallel

SCHEMA: Final = "veritape.tuning/1"
"""Name and version of the file."""


@dataclass(frozen=True)
class Place:
    """What a measurement holds for: on any other machine, version or number of cores it is made anew."""

    machine: str
    """The machine's id."""
    version: str
    """Of veritape."""
    cores: int
    """That this process may use."""


@dataclass(frozen=True)
class Tuning:
    """Two measurements of the same batch."""

    place: Place
    """Where they were made."""
    one_worker_s: float
    """Seconds with one worker and all threads."""
    all_workers_s: float
    """Seconds with all workers and one thread each."""

    def better(self, usual: Parallel) -> Parallel:
        """Return one worker with all threads when that was faster, else what is usual."""
        return Parallel(1, self.place.cores) if self.one_worker_s < self.all_workers_s else usual

    def to_bytes(self) -> bytes:
        """Return the file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True).encode()


def parse_tuning(data: bytes, place: Place) -> Tuning | None:
    """Return what a file holds for a place; None when it is of another place, or damaged: then it is measured again."""
    try:
        document = json.loads(data)
        found = Tuning(
            Place(**document["place"]), float(document["one_worker_s"]), float(document["all_workers_s"])
        )
    except (ValueError, TypeError, KeyError):
        return None
    good = document.get("schema") == SCHEMA and found.place == place
    return found if good and found.one_worker_s > 0 and found.all_workers_s > 0 else None
