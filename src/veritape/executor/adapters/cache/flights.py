"""Single flight: concurrent requests for one key do the work once (EX-409).

Threads of a process wait for the one that is at it. Processes of a machine hold a lock file, which the kernel lets go when its
holder dies; machines hold a lease in Redis, renewed while the work goes on and gone 30 seconds after its holder.
"""

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from veritape.executor.adapters.cache.redis_layer import RedisLayer

RENEW_S = 10.0
"""Seconds between two renewals of a lease."""

LOCKS = 256
"""Lock files: keys that share one wait for each other without need, and no file is ever removed."""


class Leases(Protocol):
    """The right to compute a key, among processes."""

    def held(self, key: bytes) -> contextlib.AbstractContextManager[bool]:
        """Try to take the right for as long as the context lasts; False: somebody else has it."""
        ...


class FileLeases:
    """Lock files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def held(self, key: bytes) -> Iterator[bool]:
        """Try to lock the key's file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            self._folder / f"{key[0] % LOCKS:02x}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


class RedisLeases:
    """Leases in Redis."""

    def __init__(self, layer: RedisLayer, renew_s: float = RENEW_S) -> None:
        self._layer, self._renew_s = layer, renew_s

    @contextlib.contextmanager
    def held(self, key: bytes) -> Iterator[bool]:
        """Try to take the key's lease; a thread renews it."""
        token = secrets.token_hex(16)
        if not self._layer.acquire(key, token):
            yield False
            return
        done = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(key, token, done), daemon=True)
        renewer.start()
        try:
            yield True
        finally:
            done.set()
            renewer.join()
            self._layer.release(key, token)

    def _renew(self, key: bytes, token: str, done: threading.Event) -> None:
        while not done.wait(self._renew_s):
            self._layer.renew(key, token)
