"""The layer in Redis when there is no Redis; with a real one in tests/servers."""

import pytest

from veritape.executor.adapters.cache.redis_layer import RedisLayer
from veritape.executor.cache.entries import Entry
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import MisuseError

NOBODY = "redis://127.0.0.1:1/0"
KEY = b"k" * 32


def test_without_a_secret_the_layer_is_refused_with_the_settings_name() -> None:
    """EX-407: no secret configured: refused at start."""
    with pytest.raises(MisuseError, match=r"cache\.secret_file"):
        RedisLayer(NOBODY, b"short", ManualClock(), lambda: None)
    with pytest.raises(MisuseError, match=r"cache\.redis_url"):
        RedisLayer("no address", b"s" * 32, ManualClock(), lambda: None)


def test_a_server_that_is_gone_costs_nothing_but_a_count() -> None:
    """EX-410: nothing raises; five failures open the breaker for five seconds, in which nobody asks; leases are granted."""
    clock, failures = ManualClock(), []
    layer = RedisLayer(NOBODY, b"s" * 32, clock, lambda: failures.append(1))
    assert layer.get(KEY) is None
    layer.put(Entry(KEY, 0, b"body"))
    layer.drop(KEY)
    layer.renew(KEY, "token")
    assert layer.acquire(KEY, "token") is True
    assert len(failures) == 5
    assert not layer.breaker.allows(clock.monotonic_ns())
    layer.release(KEY, "token")
    assert layer.get(KEY) is None
    assert len(failures) == 5
    clock.advance_ns(5_000_000_000)
    assert layer.get(KEY) is None
    assert len(failures) == 6
    layer.close()
