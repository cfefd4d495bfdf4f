"""Charges that the shared store does not know."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.local_charges import LocalCharges, share_of
from veritape.gateway.memory_store import UNLIMITED
from veritape.gateway.overload import halved
from veritape.gateway.quota import EMPTY, MICROSECONDS, Bucket, Limits, Rule, decay, make_rule

S = MICROSECONDS
MINUTE = make_rule(100, 60, 150)
FREE = Limits(MINUTE, make_rule(3_000, 3_600, 3_000))


def test_each_bucket_owes_its_last_time_to_full() -> None:
    """GW-345: 90 s of the minute's bucket, 3,600 s of the hour's, whole seconds in the stricter direction."""
    away = LocalCharges()
    for second, units_mu in ((0, 1_000), (500, 2_000), (509, 4_000), (599, 8_000)):
        away.charge(FREE, second * S, units_mu)
    assert away.owed_mu(600 * S) == (12_000, 15_000)
    assert away.owed_mu(4_700 * S) == (0, 0)
    assert LocalCharges().owed_mu(0) == (0, 0)


def test_a_charge_without_limits_is_owed_by_no_bucket() -> None:
    """GW-107: what a watched limit let pass owes nothing, before and after charges that do."""
    away = LocalCharges()
    away.charge(UNLIMITED, S, 1_000)
    away.charge(FREE, S, 2_000)
    away.charge(UNLIMITED, S, 4_000)
    assert (away.limits, away.owed_mu(S)) == (FREE, (2_000, 2_000))


def test_charges_that_were_not_told_are_taken_over() -> None:
    """GW-345: a failed push gives back everything, whatever came meanwhile."""
    before, since = LocalCharges(periods={"2026-11"}), LocalCharges(periods={"2026-12"})
    before.charge(FREE, S, 1_000)
    since.add(before)
    assert (since.limits, since.periods, since.seconds) == (FREE, {"2026-11", "2026-12"}, {1: 1_000})
    since.charge(halved(FREE), S, 2_000)
    since.add(before)
    assert (since.limits, since.seconds) == (halved(FREE), {1: 4_000})


@given(
    owed=st.integers(0, 150_000),
    workers=st.integers(1, 9),
    written=st.sampled_from([1, 2, 3]),
    now_us=st.integers(0, 90 * S),
)
def test_a_share_owes_its_part_of_what_is_owed(owed: int, workers: int, written: int, now_us: int) -> None:
    """GW-343, GW-211: at every later moment a worker's part owes at least its part of the bucket, however it was written."""
    bucket = Bucket(owed * MINUTE.weight * written, 0, MINUTE.weight * written)
    part = Rule(MINUTE.limit, 60, MINUTE.burst_mu // workers, MINUTE.gain, MINUTE.weight * workers)
    whole, _ = decay(bucket, MINUTE, now_us)
    share, _ = decay(share_of(bucket, MINUTE, part), part, now_us)
    assert share == whole


def test_without_a_rule_nothing_is_owed() -> None:
    assert share_of(Bucket(5, 0, 1), None, None) == EMPTY
    assert share_of(EMPTY, MINUTE, MINUTE) == Bucket(0, 0, MINUTE.weight)
