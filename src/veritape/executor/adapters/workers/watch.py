"""Signs of life of the executor's service: asks a worker now and then, and remembers (EX-593)."""

import threading
from collections.abc import Callable

from veritape.executor.adapters.workers.pool import WorkerPool
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.health import Signs
from veritape.kernel.clock import Clock

ASK_S = 3.0
"""Seconds between two questions to a worker."""


class Watch:
    """Asks in a thread of its own; who wants to know looks at what was remembered."""

    def __init__(self, runtime: L2Runtime, pool: WorkerPool, clock: Clock, ask_s: float = ASK_S) -> None:
        self.runtime, self._pool, self._clock, self._ask_s = runtime, pool, clock, ask_s
        self._started_ns = clock.monotonic_ns()
        self._answered_ns: int | None = None
        self._restarts = pool.restarts
        self._lost_ns: int | None = None
        self._lost_because = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._done.set()

    def now_ns(self) -> int:
        """Return the monotonic clock that signs are of."""
        return self._clock.monotonic_ns()

    def signs(self) -> Signs:
        """Return what is known now."""
        self._note_losses()
        redis = self.runtime.cache.redis
        alone = redis is not None and not redis.breaker.allows(self.now_ns())
        queue = self.runtime.figures.queue_length()
        return Signs(
            self._answered_ns,
            self._lost_ns,
            self.runtime.cache.disk_refused,
            alone,
            queue,
            self._started_ns,
            self.runtime.queue_limit,
            self._pool.workers - self.runtime.figures.busy_workers(),
            self._lost_because,
        )

    def ask(self, ready: Callable[[], bool]) -> None:
        """Ask once, and remember an answer or a loss."""
        try:
            if ready():
                self._answered_ns, self._lost_because = self.now_ns(), ""
        except Exception as error:  # noqa: BLE001 - whatever a broken pool raises: there was no answer
            self._lost_ns, self._lost_because = self.now_ns(), str(error) or type(error).__name__
        self._note_losses()

    def _run(self) -> None:
        while True:
            self.ask(self._pool.ready)
            self.runtime.figures.tick(self.now_ns())
            if self._done.wait(self._ask_s):
                return

    def _note_losses(self) -> None:
        if self._pool.restarts != self._restarts:
            self._restarts = self._pool.restarts
            self._lost_ns = self.now_ns()
