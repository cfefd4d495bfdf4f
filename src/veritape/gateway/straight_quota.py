"""The usual request as one function: from a subject and a plan to the fields of its response (GW-603).

Behind a framework each call, object and look-up costs three times what it costs alone. So for what most requests of an
application are (a subject that is known, buckets that hold enough, the month of the request before) everything stands in one
body: the decision of ``fast_quota.judge``, the charge of ``MemoryStore.judge``, the text of ``AdmittedFields``. What is less
plain it leaves alone, without a change, and the usual way decides. A property test lets both run over the same histories.
"""

from collections.abc import Callable

from veritape.gateway.fast_quota import Plan, Side, left_units
from veritape.gateway.memory_store import Account, MemoryStore
from veritape.gateway.quota import Limits
from veritape.gateway.rate_fields import RawField, left_template, policy_field, units_field

Charge = Callable[[int], list[RawField] | None]
"""Charges at a monotonic time, microseconds, and returns the fields; None: nothing was decided, and nothing changed."""


def no_charge(now_us: int) -> None:
    """Decide nothing: where nothing is straight."""
    del now_us


_GONE = Account()
"""Stands for a subject that is not in memory: it is of no month."""


def straight(store: MemoryStore, subject: str, plan: Plan, wall_us: int) -> Charge | None:
    """Return what charges a subject by a plan; None for plans without a minute's bucket, with a month or with slots."""
    limits = plan.limits
    if limits.minute is None or limits != Limits(limits.minute, limits.hour):
        return None
    side, hour = plan.minute, plan.hour
    gain, weight, cost, room, cap = side.gain, side.weight, side.cost, side.room, side.cap
    unit, full, gain_second = side.unit, cap // side.unit, side.gain_second
    cost_mu, hour_gain = plan.cost_mu, hour.gain
    cost_field, policy, left = units_field(plan), policy_field(plan, wall_us), left_template(limits)
    account = _GONE

    def charge(now_us: int) -> list[RawField] | None:
        nonlocal account
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
        if hour_gain:
            numbers = _charge_hour(account, hour, now_us)
            if numbers is None:
                return None
            text = left % (units, wait_s, *numbers)
        else:
            text = left % (units, wait_s)
        account.minute = (debt, now_us, weight)
        account.used_mu += cost_mu
        account.is_used = True
        return [cost_field, policy, (b"ratelimit", text)]

    return charge


def _charge_hour(account: Account, side: Side, now_us: int) -> tuple[int, int] | None:
    """Charge the hour's bucket, the last that can refuse; return its units left and the seconds to one more."""
    debt, at_us, written = account.hour
    if written != side.weight or now_us < at_us:
        return None
    credit = (now_us - at_us) * side.gain
    debt = debt - credit if credit < debt else 0
    if debt > side.room:
        return None
    account.hour = parts = (debt + side.cost, now_us, written)
    return left_units(side, parts, 0, now_us)
