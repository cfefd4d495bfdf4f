"""The limiter: no window of arrivals holds more than N, whatever the network, the clock and the processes do."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pacing_world import World

from veritape.observer.lanes import Lane, WaitingRoom
from veritape.observer.pacing import (
    CALL_NS,
    MEMORY_NS,
    PAUSE_NS,
    Pace,
    PaceFigures,
    Permit,
    Slot,
    SlotState,
)

SECOND = 1_000_000_000
MS = SECOND // 1000
HISTORIES = 100_000 if os.environ.get("VERITAPE_SOAK") else 10_000  # noqa: TID251 - the two sizes of one test


def alive(_process: int, _granted_ns: int) -> bool:
    return True


def take(pace: Pace, now: int) -> Permit:
    outcome = pace.grant(now, 1, alive)
    assert isinstance(outcome, Permit), outcome
    return outcome


def sweep_seconds(calls: int, permits: int, round_trip_ns: int) -> float:
    """Return when the last of some calls is answered that all wait at time 0."""
    pace, now, answers = Pace(permits), 0, list[tuple[int, Permit]]()
    last = 0
    for _ in range(calls):
        while True:
            for answer in [one for one in answers if one[0] <= now]:
                pace.answered(answer[1], answer[0])
                answers.remove(answer)
            outcome = pace.grant(now, 1, alive)
            if isinstance(outcome, Permit):
                break
            now = min([outcome, *(at for at, _ in answers)])
        last = now + round_trip_ns
        answers.append((last, outcome))
    return last / SECOND


def test_no_window_of_arrivals_holds_more_than_n_in_any_history() -> None:
    """OB-1016, OB-252, OB-253, OB-255, OB-256: random delays, stalls, cancels, deaths, stale stamps, refusals, 3 components."""
    worlds = (World(seed, through_the_page=seed % 20 == 0) for seed in range(HISTORIES))
    arrivals = cancelled = died = 0
    for world in worlds:
        world.play()
        assert world.largest_excess() <= 0, f"seed {world.seed}"
        arrivals += len(world.arrivals)
        cancelled += world.cancelled
        died += bool(world.dead)
    assert arrivals > 20 * HISTORIES
    assert cancelled > HISTORIES
    assert died > HISTORIES // 20


class Leaking(Pace):
    """A limiter with a bug: an answered permit is free at once."""

    def answered(self, permit: Permit, now_ns: int) -> None:
        super().answered(permit, now_ns)
        self.slots[permit.slot] = Slot()


def test_a_limiter_that_returns_permits_too_early_is_found_out() -> None:
    """OB-1016: the histories find a planted fault."""
    worlds = [World(seed, limiter=Leaking) for seed in range(50)]
    for world in worlds:
        world.play()
    assert max(world.largest_excess() for world in worlds) > 0


@pytest.mark.parametrize(("round_trip_ms", "seconds"), [(20, 3.7467), (200, 4.4667)])
def test_a_sweep_of_two_thousand_symbols_takes_what_the_formula_says(
    round_trip_ms: int, seconds: float
) -> None:
    """OB-203: call 67 of 67 is answered at 3(1 + t) + 12/18 + t: 3.75 s at 20 ms, 4.47 at 200."""
    trip = round_trip_ms / 1000
    assert 3 * (1 + trip) + 12 / 18 + trip == pytest.approx(seconds, abs=1e-4)
    assert sweep_seconds(67, 18, round_trip_ms * MS) == pytest.approx(seconds, abs=1e-4)


def test_single_quotes_of_two_thousand_symbols_take_nearly_two_minutes() -> None:
    """OB-204: 111.6 s at 5 ms."""
    assert sweep_seconds(2_000, 18, 5 * MS) == pytest.approx(111.6, abs=0.1)


def test_grants_are_spread_over_the_second() -> None:
    """OB-254: spaced by at least 1/N s; spacing = false removes only this."""
    pace = Pace(10)
    take(pace, 0)
    assert pace.grant(0, 1, alive) == SECOND // 10
    take(pace, SECOND // 10)
    burst = Pace(10, spacing=False)
    outcomes = [burst.grant(0, 1, alive) for _ in range(11)]
    assert [isinstance(outcome, Permit) for outcome in outcomes] == [True] * 10 + [False]
    assert outcomes[-1] == SECOND // 10
    for outcome in outcomes[:-1]:
        assert isinstance(outcome, Permit)
        burst.answered(outcome, 5 * MS)
    assert burst.grant(6 * MS, 1, alive) == SECOND + 5 * MS


def test_a_clock_that_stands_still_or_steps_back_grants_no_more() -> None:
    """OB-255: a now below the last seen counts as the last seen; equal stamps grant at most N."""
    pace = Pace(2, spacing=False)
    first = take(pace, 5 * SECOND)
    take(pace, 4 * SECOND)
    pace.answered(first, 3 * SECOND)
    assert pace.grant(0, 1, alive) == 6 * SECOND
    assert pace.figures.in_use == 2


def test_a_call_that_was_never_sent_returns_its_permit_at_once() -> None:
    """OB-255: cancelled before it was sent; afterwards the permit is nobody's."""
    pace = Pace(1, spacing=False)
    permit = take(pace, 0)
    pace.cancelled(permit)
    again = take(pace, 1)
    pace.cancelled(permit)
    pace.answered(permit, 2)
    assert pace.slots[again.slot].state is SlotState.IN_FLIGHT


