"""The usual answer of the shared store, read in one function: from its bytes to the fields of a response (GW-603).

What ``straight_quota`` is for the store in memory. Most answers say: admitted, under the rules of the plan, and nothing else: no
lease is held, no clock was set anew. Such an answer differs from the one before in four of its fourteen integers. What is less
plain this leaves to ``shared_calls`` and ``AdmittedFields``; a property test lets both read the same answers.
"""

import struct
from collections.abc import Callable
from typing import Final

from veritape.gateway.fast_quota import Plan
from veritape.gateway.left_writer import minute_fields
from veritape.gateway.rate_fields import RawFields
from veritape.gateway.shared_calls import Code

_USUAL: Final = struct.Struct("<4q80s")
"""Code, clock, the minute's debt and clock; then what is always the same: see ``begin.lua``."""

_REST: Final = struct.Struct("<10q")
"""The minute's weight, and zeros."""

_ADMITTED: Final = Code.ADMITTED

Tell = Callable[[object], tuple[RawFields, int] | None]
"""Reads an answer: the fields of the response and the store's clock; None: it is not the usual one."""


def straight_answers(plan: Plan) -> Tell | None:
    """Return what reads the answers to a plan; None for plans that have more than a minute's bucket."""
    limits, side = plan.limits, plan.minute
    if not side.gain or plan.hour.gain or limits.month_mu is not None or plan.counts_slots:
        return None
    fields_of = minute_fields(plan)
    told, tell_first, step = fields_of.told, fields_of.tell, fields_of.step
    usual, unpack = _REST.pack(side.weight, *[0] * 9), _USUAL.unpack

    def tell(answer: object) -> tuple[RawFields, int] | None:
        try:
            code, now_us, debt, at_us, rest = unpack(answer)  # type: ignore[arg-type]  # what is no bytes is a TypeError
        except (TypeError, struct.error):
            return None
        if code != _ADMITTED or at_us != now_us or rest != usual:
            return None
        try:
            return told[-debt // step], now_us
        except KeyError:
            return tell_first(debt), now_us

    return tell
