"""The usual request under several limits: it agrees with the usual way, and leaves alone what is not plain."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.fast_quota import plan_of
from veritape.gateway.memory_store import SLOT_GRACE_US, SURE_US, MemoryStore
from veritape.gateway.quota import MICROSECONDS, Limits, make_rule
from veritape.gateway.rate_fields import AdmittedFields, RawFields
from veritape.gateway.straight_quota import straight
from veritape.gateway.straight_slots import Take, straight_slots

WALL_US = 1_795_187_045 * MICROSECONDS
"""2026-11-20T15:04:05Z."""
SUBJECT = "ip:any:203.0.113.7"
SLOT_US = 2 * MICROSECONDS
SHIPPED = Limits(make_rule(30, 60, 45), make_rule(300, 3_600, 300), concurrency=5)
"""Of the shipped class of addresses."""

rules = st.builds(make_rule, st.integers(1, 300), st.sampled_from([1, 60, 3_600]), st.integers(1, 20))
limits_of = st.builds(
    Limits,
    rules,
    st.none() | rules,
    concurrency=st.none() | st.integers(1, 4),
)
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 999, 60_000, 600_000, 8_000_000, 90_000_000, -1, -2_000_000]),
        st.sampled_from([1, 500, 1_000, 1_000, 2_000]),
        st.booleans(),
        st.sampled_from(["", "", "release", "release", "again", "look", "reset", "forget", "minute alone"]),
    ),
    min_size=1,
    max_size=40,
)
"""Clock step, cost, whether the other limits apply, and what else happens to the subject before."""


def take_of(store: MemoryStore, limits: Limits = SHIPPED, cost_mu: int = 1_000) -> Take:
    """Return what charges the subject."""
    made = straight_slots(store, SUBJECT, plan_of(limits, cost_mu, 7), SLOT_US)
    assert made is not None
    return made


def usual(store: MemoryStore, limits: Limits, cost_mu: int, now_us: int) -> tuple[RawFields, int] | None:
    """Charge the usual way; return the fields and the slot, None of a denial."""
    plan = plan_of(limits, cost_mu, 7)
    verdict, slot = store.judge(SUBJECT, plan, now_us, WALL_US + now_us, SLOT_US)
    return (tuple(AdmittedFields(plan, "free", legacy=False).of(verdict)), slot) if verdict.admitted else None


class Side:
    """A store, the slots that are held of it, and how it is asked."""

    def __init__(self, *, fast: bool) -> None:
        self.store, self.held, self.last, self.fast = MemoryStore(), list[int](), 0, fast
        self.takes: dict[tuple[Limits, int], Take] = {}

    def ask(self, limits: Limits, cost_mu: int, now_us: int) -> tuple[RawFields, int] | None:
        """Charge; the fast way first where there is one."""
        said = None
        plan = plan_of(limits, cost_mu, 7)
        if self.fast and (limits, cost_mu) not in self.takes:
            take = straight_slots(self.store, SUBJECT, plan, SLOT_US)
            self.takes[limits, cost_mu] = take or straight_alone(self.store, limits, cost_mu)
        if self.fast:
            said = self.takes[limits, cost_mu](now_us)
        said = said or usual(self.store, limits, cost_mu, now_us)
        if said is not None and said[1]:
            self.held.append(said[1])
        return said

    def meet(self, event: str, limits: Limits, now_us: int) -> object:
        """Let something else happen to the subject; return what is seen of it."""
        if event == "release" and self.held:
            self.last = self.held.pop(0)
        if event in ("release", "again"):
            self.store.release_slot(SUBJECT, self.last)
        elif event == "look":
            return self.store.status(SUBJECT, limits, now_us, WALL_US + now_us)
        elif event == "reset":
            self.store.reset(SUBJECT)
        elif event == "forget":
            self.store.forget(SUBJECT)
        elif event == "minute alone":
            return self.ask(Limits(limits.minute), 1, now_us)
        return None


def straight_alone(store: MemoryStore, limits: Limits, cost_mu: int) -> Take:
    """Return what charges a minute's bucket alone, on a tab."""
    charge = straight(store, SUBJECT, plan_of(limits, cost_mu, 7)) or (lambda _: None)

    def take(now_us: int) -> tuple[RawFields, int] | None:
        fields = charge(now_us)
        return None if fields is None else (fields, 0)

    return take


