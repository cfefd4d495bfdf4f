"""The usual request as one function: from a subject and a plan to the fields of its response (GW-603).

Behind a framework each call, object and look-up costs three times what it costs alone. So for what most requests of an
application are (a subject that is known, buckets that hold enough, the month of the request before) everything stands in one
body: the decision of ``fast_quota.judge``, the charge of ``MemoryStore.judge``, the text of ``AdmittedFields``. What is less
plain it leaves alone, without a change, and the usual way decides. A property test lets both run over the same histories.
"""

from collections.abc import Callable
from typing import Final

from veritape.gateway.fast_quota import Plan, left_units
from veritape.gateway.memory_store import Account, MemoryStore
from veritape.gateway.rate_fields import RawFields, left_template, minute_fields, policy_field, units_field
from veritape.gateway.tabs import CLOSED

Charge = Callable[[int], RawFields | None]
"""Charges at a monotonic time, microseconds, and returns the fields; None: nothing was decided, and nothing changed."""


_GONE: Final = Account()
"""Stands for a subject that is not in memory: it is of no month."""


def straight(store: MemoryStore, subject: str, plan: Plan, wall_us: int) -> Charge | None:
    """Return what charges a subject by a plan; None for plans without a minute's bucket, and with a month or requests in progress.

    Args:
        store: keeps the subject.
        subject: who is charged.
        plan: limits and cost.
        wall_us: wall clock.
    """
    side = plan.minute
    if not side.gain or side.room < 0 or plan.limits.month_mu is not None or plan.counts_slots:
        return None
    return _hour_too(store, subject, plan, wall_us) if plan.hour.gain else _minute_alone(store, subject, plan)


def _minute_alone(store: MemoryStore, subject: str, plan: Plan) -> Charge:
    """Return what charges the minute's bucket, as it stands on an open tab."""
    side, fields_of = plan.minute, minute_fields(plan)
    gain, weight, cost, cap, cost_mu = side.gain, side.weight, side.cost, side.cap, plan.cost_mu
    told, tell_first, step = fields_of.told, fields_of.tell, fields_of.step
    tab = CLOSED

    def charge(now_us: int) -> RawFields | None:
        nonlocal tab
        if now_us >= tab.until_us:
            tab = store.open_tab(subject, weight, now_us)
            if tab is CLOSED:
                return None
        debt = tab.debt
        credit = (now_us - tab.at_us) * gain
        if credit >= debt:
            debt = cost
        elif credit < 0:  # the clock went back
            return None
        else:
            debt += cost - credit
        try:
            fields = told[-debt // step]
        except KeyError:  # it was told of no debt above the cap, which is a multiple of the step
            if debt > cap:
                return None
            fields = tell_first(debt)
        tab.debt, tab.at_us = debt, now_us
        tab.used_mu += cost_mu
        return fields

    return charge


def _hour_too(store: MemoryStore, subject: str, plan: Plan, wall_us: int) -> Charge:
    """Return what charges both buckets."""
    side, charge_hour = plan.minute, _hour_charger(plan, wall_us)
    account = _GONE

    def charge(now_us: int) -> RawFields | None:
        nonlocal account
        if now_us >= store.sure_us or account.period is not store.period:
            account = store.account(subject) or _GONE
            return None
        account.settle()
        debt, at_us, written = account.minute
        if written != side.weight or now_us < at_us:
            return None
        debt = max(0, debt - (now_us - at_us) * side.gain)
        if debt > side.room:
            return None
        fields = charge_hour(account, debt + side.cost, now_us)
        if not fields:
            return None
        account.minute = (debt + side.cost, now_us, written)
        account.used_mu += plan.cost_mu
        account.is_used = True
        return fields

    return charge


def _hour_charger(plan: Plan, wall_us: int) -> Callable[[Account, int, int], RawFields]:
    """Return what charges the hour's bucket, the last one that can refuse, and writes the fields of both; none when it does."""
    minute, hour, left = plan.minute, plan.hour, left_template(plan.limits)
    cost_field, policy = units_field(plan), policy_field(plan, wall_us)

    def charge(account: Account, minute_debt: int, now_us: int) -> RawFields:
        debt, at_us, written = account.hour
        if written != hour.weight or now_us < at_us:
            return ()
        debt = max(0, debt - (now_us - at_us) * hour.gain)
        if debt > hour.room:
            return ()
        account.hour = parts = (debt + hour.cost, now_us, written)
        numbers = left_units(minute, (minute_debt, now_us, 0), 0, now_us) + left_units(hour, parts, 0, now_us)
        return cost_field, policy, (b"ratelimit", left % numbers)

    return charge
