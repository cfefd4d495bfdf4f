"""The table of what a gateway does while its store is lost."""

import itertools

import pytest

from veritape.gateway.degradation import (
    TABLE,
    Degradation,
    Signal,
    StoreState,
    local_limits,
    over_admission_mu,
)
from veritape.gateway.memory_store import UNLIMITED, MemoryStore
from veritape.gateway.quota import MU, Limits, make_rule

S = 1_000_000
FREE = Limits(make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000), 50_000 * MU, 10)


def healthy(grace_s: int = 300) -> Degradation:
    one = Degradation(0, grace_s)
    one.signal(Signal.ANSWERED, 0)
    return one


def called(one: Degradation, now_us: int, *, answered: bool, refused: bool = False) -> bool:
    """Note how a call went; return whether the state changed."""
    if not answered:
        return one.failed(now_us, refused=refused)
    before = one.state
    one.answered(now_us)
    return one.state is not before


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(StoreState, Signal)))
def test_every_cell(state: StoreState, signal: Signal) -> None:
    """GW-341: a pair in the table moves and is remembered, any other changes nothing."""
    one = Degradation(0, 300)
    one.state = state
    after = TABLE.get((state, signal))
    assert one.signal(signal, 5) is (after is not None)
    assert one.state is (after or state)
    assert [(t.before, t.signal, t.after) for t in one.transitions] == (
        [(state, signal, after)] if after else []
    )


def test_five_failures_in_a_row_lose_the_store() -> None:
    """GW-341: four and an answer do not."""
    one = healthy()
    assert [called(one, n, answered=n == 4) for n in range(9)] == [False] * 9
    assert called(one, 9, answered=False)
    assert one.state is StoreState.LOCAL


def test_half_of_twenty_calls_in_a_second_lose_the_store() -> None:
    """GW-341: never five in a row, yet every second call fails; calls of the second before do not count."""
    one = healthy()
    changes = [called(one, n * 50_000, answered=n % 2 == 0) for n in range(20)]
    assert changes == [False] * 19 + [True]
    slow = healthy()
    assert not any(called(slow, n * 60_000, answered=n % 2 == 0) for n in range(60))


def test_a_refused_connection_loses_the_store_at_once() -> None:
    """GW-341: nobody waits for five of them."""
    assert called(healthy(), 0, answered=False, refused=True)


def test_the_start_waits_two_seconds() -> None:
    """GW-341: then local shares decide."""
    one = Degradation(0, 300)
    assert not one.passed(2 * S - 1)
    assert one.passed(2 * S)
    assert one.state is StoreState.LOCAL


def test_what_a_process_does_before_it_asks_is_no_time_to_answer_in() -> None:
    """GW-341: the two seconds begin when the store is asked, not when the process opened it."""
    one = Degradation(0, 300)
    one.begin(9 * S)
    assert not one.passed(11 * S - 1)
    assert one.passed(11 * S)
    assert (one.state, one.is_exhausted) == (StoreState.LOCAL, False)


def test_probes_come_each_quarter_of_a_second_and_do_not_restart_the_grace() -> None:
    """GW-341, GW-342: probe after probe fails; after the grace the state is exhausted, and stays so between probes."""
    one = healthy(grace_s=1)
    now_us = S
    called(one, now_us, answered=False, refused=True)
    probes = []
    while now_us < 4 * S:
        now_us += 50_000
        if one.passed(now_us) and one.state is StoreState.PROBING:
            probes.append(now_us)
            assert one.is_exhausted is (now_us - S >= S)
            one.signal(Signal.PROBE_FAILED, now_us)
    assert all(later - earlier == 250_000 for earlier, later in itertools.pairwise(probes))
    assert one.state is StoreState.EXHAUSTED
    one.passed(now_us + 250_000)
    assert (one.state, one.is_exhausted) == (StoreState.PROBING, True)
    one.signal(Signal.PROBE_ANSWERED, now_us)
    one.signal(Signal.PUSHED, now_us)
    assert (one.state, one.is_exhausted) == (StoreState.HEALTHY, False)


def test_a_failure_while_pushing_goes_back_to_local() -> None:
    """GW-341: reconciling and rebuilding end by one failed call."""
    for state in (StoreState.RECONCILING, StoreState.REBUILDING):
        one = healthy()
        one.state = state
        assert called(one, 0, answered=False)
        assert one.state is StoreState.LOCAL


def test_a_share_is_exact_in_rate_and_rounded_down_in_burst() -> None:
    """GW-343: same gain, weight times N, burst // N, slots at least one."""
    share = local_limits(FREE, 4, None)
    assert share.minute is not None
    assert (share.minute.burst_mu, share.minute.gain, share.minute.weight) == (37_500, 1, 2_400)
    assert (share.concurrency, local_limits(FREE, 100, None).concurrency) == (2, 1)
    assert local_limits(UNLIMITED, 4, None) == UNLIMITED


def test_the_month_in_an_outage() -> None:
    """GW-346: what was last seen left, or for an unseen subject a burst, by N."""
    assert local_limits(FREE, 4, 1_000_000).month_mu == 250_000
    assert local_limits(FREE, 4, None).month_mu == 37_500
    assert local_limits(Limits(month_mu=8_000), 4, None).month_mu == 2_000


@pytest.mark.parametrize(
    ("limit", "burst", "workers", "cut_off", "seconds", "beyond", "most"),
    [
        (100, 150, 4, 1, 60, 62_500, 312_500),
        (100, 150, 4, 4, 60, 150_000, 400_000),
        (1_000, 1_500, 4, 1, 60, 625_000, 3_125_000),
        (1_000, 1_500, 4, 3, 300, 4_875_000, 11_375_000),
    ],
)
def test_the_bound_of_an_outage(
    limit: int, burst: int, workers: int, cut_off: int, seconds: int, beyond: int, most: int
) -> None:
    """GW-344: the specification's table, and greedy callers at every share stay within it."""
    rule = make_rule(limit, 60, burst)
    assert over_admission_mu(rule, workers, cut_off, workers, seconds * S) == beyond
    earned = seconds * S * rule.gain // rule.weight
    assert rule.burst_mu + earned + beyond == most
    whole, shares = MemoryStore(), [MemoryStore() for _ in range(cut_off)]
    limits, share = Limits(rule), local_limits(Limits(rule), workers, None)
    admitted = 0
    for tick in range(seconds * 2):
        now_us = tick * 500_000
        stores = [(store, share) for store in shares] + ([(whole, limits)] if cut_off < workers else [])
        for store, rules in stores:
            while store.decide("a", rules, MU, now_us, 10**15, 7)[0].admitted:
                admitted += MU
    assert admitted <= most
    assert admitted >= most * 0.6


def test_nobody_cut_off_admits_nothing_beyond() -> None:
    """GW-344: without an outage the bound is that of the bucket."""
    assert over_admission_mu(make_rule(100, 60, 150), 4, 0, 4, 60 * S) == 0
