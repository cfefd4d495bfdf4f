"""Write a pack: the one durable write that makes receipts finished (EX-343, 404).

It needs a folder and a secret and nothing of the index, so whoever made the receipts writes them: each worker of this machine its
own, side by side. Only the index has one writer at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from veritape.executor.cache.entries import Entry, pack, to_file
from veritape.executor.cache.memory import LARGEST_SHARE
from veritape.kernel.files import write_atomically

SUFFIX = ".entry"
"""Name suffix of an entry's file."""


class Written(NamedTuple):
    """A file that is durable and that no index knows yet."""

    name: str
    """In the cache's folder."""
    size: int
    """Bytes."""
    created_ns: int
    """Wall clock."""


@dataclass(frozen=True)
class PackWriter:
    """Writes into one cache folder; travels to workers of this machine, and to no other: it holds the secret."""

    folder: Path
    """Of the cache."""
    secret: bytes = field(repr=False)
    """Authenticates entries."""
    max_bytes: int
    """Of the whole layer; a file larger than an eighth of it is not written."""

    def write(self, receipts: Mapping[bytes, bytes], now_ns: int) -> Written | None:
        """Make receipts durable; None when they are too large for this cache.

        Raises:
            OSError: the disk refused; nothing of it is under a final name.
        """
        key, body = pack(receipts)
        data = to_file(Entry(key, now_ns, body), self.secret)
        if len(data) * LARGEST_SHARE > self.max_bytes:
            return None
        name = key.hex() + SUFFIX
        write_atomically(self.folder / name, data)
        return Written(name, len(data), now_ns)
