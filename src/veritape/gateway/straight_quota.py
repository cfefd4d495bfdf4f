"""The usual request as one function: from a subject and a plan to the fields of its response (GW-603).

Behind a framework each call, object and look-up costs three times what it costs alone. So for what most requests of an
application are (a subject that is known, buckets that hold enough, the month of the request before) everything stands in one
body: the decision of ``fast_quota.judge``, the charge of ``MemoryStore.judge``, the text of ``AdmittedFields``. What is less
plain it leaves alone, without a change, and the usual way decides. A property test lets both run over the same histories.
"""

from collections.abc import Callable

from veritape.gateway.fast_quota import Plan, Side, left_units
from veritape.gateway.memory_store import Account, MemoryStore
from veritape.gateway.rate_fields import RawField, left_template, policy_field, units_field

Fields = tuple[RawField, ...]
Charge = Callable[[int], Fields | None]
"""Charges at a monotonic time, microseconds, and returns the fields; None: nothing was decided, and nothing changed."""


_GONE = Account()
"""Stands for a subject that is not in memory: it is of no month."""


def straight(store: MemoryStore, subject: str, plan: Plan, wall_us: int) -> Charge | None:
    """Return what charges a subject by a plan; None for plans without a minute's bucket, and with a month or requests in progress.

    Args:
        store: keeps the subject.
        subject: who is charged.
        plan: limits and cost.
        wall_us: wall clock.
    """
    limits, side = plan.limits, plan.minute
    if limits.minute is None or limits.month_mu is not None or plan.counts_slots or side.room < 0:
        return None
    gain, weight, cost, cap, cost_mu = side.gain, side.weight, side.cost, side.cap, plan.cost_mu
    write = _writer(plan, wall_us)
    fields: Fields = ()
    above = most = 0
    account = _GONE

    def charge(now_us: int) -> Fields | None:
        nonlocal account, fields, above, most
        if now_us >= store.sure_us or account.period is not store.period:
            account = store.account(subject) or _GONE
            return None
        debt, at_us, written = account.minute
        if written != weight:
            return None
        credit = (now_us - at_us) * gain
        if credit >= debt:
            debt = cost
        else:
            debt += cost - credit
            if debt > cap or now_us < at_us:
                return None
        if not above < debt <= most:
            written_anew = write(account, debt, now_us)
            if written_anew is None:
                return None
            fields, above, most = written_anew
        account.minute = (debt, now_us, weight)
        account.used_mu += cost_mu
        account.is_used = True
        return fields

    return charge


def _writer(plan: Plan, wall_us: int) -> Callable[[Account, int, int], tuple[Fields, int, int] | None]:
    """Return what writes the fields for a debt of the minute's bucket, and charges the hour's, the last one that can refuse.

    Its answer is the fields and between which debts of the minute's bucket they say the same: above the one, up to the other.
    """
    minute, hour, left = plan.minute, plan.hour, left_template(plan.limits)
    cap, unit, gain_second = minute.cap, minute.unit, minute.gain_second
    cost_field, policy = units_field(plan), policy_field(plan, wall_us)

    def write(account: Account, debt: int, now_us: int) -> tuple[Fields, int, int] | None:
        units = (cap - debt) // unit
        above = cap - (units + 1) * unit
        most, wait_s = above + unit, 0
        if above >= 0:  # one more comes when no more than this is owed
            wait_s = -((above - debt) // gain_second)
            if unit > gain_second:
                most = min(most, above + wait_s * gain_second)
                above += (wait_s - 1) * gain_second
        numbers: tuple[int, ...] = (units, wait_s)
        if hour.gain:
            hours = _charge_hour(account, hour, now_us)
            if hours is None:
                return None
            numbers, above, most = numbers + hours, 0, 0
        return (cost_field, policy, (b"ratelimit", left % numbers)), above, most

    return write


def _charge_hour(account: Account, side: Side, now_us: int) -> tuple[int, int] | None:
    debt, at_us, written = account.hour
    if written != side.weight or now_us < at_us:
        return None
    debt = max(0, debt - (now_us - at_us) * side.gain)
    if debt > side.room:
        return None
    account.hour = parts = (debt + side.cost, now_us, written)
    return left_units(side, parts, 0, now_us)
