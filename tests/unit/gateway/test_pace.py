"""The pace of a body."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.pace import SILENCE_S, WINDOW_BYTES, WINDOW_S, BodyPace


def test_silence_ends_it() -> None:
    """GW-553: 15 s without a byte, not a moment before."""
    pace = BodyPace(0.0, 0.0)
    pace.receive(100_000, 1.0)
    assert not pace.is_late(15.9)
    assert pace.is_late(16.0)


def test_a_drip_ends_it() -> None:
    """GW-553: below 64 B/s over 10 s; at 64 B/s it goes on."""
    pace = BodyPace(0.0, 0.0)
    pace.receive(WINDOW_BYTES - 1, 9.0)
    assert not pace.is_late(9.9)
    assert pace.is_late(10.0)
    pace = BodyPace(0.0, 0.0)
    pace.receive(WINDOW_BYTES, 9.0)
    assert not pace.is_late(10.0)
    assert (pace.window_s, pace.window_bytes) == (10.0, 0)


def test_what_was_our_fault_is_excused() -> None:
    """GW-553, GW-554: while the upstream pauses the client, the client is not slow."""
    pace = BodyPace(0.0, 0.0)
    pace.excuse(100.0)
    assert not pace.is_late(100.0)
    assert pace.due_s() == 100.0 + WINDOW_S


@given(st.lists(st.tuples(st.floats(0.1, 5.0), st.integers(0, 2_000)), max_size=40))
def test_a_body_at_the_rate_is_never_late(steps: list[tuple[float, int]]) -> None:
    """GW-553: whoever sends 64 bytes in every second passes; looks come no later than due."""
    pace, now = BodyPace(0.0, 0.0), 0.0
    for second, extra in steps:
        now += 1.0
        pace.receive(64 + extra, now)
        assert second < SILENCE_S
        assert pace.due_s() - now <= SILENCE_S
        if now >= pace.due_s():
            assert not pace.is_late(now)