@given(st.tuples(limits_of, limits_of), steps)
def test_it_agrees_with_the_usual_way(
    both: tuple[Limits, Limits], history: list[tuple[int, int, bool, str]]
) -> None:
    """GW-603, GW-204, GW-210: over random histories of requests that end or are forgotten, with changing limits and clocks that go back, fields, slots and states are equal."""
    fast, slow = Side(fast=True), Side(fast=False)
    clocks = accumulate((step for step, *_ in history), initial=200_000_000)
    next(clocks)
    for (_, cost_mu, other, event), now_us in zip(history, clocks, strict=True):
        limits = both[other]
        assert fast.meet(event, limits, now_us) == slow.meet(event, limits, now_us)
        assert fast.ask(limits, cost_mu, now_us) == slow.ask(limits, cost_mu, now_us)
    assert fast.meet("look", limits, now_us) == slow.meet("look", limits, now_us)
    assert fast.held == slow.held


def test_what_is_plain_is_charged_here() -> None:
    """GW-603: under the shipped class from the second request on; the sixth in progress is left alone until one has ended."""
    store = MemoryStore()
    take = take_of(store)
    assert take(5) is None
    assert usual(store, SHIPPED, 1_000, 5) is not None
    assert take(5) == (
        (
            (b"x-request-cost", b"1"),
            (
                b"ratelimit-policy",
                b'"minute";q=30;w=60;veritape-burst=45,"hour";q=300;w=3600,"concurrency";q=5;qu="concurrent-requests"',
            ),
            (b"ratelimit", b'"minute";r=43;t=2,"hour";r=298;t=12,"concurrency";r=3'),
        ),
        2,
    )
    assert [take(5) is None for _ in range(4)] == [False, False, False, True]
    store.release_slot(SUBJECT, 2)
    store.release_slot(SUBJECT, 2)
    assert [take(5) is None for _ in range(2)] == [False, True]
    state = store.status(SUBJECT, SHIPPED, 5, WALL_US)
    assert (state.slots, state.used_mu) == (5, 6_000)


def test_a_bucket_that_refuses_leaves_the_other_and_the_slots_as_they_were() -> None:
    """GW-208: three an hour, then three a minute: the fourth is left alone, and nothing moved."""
    three, many = make_rule(3, 3_600, 3), make_rule(3_000, 3_600, 3_000)
    for limits in (Limits(many, three, concurrency=9), Limits(three, many, concurrency=9)):
        store = MemoryStore()
        take = take_of(store, limits)
        usual(store, limits, 1_000, 5)
        assert [take(5) is None for _ in range(3)] == [False, False, True]
        state = store.status(SUBJECT, limits, 5, WALL_US)
        assert (state.slots, state.used_mu) == (3, 3_000)
        assert [bucket.debt // bucket.weight for bucket in (state.minute, state.hour)] == [3_000, 3_000]
        changed = take_of(store, Limits(make_rule(31, 60, 45), SHIPPED.hour, concurrency=9))
        assert [changed(5), changed(5)] == [None, None]  # the usual way carries debts over


def test_slots_whose_time_is_over_are_the_usual_way_s_to_free() -> None:
    """GW-210: while a slot may be free again, and while the month may be another one, nothing is charged here."""
    store, limits = MemoryStore(), Limits(make_rule(30, 60, 45), concurrency=2)
    take, end_us = take_of(store, limits), 5 + SLOT_US + SLOT_GRACE_US
    usual(store, limits, 1_000, 5)
    assert take(SURE_US + 5) is None
    store.judge("ip:any:203.0.113.8", plan_of(SHIPPED, 1_000, 7), end_us - 9, WALL_US)
    assert take(end_us) is None
    assert usual(store, limits, 1_000, end_us) is not None


def test_what_stands_on_a_tab_counts_here() -> None:
    """GW-603, GW-211: where a minute alone and the same minute with slots charge one subject in turn, each sees what the other charged."""
    store, alone = MemoryStore(), Limits(SHIPPED.minute)
    take, charge = take_of(store), straight(store, SUBJECT, plan_of(alone, 1_000, 7))
    assert charge is not None
    usual(store, SHIPPED, 1_000, 5)
    for _ in range(3):
        assert take(5) is not None
        assert charge(5) is not None
        store.release_slot(SUBJECT, 2)
    state = store.status(SUBJECT, SHIPPED, 5, WALL_US)
    assert (state.minute.debt // state.minute.weight, state.used_mu) == (7_000, 7_000)


def test_plans_without_anything_beside_the_minute_have_none() -> None:
    """GW-603: a minute alone has a way of its own; a month, and plans without a minute, go the usual way."""
    minute = SHIPPED.minute
    others = (Limits(minute), Limits(hour=minute), Limits(concurrency=1), Limits(minute, minute, month_mu=1))
    assert [straight_slots(MemoryStore(), SUBJECT, plan_of(one, 1_000, 7), 5) for one in others] == [None] * 4
