"""Causes, severities, documents of gaps."""

import pytest

from veritape.observer.completeness import Edge, Hole
from veritape.observer.gaps import (
    DAY_SECONDS,
    Cause,
    Event,
    Severity,
    Watch,
    cause_of,
    document,
    gap_id,
    severity_of,
    unwatched,
)

HOLE = Hole(Edge(928, 1_688_053_600, 2, 3, 32_411), Edge(1353, 2_461_072_600, 5, 4, 32_416), 7)


def test_a_hole_inside_a_watch_is_a_lost_frame() -> None:
    """OB-673: no overlapping event: frame_lost."""
    assert cause_of(HOLE, unwatched([Watch(32_390, None, None)])) is Cause.FRAME_LOST


@pytest.mark.parametrize("cause", [Cause.WS_DISCONNECT, Cause.PROCESS_DOWN, Cause.OPERATOR_STOP])
def test_a_hole_between_two_watches_has_the_first_ones_end_as_cause(cause: Cause) -> None:
    """OB-673: the overlapping event is the cause."""
    watches = [Watch(32_390, 32_412, cause), Watch(32_414, None, None)]
    assert cause_of(HOLE, unwatched(watches)) is cause


def test_before_the_first_watch_nothing_was_watched() -> None:
    """OB-673: before a subscription."""
    assert unwatched([]) == [Event(0, DAY_SECONDS, Cause.NOT_WATCHED)]
    assert cause_of(HOLE, unwatched([Watch(32_413, None, None)])) is Cause.NOT_WATCHED


def test_the_latest_event_wins() -> None:
    """OB-673: the overlapping event with the latest start."""
    events = [Event(32_400, 32_415, Cause.WS_DISCONNECT), Event(32_413, 32_414, Cause.FRAME_QUARANTINED)]
    assert cause_of(HOLE, events) is Cause.FRAME_QUARANTINED


@pytest.mark.parametrize(
    ("shares", "residual", "severity"),
    [
        (99, False, Severity.LOW),
        (100, False, Severity.MEDIUM),
        (999, False, Severity.MEDIUM),
        (1000, False, Severity.HIGH),
        (1, True, Severity.MEDIUM),
        (99, True, Severity.MEDIUM),
        (100, True, Severity.HIGH),
    ],
)
def test_severity_by_share_of_the_reference(shares: int, residual: bool, severity: Severity) -> None:
    """OB-674: thresholds of 0.1 % and 1 %, residuals of any size."""
    assert severity_of(shares, 100_000, residual=residual) is severity


def test_the_worked_hole_as_a_document() -> None:
    """OB-672, OB-674: OB-607's gap is low while open and medium as a residual; its name is the left edge's digest."""
    opened = document(
        "KRX", "990001", "20131007", HOLE, Cause.FRAME_LOST, over_ns=None, previous_shares=3_512_044
    )
    assert opened["id"] == gap_id("KRX", "990001", "20131007", 928)
    assert len(opened["id"]) == 16
    assert (opened["severity"], opened["state"], opened["average_price"]) == ("low", "open", "1818868.2353")
    assert (opened["trades"], opened["sells"], opened["buys"]) == ({"min": 4, "max": 4}, 3, 1)
    over = document("KRX", "990001", "20131007", HOLE, Cause.FRAME_LOST, over_ns=7, previous_shares=3_512_044)
    assert (over["severity"], over["state"]) == ("medium", "residual")
    assert over["residual"] == {"trades": 4, "shares": 425, "value_krw": 773_019_000}
