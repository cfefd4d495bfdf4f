"""The usual request as one function: from a subject and a plan to the fields of its response (GW-603).

Behind a framework each call, object and look-up costs three times what it costs alone. So for what most requests of an
application are (a subject that is known, buckets that hold enough, the month of the request before) everything stands in one
body: the decision of ``fast_quota.judge``, the charge of ``MemoryStore.judge``, the text of ``AdmittedFields``. What is less
plain it leaves alone, without a change, and the usual way decides. A property test lets both run over the same histories.
"""

from collections.abc import Callable

from veritape.gateway.fast_quota import Plan, left_units
from veritape.gateway.memory_store import SLOT_GRACE_US, Account, MemoryStore
from veritape.gateway.rate_fields import RawField, left_template, policy_field, units_field

Charge = Callable[[int], tuple[list[RawField], int] | None]
"""Charges at a monotonic time, microseconds, and returns the fields and the slot to release, 0 where none are counted; None:
nothing was decided, and nothing changed."""


def no_charge(now_us: int) -> None:
    """Decide nothing: where nothing is straight."""
    del now_us


_GONE = Account()
"""Stands for a subject that is not in memory: it is of no month."""


def straight(store: MemoryStore, subject: str, plan: Plan, slot_us: int, wall_us: int) -> Charge | None:
    """Return what charges a subject by a plan; None for plans without a minute's bucket or with a month.

    Args:
        store: keeps the subject.
        subject: who is charged.
        plan: limits and cost.
        slot_us: the route's timeout.
        wall_us: wall clock.
    """
    limits = plan.limits
    if limits.minute is None or limits.month_mu is not None:
        return None
    side, is_more = plan.minute, bool(plan.hour.gain) or plan.counts_slots
    gain, weight, cost, room, cap = side.gain, side.weight, side.cost, side.room, side.cap
    unit, full, gain_second = side.unit, cap // side.unit, side.gain_second
    cost_mu, longest_us = plan.cost_mu, slot_us + SLOT_GRACE_US
    cost_field, policy, left = units_field(plan), policy_field(plan, wall_us), left_template(limits)
    account = _GONE

    def charge(now_us: int) -> tuple[list[RawField], int] | None:
        nonlocal account
        slot = 0
        if now_us >= store.sure_us or account.period is not store.period:
            account = store.account(subject) or _GONE
            return None
        debt, at_us, written = account.minute
        if written != weight or now_us < at_us:
            return None
        credit = (now_us - at_us) * gain
        debt = debt - credit if credit < debt else 0
        if debt > room:
            return None
        debt += cost
        units, rest = divmod(cap - debt, unit)
        wait_s = -((rest - unit) // gain_second) if units < full else 0
        if is_more:
            numbers = _charge_more(account, plan, now_us)
            if numbers is None:
                return None
            text = left % (units, wait_s, *numbers)
            if plan.counts_slots:
                slot = store.take_slot(account, now_us + longest_us)
        else:
            text = left % (units, wait_s)
        account.minute = (debt, now_us, weight)
        account.used_mu += cost_mu
        account.is_used = True
        return [cost_field, policy, (b"ratelimit", text)], slot

    return charge


def _charge_more(account: Account, plan: Plan, now_us: int) -> tuple[int, ...] | None:
    """Charge the hour's bucket where the slots allow it; return what is left of both. These are the last that can refuse."""
    slots, side = account.slots, plan.hour
    if plan.counts_slots and (slots >= plan.concurrency or (account.ends and now_us >= account.first_end_us)):
        return None
    numbers: tuple[int, ...] = ()
    if side.gain:
        debt, at_us, written = account.hour
        if written != side.weight or now_us < at_us:
            return None
        credit = (now_us - at_us) * side.gain
        debt = debt - credit if credit < debt else 0
        if debt > side.room:
            return None
        account.hour = parts = (debt + side.cost, now_us, written)
        numbers = left_units(side, parts, 0, now_us)
    return (*numbers, plan.concurrency - slots - 1) if plan.counts_slots else numbers
