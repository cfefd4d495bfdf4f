"""The usual request under several limits as one function: a minute's bucket with an hour's, requests in progress, or both (GW-603).

What ``straight_quota`` is for a minute's bucket alone, for what classes of addresses have beside it. The account itself is charged, so
nobody has to settle anything. The slot that a request takes is its caller's to release, once, when the response has ended.
"""

from collections.abc import Callable
from typing import Final

from veritape.gateway.fast_quota import Parts, Plan, Side
from veritape.gateway.left_writer import fixed_fields, left_writers
from veritape.gateway.memory_store import SLOT_GRACE_US, Account, MemoryStore
from veritape.gateway.quota import LimitName
from veritape.gateway.rate_fields import LEFT_ITEMS, RawFields

Take = Callable[[int], tuple[RawFields, int] | None]
"""Charges at a monotonic time, microseconds; returns the fields and the slot to release, 0 when there is none.
None: nothing was decided, and nothing changed."""

_GONE: Final = Account()
"""Stands for a subject that is not in memory: it is of no month."""

_SLOTS: Final = LEFT_ITEMS[LimitName.CONCURRENCY]


def straight_slots(store: MemoryStore, subject: str, plan: Plan, slot_us: int) -> Take | None:
    """Return what charges a subject by a plan; None for plans without a minute's bucket, with nothing beside it, and with a month.

    Args:
        store: keeps the subject.
        subject: who is charged.
        plan: limits and cost.
        slot_us: the route's timeout.
    """
    if not plan.minute.gain or plan.limits.month_mu is not None or not (plan.hour.gain or plan.counts_slots):
        return None
    charge, end_after_us = _charger(plan), slot_us + SLOT_GRACE_US
    counts_slots, most_slots = plan.counts_slots, plan.concurrency
    account = _GONE

    def take(now_us: int) -> tuple[RawFields, int] | None:
        nonlocal account
        if account.tab is not None or account.period is not store.period or now_us >= store.sure_us:
            account = store.account(subject) or _GONE
            if account.period is not store.period or now_us >= store.sure_us:
                return None
        slots = account.slots
        if slots and (slots >= most_slots or now_us >= account.first_end_us):
            return None
        fields = charge(account, now_us, slots)
        if fields is None:
            return None
        return fields, store.take_slot(account, now_us + end_after_us) if counts_slots else 0

    return take


def _charger(plan: Plan) -> Callable[[Account, int, int], RawFields | None]:
    """Return what charges all buckets or none, and says what is left of them and of the slots beside those that were taken before."""
    minute, hour, cost_mu, concurrency = plan.minute, plan.hour, plan.cost_mu, plan.concurrency
    (minute_left, hour_left), (cost_field, policy) = left_writers(plan), fixed_fields(plan)

    def charge(account: Account, now_us: int, slots: int) -> RawFields | None:
        owed, hour_owed = owed_after(account.minute, minute, now_us), 0
        if hour_left is not None:
            hour_owed = owed_after(account.hour, hour, now_us)
            if not hour_owed:
                return None
        if not owed:
            return None
        account.minute = (owed, now_us, minute.weight)
        left = minute_left.told.get(-owed // minute_left.step) or minute_left.tell(owed)
        if hour_left is not None:
            account.hour = (hour_owed, now_us, hour.weight)
            left += hour_left.told.get(-hour_owed // hour_left.step) or hour_left.tell(hour_owed)
        if plan.counts_slots:
            left += _SLOTS % (concurrency - slots - 1)
        account.used_mu += cost_mu
        account.is_used = True
        return cost_field, policy, (b"ratelimit", left)

    return charge


def owed_after(parts: Parts, side: Side, now_us: int) -> int:
    """Return what is owed after a charge; 0 when that is too much, or not for this rule or clock to say."""
    debt, at_us, written = parts
    if written != side.weight or now_us < at_us:
        return 0
    credit = (now_us - at_us) * side.gain
    debt = side.cost if credit >= debt else debt - credit + side.cost
    return debt if debt <= side.cap else 0