def test_a_dead_holders_permit_returns_eleven_seconds_after_its_grant() -> None:
    """OB-256: timeout + 1 s, and only when the holder is dead."""
    pace = Pace(1, spacing=False)
    take(pace, 0)
    asked: list[tuple[int, int]] = []

    def dead(process: int, granted_ns: int) -> bool:
        asked.append((process, granted_ns))
        return False

    assert isinstance(pace.grant(CALL_NS + SECOND - 1, 2, dead), int)
    assert asked == []
    assert isinstance(pace.grant(CALL_NS + SECOND, 2, alive), int)
    assert isinstance(pace.grant(CALL_NS + SECOND, 2, dead), Permit)
    assert asked == [(1, 0)]


def refuse(pace: Pace, now: int) -> int:
    """Let one request be granted, refused and answered at once; return N."""
    permit = take(pace, now)
    pace.refused(permit, now)
    pace.answered(permit, now)
    return pace.permits


def test_repeated_refusals_lower_n_by_the_stated_sequence() -> None:
    """OB-258: 18, 14, 11, 8, 6, 4, 3, 2, 1; each lowering pauses every lane for a second."""
    pace, now, sequence = Pace(18), 0, [18]
    assert refuse(pace, now) == 18
    while pace.permits > 1:
        now += 1_500 * MS
        sequence.append(refuse(pace, now))
        assert pace.grant(now, 1, alive) == now + PAUSE_NS
    assert sequence == [18, 14, 11, 8, 6, 4, 3, 2, 1]
    assert refuse(pace, now + 2 * SECOND) == 1
    assert pace.figures == PaceFigures(1, 1, pace.ceiling, 10, 9)


def test_refusals_of_requests_from_before_the_lowering_lower_nothing_more() -> None:
    """OB-258: eighteen requests that one overload refused together are two refusals, not eighteen."""
    pace = Pace(18, spacing=False)
    permits = [take(pace, 0) for _ in range(18)]
    for permit in permits:
        pace.refused(permit, 5)
        pace.answered(permit, 5)
    assert (pace.permits, pace.figures.refusals, pace.figures.pauses) == (14, 18, 1)


def test_a_quiet_minute_raises_n_up_to_the_ceiling() -> None:
    """OB-258: after 60 s without a refusal N := N + 1; two refusals over a minute apart lower nothing."""
    pace = Pace(18)
    refuse(pace, 0)
    refuse(pace, 2 * SECOND)
    assert pace.permits == 14
    start = 2 * SECOND
    for minute, permits in ((1, 15), (2, 16), (3, 17), (4, 18), (9, 18)):
        pace.grant(start + minute * MEMORY_NS - 1, 1, alive)
        assert pace.permits == min(permits - 1, 18) or permits == 18
        pace.grant(start + minute * MEMORY_NS, 1, alive)
        assert pace.permits == permits
    apart = Pace(18)
    assert [refuse(apart, 0), refuse(apart, MEMORY_NS)] == [18, 18]


def test_three_refusals_at_one_n_make_a_ceiling_for_the_day() -> None:
    """OB-259: ceiling := N - 1, stored until the next KST day; the refusals must lie within ten minutes."""
    pace = Pace(18)
    pace.begin_day(20261120)
    assert [refuse(pace, minute * 61 * SECOND) for minute in range(3)] == [18, 18, 17]
    pace.grant(1_000 * SECOND, 1, alive)
    assert (pace.permits, pace.ceiling) == (17, 17)
    pace.begin_day(20261120)
    assert pace.ceiling == 17
    pace.begin_day(20261121)
    assert pace.ceiling == 18
    slow = Pace(18)
    assert [refuse(slow, ten * 301 * SECOND) for ten in range(4)] == [18, 18, 18, 18]


def test_figures_are_those_of_the_live_state() -> None:
    """OB-260: permits in use, N, ceiling, refusals, pauses."""
    pace = Pace(3, spacing=False)
    permits = [take(pace, 0) for _ in range(2)]
    pace.answered(permits[0], 1)
    assert pace.figures == PaceFigures(2, 3, 3, 0, 0)
    assert isinstance(pace.grant(2 * SECOND, 1, alive), Permit)
    assert pace.figures.in_use == 2


@given(st.integers(1, 20), st.lists(st.integers(0, 700), max_size=60))
def test_n_and_its_ceiling_stay_in_their_range(limit: int, gaps: list[int]) -> None:
    """OB-258, OB-259: 1 <= N <= ceiling <= the setting, after any refusals at any times."""
    pace, now = Pace(limit), 0
    for gap in gaps:
        now += gap * SECOND // 10
        outcome = pace.grant(now, 1, alive)
        if isinstance(outcome, Permit):
            pace.refused(outcome, now)
            pace.answered(outcome, now)
        assert 1 <= pace.permits <= pace.ceiling <= limit


def test_no_lane_starves_behind_full_ones() -> None:
    """OB-1016, OB-257: with every lane full for five minutes, each is served at least every six seconds."""
    chance = random.Random(3)
    pace, room, now = Pace(18), WaitingRoom(), 0
    served: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    for lane in Lane:
        for _ in range(1_000):
            room.enter(lane, 0)
    while now < 300 * SECOND:
        ticket = room.head(now)
        assert ticket is not None
        outcome = pace.grant(now, 1, alive)
        if not isinstance(outcome, Permit):
            now = outcome
            continue
        room.served(ticket, now)
        room.enter(ticket.lane, now)
        served[ticket.lane].append(now)
        pace.answered(outcome, now + chance.randrange(40 * MS))
    for lane, times in served.items():
        longest = max(later - earlier for earlier, later in zip([0, *times], times, strict=False))
        assert longest < 6 * SECOND, lane
    assert len(served[Lane.TOKEN]) > 10 * len(served[Lane.BULK])
