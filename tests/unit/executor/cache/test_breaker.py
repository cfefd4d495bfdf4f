"""The breaker."""

from veritape.executor.cache.breaker import OPEN_NS, WINDOW_NS, Breaker

SECOND = 1_000_000_000


def test_five_failures_in_ten_seconds_open_it_for_five() -> None:
    """EX-410: four are let pass, five in the window open it, and it closes by itself."""
    breaker = Breaker()
    for second in range(4):
        breaker.failed(second * SECOND)
        assert breaker.allows(second * SECOND)
    breaker.failed(9 * SECOND)
    assert not breaker.allows(9 * SECOND)
    assert not breaker.allows(9 * SECOND + OPEN_NS - 1)
    assert breaker.allows(9 * SECOND + OPEN_NS)


def test_failures_far_apart_do_not_open_it() -> None:
    """EX-410: only failures within the window count together."""
    breaker = Breaker()
    for place in range(20):
        breaker.failed(place * WINDOW_NS // 3)
        assert breaker.allows(place * WINDOW_NS // 3)
