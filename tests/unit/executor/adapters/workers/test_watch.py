"""Signs of life."""

import threading
from pathlib import Path

from tests.receipt_caches import ENDLESS, disk_cache, runtime

from veritape.executor.adapters.cache.redis_layer import RedisLayer
from veritape.executor.adapters.workers.watch import Watch
from veritape.executor.health import Status, ready, status
from veritape.kernel.clock import ManualClock, SystemClock


def broken() -> bool:
    raise RuntimeError("no worker")


def test_answers_and_losses_are_remembered(tmp_path: Path) -> None:
    """EX-593: never a constant: an answer makes it ready, silence makes it fail, a loss shows for a minute."""
    clock = ManualClock(monotonic_ns=10**12)
    with runtime(disk_cache(tmp_path)) as made:
        watch = Watch(made, made.pool, clock)
        assert not ready(watch.signs(), watch.now_ns())
        watch.ask(lambda: True)
        assert ready(watch.signs(), watch.now_ns())
        assert status(watch.signs(), watch.now_ns())[0] is Status.HEALTHY
        clock.advance_ns(11 * 10**9)
        assert status(watch.signs(), watch.now_ns())[0] is Status.FAILING
        watch.ask(broken)
        assert watch.signs().lost_because == "no worker"
        watch.ask(lambda: True)
        assert watch.signs().lost_because == ""
        assert status(watch.signs(), watch.now_ns())[0] is Status.DEGRADED
        clock.advance_ns(60 * 10**9)
        watch.ask(lambda: True)
        assert status(watch.signs(), watch.now_ns())[0] is Status.HEALTHY
        made.pool.restarts += 1
        assert status(watch.signs(), watch.now_ns())[0] is Status.DEGRADED


def test_workers_that_work_are_not_failing(tmp_path: Path) -> None:
    """EX-593: a question waits behind long jobs; when they end and nobody answers still, it fails."""
    clock, entered, release = ManualClock(monotonic_ns=10**12), threading.Event(), threading.Event()

    def held() -> bool:
        entered.set()
        return release.is_set()

    with runtime(disk_cache(tmp_path), workers=1) as made:
        watch = Watch(made, made.pool, clock)
        watch.ask(made.pool.ready)
        work = threading.Thread(target=made.run, args=(ENDLESS, b"abcd"), kwargs={"stop": held})
        work.start()
        entered.wait()
        while watch.signs().idle_workers:
            threading.Event().wait(0.01)
        clock.advance_ns(11 * 10**9)
        assert status(watch.signs(), watch.now_ns())[0] is Status.HEALTHY
        release.set()
        work.join()
        assert watch.signs().idle_workers == 1
        assert status(watch.signs(), watch.now_ns())[0] is Status.FAILING


def test_a_layer_left_alone_and_a_refusing_disk_show(tmp_path: Path) -> None:
    """EX-593: an open breaker degrades; a disk that refused the last write fails."""
    cache, clock = disk_cache(tmp_path), SystemClock()
    cache.redis = RedisLayer("redis://127.0.0.1:1", b"s" * 32, clock, lambda: None)
    with runtime(cache) as made:
        watch = Watch(made, made.pool, clock)
        watch.ask(lambda: True)
        for _ in range(5):
            cache.redis.drop(b"k" * 32)
        assert status(watch.signs(), watch.now_ns())[0] is Status.DEGRADED
        cache.disk_refused = True
        assert status(watch.signs(), watch.now_ns())[0] is Status.FAILING


def test_it_asks_by_itself(tmp_path: Path) -> None:
    """EX-593: a thread asks a real worker every few seconds."""
    with runtime(disk_cache(tmp_path)) as made:
        watch = Watch(made, made.pool, SystemClock(), ask_s=0.01)
        watch.start()
        while not ready(watch.signs(), watch.now_ns()):
            threading.Event().wait(0.01)
        watch.stop()
