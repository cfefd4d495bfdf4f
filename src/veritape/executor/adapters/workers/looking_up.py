"""Who looks a batch's inputs up in the cache: this process or the workers (EX-343, 401).

Forming a key hashes the input, and a worker needs that hash for its claim anyway; asking the index can be done side by side. So once
a piece was looked up of which nothing was known, the workers look up the rest, each its job's inputs. What the index or the
memory of this process may hold they do not execute: it comes back and is looked up here, where entries are authenticated, counted
and refused. As soon as something comes back, this process looks up again: a hit needs no worker.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.workers.batch import Batch
from veritape.executor.adapters.workers.jobs import Done
from veritape.executor.cache.prefixes import packed

AT_ONCE: Final = 256
"""Inputs that are looked up here between two looks at the workers."""

FIRST: Final = 32
"""Inputs that are looked up here before anything runs: workers wait for them."""

HELD_PER_INPUT: Final = 16
"""Entries in memory for each input of a batch, from which telling the workers of them costs more than looking up here."""

KeysOf = Callable[[Sequence[bytes]], list[bytes]]
"""Forms the keys of some inputs."""


class LookUp:
    """Looks up a batch's inputs, or has them looked up."""

    def __init__(self, batch: Batch, cache: ReceiptCache, keys_of: KeysOf, held: Path | None) -> None:
        """Take a batch of which nothing is known.

        Args:
            batch: its inputs.
            cache: what is asked.
            keys_of: forms keys.
            held: the file that tells workers what the memory of this process holds; None: they cannot ask this cache.
        """
        self._batch, self._cache, self._keys_of = batch, cache, keys_of
        self._held = held if cache.redis is None and cache.disk is not None else None
        self._told = self._began = False
        self.by_workers = False
        """The workers look up what nobody has looked up."""

    @property
    def here(self) -> bool:
        """Tell whether this process has inputs to look up."""
        return bool(self._batch.unseen) and not self.by_workers

    def some(self) -> None:
        """Look up some inputs here, if that is for this process to do."""
        if self.here:
            self.by_workers = not self._take(AT_ONCE if self._began else FIRST) and self._tell()
            self._began = True

    def rest(self) -> None:
        """Look up here all that is left: what the cache has is no work."""
        while self._batch.unseen:
            self._take(AT_ONCE)

    def answered(self, places: Sequence[int], keys: Sequence[bytes], done: Done) -> None:
        """Take the answer of a worker that looked the inputs at some places up: what it executed is a miss, what it did not is asked."""
        known = [number for number in done.others if done.results[number] is None]
        self._cache.missed(len(done.results) - len(known))
        if known:
            self.by_workers = False
            self._ask([places[number] for number in known], [keys[number] for number in known])

    def _take(self, count: int) -> int:
        unseen = self._batch.unseen
        places = [unseen.popleft() for _ in range(min(count, len(unseen)))]
        return self._ask(places, self._keys_of([self._batch.inputs[place] for place in places]))

    def _ask(self, places: Sequence[int], keys: Sequence[bytes]) -> int:
        """Ask the cache; return how many it has."""
        batch, found = self._batch, self._cache.get_many(keys)
        for place, key in zip(places, keys, strict=True):
            if key in found:
                batch.find(place, found[key])
            else:
                batch.keys[place] = key
                batch.pending.append(place)
        return len(found)

    def _tell(self) -> bool:
        """Tell the workers what the memory holds, once a batch: what it takes in later the index knows too."""
        if self._told or self._held is None:
            return self._told
        if len(self._cache.memory) <= HELD_PER_INPUT * len(self._batch.inputs):
            with contextlib.suppress(OSError):
                self._held.write_bytes(packed(self._cache.held()))
                self._told = True
        return self._told
