"""When the venue may be asked again."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.binance.limits import MINUTE_NS, Weights

SECOND = NANOSECONDS


def test_the_own_calls_of_any_sixty_seconds_stay_below_the_limit() -> None:
    """OB-908: the third call of 40 waits until the first is a minute old."""
    weights = Weights(100)
    for at_ns in (0, 5):
        assert weights.due_ns(40, at_ns) <= at_ns
        weights.sent(40, at_ns)
    assert weights.due_ns(20, 6) <= 6
    assert weights.due_ns(40, 6) == MINUTE_NS
    assert weights.due_ns(80, 6) == 5 + MINUTE_NS
    assert weights.due_ns(40, MINUTE_NS) <= MINUTE_NS


def test_what_the_venue_says_counts_too() -> None:
    """OB-908: others behind the same address use it up; the header is observed and obeyed."""
    weights = Weights(100)
    weights.answered(200, {"X-MBX-USED-WEIGHT-1M": "97"}, 5)
    assert weights.said_used == 97
    assert weights.due_ns(3, 6) <= 6
    assert weights.due_ns(4, 6) == 5 + MINUTE_NS
    weights.sent(3, 7)
    assert weights.due_ns(1, 8) == 5 + MINUTE_NS
    assert weights.due_ns(4, 5 + MINUTE_NS) <= 5 + MINUTE_NS


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"Retry-After": "7"}, 7), (418, {"Retry-After": "120"}, 120), (429, {}, 60), (418, {}, 120),
        (429, {"Retry-After": "soon"}, 60), (429, {"Retry-After": "-5"}, 60), (429, {"Retry-After": "2.5"}, 3),
        (418, {"Retry-After": "999999999"}, 3 * 86_400), (200, {"Retry-After": "7"}, 0), (503, {}, 0),
    ],
)  # fmt: skip
def test_a_refusal_is_waited_out(status: int, headers: dict[str, str], wait_s: int) -> None:
    """OB-908: HTTP 429 and 418 honoured with Retry-After; without a word a minute, or two."""
    weights = Weights(100)
    weights.answered(status, headers, SECOND)
    assert max(weights.due_ns(1, SECOND), SECOND) == SECOND + wait_s * SECOND
    assert weights.refusals == (status in {418, 429})


def test_a_shorter_refusal_does_not_shorten_a_longer_one() -> None:
    """OB-908: a ban stays a ban."""
    weights = Weights(100)
    weights.answered(418, {"Retry-After": "600"}, 0)
    weights.answered(429, {"Retry-After": "1"}, SECOND)
    assert weights.due_ns(1, 2 * SECOND) == 600 * SECOND


def test_calls_without_an_answer_wait_ever_longer() -> None:
    """OB-908: 1, 2, 4 ... 64 seconds; an answer begins anew."""
    weights, waits = Weights(100), []
    for _ in range(8):
        weights.failed(0)
        waits.append(weights.due_ns(1, 0) // SECOND)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64]
    weights.answered(200, {}, 0)
    weights.failed(70 * SECOND)
    assert weights.due_ns(1, 70 * SECOND) == 71 * SECOND


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 20 * SECOND), st.none() | st.integers(0, 120)),
        max_size=60,
    )
)
def test_no_sixty_seconds_hold_more_than_the_limit(calls: list[tuple[int, int, int | None]]) -> None:
    """OB-908: whatever is called when and whatever the venue says of others."""
    weights, now_ns, sent = Weights(100), 0, deque[tuple[int, int]]()
    for weight, pause_ns, said in calls:
        now_ns = max(now_ns + pause_ns, weights.due_ns(weight, now_ns + pause_ns))
        weights.sent(weight, now_ns)
        sent.append((now_ns, weight))
        headers = {} if said is None else {"X-MBX-USED-WEIGHT-1M": str(said)}
        weights.answered(200, headers, now_ns)
        assert sum(cost for at_ns, cost in sent if at_ns > now_ns - MINUTE_NS) <= 100
