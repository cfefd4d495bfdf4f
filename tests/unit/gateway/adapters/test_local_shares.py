"""What a worker decides without the store: shares, routes that are closed or open then, and what the store has to be told."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from veritape.gateway.adapters.local_shares import LOCAL_SLOT, LocalShares
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.redis_subjects import Seen
from veritape.gateway.adapters.stores import Judged, Terms, unfolded
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.policy import Lost
from veritape.gateway.quota import EMPTY, MU, Limits, Mode, make_rule, month_of
from veritape.kernel.errors import UnavailableError

NOW_US, WALL_US = 10**12, 1_795_187_045 * 10**6
PERIOD = month_of(WALL_US).period
LIMITS = Limits(make_rule(60, 60, 60), None, 1_000 * MU, 4)
BUCKET = Limits(LIMITS.minute)
TERMS = Terms(LIMITS, 7, 1_000_000)


class Told:
    """A store that is gone: what it last said, and what its months were charged meanwhile."""

    def __init__(self, seen: Seen | None = None) -> None:
        self.charges: list[tuple[str, str, int]] = []
        self.months = SimpleNamespace(charged=lambda *charge: self.charges.append(charge))
        self.seen = lambda _: seen


def shares(told: Told) -> LocalShares:
    return LocalShares(cast("RedisStore", told))


def judge(
    one: LocalShares, subject: str = "a:live", workers: int = 2, *, exhausted: bool = False, **changed: Any
) -> tuple[Judged, str]:
    terms = TERMS._replace(**changed)
    plan = plan_of(terms.limits, MU, 7)
    return one.judge(subject, plan, terms, workers, NOW_US, WALL_US, exhausted=exhausted)


def test_one_of_two_workers_admits_half() -> None:
    """GW-343: half of the burst; the slots say that a share gave them; months and debts are kept for the store."""
    told = Told()
    one = shares(told)
    assert not one.are_there
    found = [judge(one, limits=BUCKET) for _ in range(31)]
    assert [unfolded(verdict).admitted for verdict, _ in found] == [True] * 30 + [False]
    assert {verdict.mode for verdict, _ in found} == {Mode.LOCAL}
    assert told.charges == [("a:live", PERIOD, MU)] * 30
    assert (one.away["a:live"].owed_mu(NOW_US), one.away["a:live"].periods) == ((30 * MU, 0), {PERIOD})


def test_a_slot_of_a_share_is_freed_here() -> None:
    """GW-343, GW-210: two of four requests in progress at one of two workers."""
    one = shares(Told())
    slots = [judge(one)[1] for _ in range(3)]
    assert [slot.startswith(LOCAL_SLOT) for slot in slots] == [True, True, False]
    one.release_slot("a:live", slots[0])
    assert judge(one)[1].startswith(LOCAL_SLOT)


def test_a_share_begins_from_what_the_store_last_said() -> None:
    """GW-343: of 1,000 units of the month 998 were used, so one of two workers has one left."""
    one = shares(Told(Seen(EMPTY, EMPTY, 998 * MU, PERIOD)))
    assert [judge(one)[0].admitted for _ in range(2)] == [True, False]
    other_month = shares(Told(Seen(EMPTY, EMPTY, 998 * MU, "2020-01")))
    assert [judge(other_month)[0].admitted for _ in range(2)] == [True, True]


def test_what_a_route_says_of_a_lost_store() -> None:
    """GW-342: closed at once, or after the grace; open after it, charged all the same."""
    told = Told()
    one = shares(told)
    with pytest.raises(UnavailableError):
        judge(one, lost=Lost.CLOSED)
    with pytest.raises(UnavailableError):
        judge(one, lost=Lost.LOCAL_THEN_CLOSED, exhausted=True)
    assert judge(one, lost=Lost.LOCAL_THEN_CLOSED)[0].mode is Mode.LOCAL
    told.charges.clear()
    found = [judge(one, lost=Lost.OPEN, exhausted=True)[0] for _ in range(100)]
    assert {(unfolded(judged).admitted, judged.mode) for judged in found} == {(True, Mode.OPEN)}
    assert told.charges == [("a:live", PERIOD, MU)] * 100


def test_a_share_ends_once_the_store_knows_all_and_has_answered() -> None:
    """GW-345: not while something of the subject is untold."""
    one = shares(Told())
    judge(one)
    assert (one.are_there, one.has("a:live")) == (True, True)
    one.answered("a:live")
    assert one.has("a:live")
    one.away.clear()
    one.answered("a:live")
    assert (one.are_there, one.has("a:live")) == (False, False)


def test_an_address_has_no_month() -> None:
    """GW-343: an anonymous caller's charges are owed by buckets alone."""
    told = Told()
    one = shares(told)
    judge(one, "ip:any:203.0.113.7")
    assert (told.charges, one.away["ip:any:203.0.113.7"].periods) == ([], set())


def test_a_reset_forgives_what_a_share_owes() -> None:
    """GW-212: as in any store."""
    one = shares(Told())
    for _ in range(30):
        judge(one, limits=BUCKET)
    assert not judge(one, limits=BUCKET)[0].admitted
    one.reset("a:live", None)
    assert judge(one, limits=BUCKET)[0].admitted
