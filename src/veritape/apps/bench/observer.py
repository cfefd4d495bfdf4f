"""Suite ``observer``: OB-1031 to OB-1044."""

from collections.abc import Iterator

from veritape.apps.bench.observer_backup import backups
from veritape.apps.bench.observer_calls import calls
from veritape.apps.bench.observer_day import day
from veritape.apps.bench.observer_files import files
from veritape.apps.bench.observer_live import live
from veritape.apps.bench.observer_parts import parts
from veritape.apps.bench.results import Row, Size


def observer(size: Size) -> Iterator[Row]:
    """Measure the recorder from the socket to the sealed file."""
    yield from live(size)
    yield from parts(size)
    yield from files(size)
    yield from calls(size)
    yield from day(size)
    yield from backups(size)
