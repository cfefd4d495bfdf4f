"""Whether the recorder can do its work."""

from dataclasses import replace

import pytest

from veritape.observer.readiness import CLOCK_NS, DISK_BYTES, Check, Facts, problems

SECOND = 10**9
READY = Facts(
    is_due=True, has_universe=True, token_left_ns=SECOND, quote_answered=True, is_connected=True,
    disk_free_bytes=2 * DISK_BYTES, disk_bytes=10 * DISK_BYTES, clock_offset_ns=CLOCK_NS,
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
        ({"quote_answered": False}, Check.QUOTE_ANSWERED, False),
        ({"is_connected": False}, Check.WEBSOCKET, False),
        ({"disk_free_bytes": DISK_BYTES}, Check.DISK_SPACE, True),
        ({"disk_bytes": 40 * DISK_BYTES}, Check.DISK_SPACE, True),
        ({"clock_offset_ns": CLOCK_NS + 1}, Check.CLOCK, True),
        ({"clock_offset_ns": -CLOCK_NS - 1}, Check.CLOCK, True),
    ],
)
def test_every_precondition_removed_in_turn_gives_its_own_reason(
    changes: dict[str, object], check: Check, at_night: bool
) -> None:
    """OB-411: token, quote, socket, universe, disk, clock; what a session needs does not fail at night."""
    facts = replace(READY, **changes)  # type: ignore[arg-type]
    assert problems(facts) == (check,)
    assert problems(replace(facts, is_due=False)) == ((check,) if at_night else ())
