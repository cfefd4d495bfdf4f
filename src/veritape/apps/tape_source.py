"""Joins the executor's tapes with the observer's sealed segments."""

from collections.abc import Sequence
from pathlib import Path

from veritape.executor.tapes import TapeKey
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.binance.segment_files import segment_store
from veritape.observer.adapters.segment_files import Seal
from veritape.observer.seals import file_stem


class SealedTapes:
    """The tapes of one venue's sealed segments (a ``TapeSource``)."""

    def __init__(self, data: Path, venue: str = "KRX") -> None:
        self._store = segment_store(data, venue)
        self._venue = venue

    def sealed(self) -> Sequence[TapeKey]:
        """Return every code of every sealed segment."""
        return [
            self._key(seal, code) for seal in self._store.seals() for code in sorted(seal.document["lines"])
        ]

    def tape(self, key: TapeKey) -> bytes:
        """Return a code's canonical tape, checked against the seal."""
        for seal in self._store.seals(key.day):
            if key.code in seal.document["lines"] and self._key(seal, key.code) == key:
                return self._store.tape(seal, key.code)
        raise MisuseError(f"segment_mismatch: no sealed segment {'.'.join(key)} in this data folder")

    def _key(self, seal: Seal, code: str) -> TapeKey:
        day, hour, part = seal.key
        return TapeKey(self._venue, day, file_stem(hour, part).replace(".", "-"), code)
