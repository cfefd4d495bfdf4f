"""Batches become jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.runtime.batching import (
    CHUNK_ITEMS,
    CHUNK_S,
    FIRST_ITEMS,
    LEAST_S,
    MAX_ITEMS,
    WAITING_S,
    Chunks,
    Doubling,
    Schedule,
    check_size,
    distinct,
    twins,
)
from veritape.executor.runtime.outcomes import RuntimeReason
from veritape.kernel.errors import MisuseError


@given(st.lists(st.binary(max_size=2), max_size=50))
def test_equal_inputs_count_once(inputs: list[bytes]) -> None:
    """EX-344: distinct inputs in order; every input finds its own among them."""
    chosen, places = distinct(inputs)
    assert len(set(chosen)) == len(chosen)
    assert [chosen[place] for place in places] == inputs


@given(st.lists(st.binary(max_size=2), max_size=50))
def test_a_twin_is_the_first_of_its_equals(inputs: list[bytes]) -> None:
    """EX-344: an input that came before names its first; the first of each kind names none."""
    for place, twin in enumerate(twins(inputs)):
        first = inputs.index(inputs[place])
        assert twin == (None if first == place else first)


def test_a_batch_has_at_most_65536_items() -> None:
    """EX-345: one more is refused with the remedy; none at all is fine."""
    check_size(0)
    check_size(65_536)
    with pytest.raises(MisuseError, match="make several batches") as caught:
        check_size(65_537)
    assert caught.value.reason is RuntimeReason.TOO_MANY_ITEMS


IDLE = [0.0, 0.0]
"""Two workers that have nothing to do."""


def test_a_piece_is_about_a_second_and_at_most_a_thousand_items() -> None:
    """EX-343: small at first, then by the pace."""
    chunks = Chunks()
    assert chunks.size(5000, IDLE) == FIRST_ITEMS
    chunks.done(16, 0.000_5)
    assert chunks.size(5000, IDLE) == CHUNK_ITEMS
    chunks.done(16, 1.6)
    assert chunks.size(5000, IDLE) == 10
    chunks.done(1, 30.0)
    assert chunks.size(5000, IDLE) == 1
    assert Chunks().size(7, IDLE) == 4
    assert Chunks().size(1, [0.0] * 8) == 1


def test_the_last_jobs_end_together() -> None:
    """EX-913: who is free first takes what makes it end with the other; a tiny rest goes with the last job, a long job is halved."""
    chunks = Chunks()
    chunks.done(1000, 0.02)
    assert chunks.size(1200, [0.0, 0.01]) == 850
    assert chunks.size(350, [0.017, 0.01]) == 350
    assert chunks.size(1200, [0.0, 0.002]) == 650
    assert chunks.size(390, [0.0, 0.0]) == 390
    assert chunks.size(100, [0.5, 0.01]) == 100
    chunks.done(10, 1.0)
    assert chunks.size(12, IDLE) == 3
    chunks.done(10, 0.5)
    assert chunks.size(400, IDLE) == 20
    chunks.done(10, 0.05)
    assert chunks.size(8, IDLE) == 4


@given(st.integers(1, 65_536), st.lists(st.floats(0, 3.0), min_size=1, max_size=8), st.floats(1e-6, 2.0))
def test_no_job_is_over_its_bounds(items: int, busy_s: list[float], pace_s: float) -> None:
    """EX-343: all items are handed out; none of the jobs is over a thousand of them, or over a second unless one item is."""
    chunks = Chunks()
    chunks.done(1, pace_s)
    left = items
    while left:
        size = min(left, chunks.size(left, busy_s))
        assert 1 <= size <= CHUNK_ITEMS
        assert size * pace_s <= CHUNK_S or size == 1
        left -= size


@given(st.integers(1, 65_536), st.integers(1, 8), st.floats(1e-6, 0.3))
def test_workers_end_together(items: int, workers: int, pace_s: float) -> None:
    """EX-343, EX-913: of items that are alike, the last worker ends no later after the first than a short job takes and an item for each worker."""
    chunks, schedule, ends = Chunks(), Schedule(workers), [0.0] * workers
    chunks.done(1, pace_s)
    left, job = items, 0
    while left:
        size = min(left, chunks.size(left, schedule.busy_s(0.0)))
        schedule.sent(job, size * pace_s, 0.0)
        ends[ends.index(min(ends))] += size * pace_s
        left, job = left - size, job + 1
    assert sorted(schedule.busy_s(0.0)) == pytest.approx(sorted(ends))
    assert max(ends) - min(ends) <= 2 * LEAST_S + (workers + 1) * max(pace_s, CHUNK_S / MAX_ITEMS)


def test_a_schedule_learns_when_jobs_end() -> None:
    """EX-913: a job goes to who is free first; one that ends late or early moves what waits behind it."""
    schedule = Schedule(2)
    schedule.sent("a", 2.0, 10.0)
    schedule.sent("b", 3.0, 10.0)
    schedule.sent("c", 2.0, 10.0)
    assert schedule.busy_s(11.0) == [3.0, 2.0]
    schedule.answered("a", 13.0)
    assert schedule.busy_s(13.0) == [2.0, 0.0]
    schedule.answered("b", 13.5)
    schedule.sent("d", 1.0, 14.0)
    assert schedule.busy_s(14.0) == [1.0, 1.0]
    schedule.answered("d", 14.5)
    schedule.answered("c", 14.5)
    assert schedule.busy_s(14.5) == [0.0, 0.0]


def test_a_job_that_waits_is_short() -> None:
    """EX-353, EX-913: none waits before the pace is known, or where one item takes longer than handing out by far."""
    chunks = Chunks()
    assert chunks.ahead(5000, IDLE) == 0
    chunks.done(100, 100 * WAITING_S / 10)
    assert chunks.ahead(5000, IDLE) == 10
    assert chunks.ahead(6, IDLE) == 2
    chunks.done(10, 0.000_1)
    assert chunks.ahead(5000, IDLE) == CHUNK_ITEMS
    chunks.done(1, 2 * WAITING_S)
    assert chunks.ahead(5000, IDLE) == 0


def test_the_best_batch_size_is_found_by_doubling() -> None:
    """EX-358: doubled from 16 until the gain is under 10 %, or something binds."""
    search = Doubling()
    for seconds in (1.0, 0.6, 0.4, 0.39):
        search.measured(seconds)
    assert (search.size, search.found) == (64, True)
    bound = Doubling()
    bound.measured(1.0)
    bound.measured(0.5, bound=True)
    assert (bound.size, bound.found) == (32, True)
