"""Counts of gaps: they add up after every look."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.gap_counts import GapCounts, Seen
from veritape.observer.gaps import Cause, State
from veritape.observer.severity import Severity

LOOK = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(Seen, st.sampled_from(Severity), st.sampled_from(Cause), st.sampled_from(State)),
)


@given(st.lists(st.tuples(LOOK, st.booleans()), max_size=12))
def test_counts_add_up_at_every_moment(looks: list[tuple[dict[str, Seen], bool]]) -> None:
    """TL-190, TL-210: detected = low + medium + high + those still open below high; counters never fall."""
    counts = GapCounts()
    before = (0, 0)
    for gaps, is_over in looks:
        counts.look(gaps.items(), day_is_over=is_over)
        below = counts.open(Severity.LOW) + counts.open(Severity.MEDIUM)
        assert counts.detected == sum(counts.closed.values()) + below
        now = (counts.detected, sum(counts.causes.values()))
        assert now >= before
        before = now
    assert sum(counts.causes.values()) <= counts.detected


def test_a_gap_is_counted_once_however_often_it_is_seen() -> None:
    """OB-671: opened once, closed once with its last severity and cause; gone means filled."""
    counts = GapCounts()
    low = Seen(Severity.LOW, Cause.FRAME_LOST, State.OPEN)
    for _ in range(3):
        counts.look([("a", low)])
    assert (counts.detected, counts.open(Severity.LOW)) == (1, 1)
    counts.look([("a", low._replace(severity=Severity.MEDIUM))])
    counts.look([])
    assert (counts.closed[Severity.MEDIUM], counts.causes[Cause.FRAME_LOST]) == (1, 1)
    counts.look([("a", low)])
    assert counts.detected == 1, "an ended gap does not come back"


def test_one_that_was_high_stays_high_and_counts_there_alone() -> None:
    """TL-210: high counts when it is reached, open or not."""
    counts = GapCounts()
    high = Seen(Severity.HIGH, Cause.WS_DISCONNECT, State.OPEN)
    counts.look([("a", high)])
    assert counts.closed[Severity.HIGH] == counts.open(Severity.HIGH) == 1
    counts.look([("a", high._replace(severity=Severity.LOW, state=State.FILLED))])
    assert (counts.closed[Severity.HIGH], counts.closed[Severity.LOW]) == (1, 0)
    counts.look([("b", high._replace(severity=Severity.LOW))], day_is_over=True)
    assert (counts.closed[Severity.LOW], counts.open(Severity.LOW)) == (1, 0)
