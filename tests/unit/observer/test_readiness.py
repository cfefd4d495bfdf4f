"""Whether the recorder can do its work."""

from dataclasses import replace

import pytest

from veritape.observer.readiness import CLOCK_NS, UNANSWERED_NS, UNSYNCED_NS, Check, Facts, problems

SECOND = 10**9
KEPT = 1 << 30
READY = Facts(
    is_due=True, has_universe=True, token_left_ns=SECOND, quote_answered=True, unanswered_ns=UNANSWERED_NS - 1,
    is_connected=True, unsynced_ns=UNSYNCED_NS - 1, disk_free_bytes=2 * KEPT, disk_bytes=10 * KEPT, disk_kept_bytes=KEPT,
    clock_offset_ns=CLOCK_NS,
)  # fmt: skip


def test_everything_that_stands_is_ready() -> None:
    """OB-411: no problem; a clock that nobody stated is none."""
    assert problems(READY) == ()
    assert problems(replace(READY, clock_offset_ns=None, quote_answered=None)) == ()


@pytest.mark.parametrize(
    ("changes", "check", "at_night"),
    [
        ({"has_universe": False}, Check.UNIVERSE_IN_FORCE, False),
        ({"token_left_ns": None}, Check.TOKEN_VALID, False),
        ({"token_left_ns": 0}, Check.TOKEN_VALID, False),
        ({"quote_answered": False}, Check.BROKER_REACHABLE, False),
        ({"unanswered_ns": UNANSWERED_NS}, Check.BROKER_REACHABLE, True),
        ({"unsynced_ns": UNSYNCED_NS}, Check.JOURNAL_WRITABLE, True),
        ({"is_connected": False}, Check.WEBSOCKET, False),
        ({"disk_free_bytes": KEPT}, Check.DISK_SPACE, True),
        ({"disk_bytes": 40 * KEPT}, Check.DISK_SPACE, True),
        ({"clock_offset_ns": CLOCK_NS + 1}, Check.CLOCK, True),
        ({"clock_offset_ns": -CLOCK_NS - 1}, Check.CLOCK, True),
    ],
)
def test_every_precondition_removed_in_turn_gives_its_own_reason(
    changes: dict[str, object], check: Check, at_night: bool
) -> None:
    """OB-411, TL-720: token, broker, socket, universe, journal, disk, clock; what a session needs does not fail at night."""
    facts = replace(READY, **changes)  # type: ignore[arg-type]
    assert problems(facts) == (check,)
    assert problems(replace(facts, is_due=False)) == ((check,) if at_night else ())
