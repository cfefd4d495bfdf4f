"""What is remembered of look-ups, for how long, and how much."""

import os

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.look_ups import (
    FOUND_LIMIT,
    FOUND_NS,
    SECOND_NS,
    STALE_NS,
    UNKNOWN_LIMIT,
    UNKNOWN_NS,
    Answer,
    LookUps,
)

FLOOD = 1_000_000 if os.environ.get("VERITAPE_SOAK") else 150_000  # noqa: TID251 - a test's size
"""Random keys of the flood."""


def test_the_specifications_numbers() -> None:
    """GW-418: 100,000 keys for 60 s, 10,000 unknown ones for 5 s, 300 s while the store is gone."""
    assert (FOUND_LIMIT, FOUND_NS, UNKNOWN_LIMIT, UNKNOWN_NS, STALE_NS) == (
        100_000, 60 * SECOND_NS, 10_000, 5 * SECOND_NS, 300 * SECOND_NS,
    )  # fmt: skip


def test_answers_are_fresh_for_their_time() -> None:
    """GW-418: to the nanosecond; an unknown answer never serves as stale."""
    kept: LookUps[str, int] = LookUps()
    assert kept.fresh("a", 0) is None
    kept.keep("a", 1, 0)
    kept.keep("b", None, 0)
    assert kept.fresh("a", FOUND_NS - 1) == Answer(1, 0)
    assert kept.fresh("a", FOUND_NS) is None
    assert kept.stale("a", STALE_NS - 1) == 1
    assert kept.stale("a", STALE_NS) is None
    assert kept.fresh("b", UNKNOWN_NS - 1) == Answer(None, 0)
    assert kept.fresh("b", UNKNOWN_NS) is None
    assert kept.stale("b", 1) is None


def test_a_key_that_appears_or_vanishes_is_remembered_once() -> None:
    """GW-418: the later answer of the store counts."""
    kept: LookUps[str, int] = LookUps()
    kept.keep("a", None, 0)
    kept.keep("a", 1, 1)
    assert (kept.fresh("a", 2), len(kept)) == (Answer(1, 1), 1)
    kept.keep("a", None, 3)
    assert (kept.fresh("a", 4), len(kept)) == (Answer(None, 3), 1)


def test_a_change_forgets_what_it_concerns_and_all_that_is_unknown() -> None:
    """GW-418: a key that was unknown may have been created."""
    kept: LookUps[str, str] = LookUps()
    kept.keep("a", "acme", 0)
    kept.keep("b", "bolt", 0)
    kept.keep("c", None, 0)
    kept.forget(lambda value: value == "acme")
    assert [kept.fresh(key, 1) for key in "abc"] == [None, Answer("bolt", 0), None]


def test_at_the_bound_the_least_recently_used_goes() -> None:
    """GW-908: what is in use stays."""
    kept: LookUps[str, int] = LookUps(found_limit=2)
    kept.keep("a", 1, 0)
    kept.keep("b", 2, 0)
    kept.fresh("a", 1)
    kept.keep("c", 3, 1)
    assert [kept.fresh(key, 2) is not None for key in "abc"] == [True, False, True]


def test_a_flood_of_random_keys_leaves_the_bound_and_every_known_key() -> None:
    """GW-418, GW-908: unknown keys drive no known one out, and 10,000 of them are remembered."""
    kept: LookUps[int, int] = LookUps()
    kept.keep(-1, 7, 0)
    for number in range(FLOOD):
        kept.keep(number, None, 0)
    assert len(kept) == UNKNOWN_LIMIT + 1
    assert kept.fresh(-1, 1) == Answer(7, 0)
    for number in range(FLOOD):
        kept.keep(number, number, 0)
    assert len(kept) <= FOUND_LIMIT + UNKNOWN_LIMIT


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 3), st.integers(0, 70)), max_size=60))
def test_a_fresh_answer_is_always_the_stores_last_within_its_time(
    steps: list[tuple[int, int | None, int]],
) -> None:
    """GW-418: against a model that remembers everything."""
    kept: LookUps[int, int] = LookUps(found_limit=3, unknown_limit=2)
    told: dict[int, tuple[int | None, int]] = {}
    now_ns = 0
    for key, value, seconds in steps:
        now_ns += seconds * SECOND_NS
        answer = kept.fresh(key, now_ns)
        if answer is not None:
            assert answer == told[key]
            assert now_ns - answer.at_ns < (UNKNOWN_NS if answer.value is None else FOUND_NS)
        kept.keep(key, value, now_ns)
        told[key] = (value, now_ns)
        assert len(kept) <= 5
