"""The usual request as one function: from a subject and a plan to the fields of its response (GW-603).

Behind a framework each call, object and look-up costs three times what it costs alone. So for what most requests of an
application are (a subject that is known, buckets that hold enough, the month of the request before) everything stands in one
body: the decision of ``fast_quota.judge``, the charge of ``MemoryStore.judge``, the text of ``AdmittedFields``. What is less
plain it leaves alone, without a change, and the usual way decides. A property test lets both run over the same histories.
"""

from collections.abc import Callable

from veritape.gateway.fast_quota import Plan
from veritape.gateway.left_writer import minute_fields
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.rate_fields import RawFields
from veritape.gateway.tabs import CLOSED

Charge = Callable[[int], RawFields | None]
"""Charges at a monotonic time, microseconds, and returns the fields; None: nothing was decided, and nothing changed."""


def straight(store: MemoryStore, subject: str, plan: Plan) -> Charge | None:
    """Return what charges a subject the minute's bucket of a plan, as it stands on an open tab; None for plans with other limits.

    Args:
        store: keeps the subject.
        subject: who is charged.
        plan: limits and cost.
    """
    side = plan.minute
    others = plan.hour.gain or plan.limits.month_mu is not None or plan.counts_slots
    if others or not side.gain or side.room < 0:
        return None
    fields_of = minute_fields(plan)
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
