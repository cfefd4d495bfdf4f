"""Write a pack: the one durable write that makes receipts finished (EX-343, 404).

It needs a folder and a secret, so whoever made the receipts writes them: each worker of this machine its
own, side by side, and adds them to the index, one after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veritape.executor.adapters.cache.index import Written, added, known_there
from veritape.executor.cache.entries import Entry, pack, to_file
from veritape.executor.cache.memory import LARGEST_SHARE
from veritape.kernel.files import write_atomically

SUFFIX = ".entry"
"""Name suffix of an entry's file."""


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

    def keep(self, receipts: Mapping[bytes, bytes], now_ns: int) -> Written | None:
        """Make receipts durable and add them to the index, in a process that does not keep the layer.

        Raises:
            OSError: the disk refused; nothing of it is under a final name.
        """
        written = self.write(receipts, now_ns)
        return None if written is None else added(self.folder, written, receipts)

    def known(self, keys: Sequence[bytes]) -> set[bytes] | None:
        """Return those of some keys that this cache may hold, in a process that does not keep the layer; None where it cannot be asked."""
        return known_there(self.folder, keys)
