"""Repeated denials answered from memory (GW-215): who was just refused is not asked about again at once.

A denial of the shared store holds for as long as its own wait, at most a tenth of a second, a month's at most one: until then the
same request could only be refused again, unless somebody else gave units back, which is noticed that much later. Never an
admission, so nothing is admitted beyond the bound; at most a tenth of a second's rate is admitted too late.
"""

from typing import Final, NamedTuple

from veritape.gateway.quota import MICROSECONDS, Decision, Limits, LimitState, ceil_div
from veritape.gateway.reasons import Reason

HELD_US: Final = 100_000
"""Longest that a denial is believed."""

MONTH_HELD_US: Final = MICROSECONDS
"""The same of a month's quota."""

SUBJECTS_LIMIT: Final = 100_000
"""Subjects whose last denial is kept; at the bound all are forgotten."""


class _Denied(NamedTuple):
    decision: Decision
    limits: Limits
    asked_us: int
    until_us: int


class Denials:
    """The last denial of each subject; clocks are monotonic."""

    def __init__(self) -> None:
        self.kept: dict[str, _Denied] = {}
        """Subject -> its denial; many are over."""

    def note(self, subject: str, limits: Limits, decision: Decision, asked_us: int) -> None:
        """Remember a denial; what no wait can help is not remembered."""
        wait_us = max((part.wait_us for part in decision.limits), default=0)
        most_us = MONTH_HELD_US if decision.reason is Reason.MONTH_QUOTA_EXHAUSTED else HELD_US
        if decision.admitted or not wait_us:
            return
        if len(self.kept) >= SUBJECTS_LIMIT:
            self.kept.clear()
        self.kept[subject] = _Denied(decision, limits, asked_us, asked_us + min(wait_us, most_us))

    def answer(
        self, subject: str, limits: Limits, cost_mu: int, version: int, now_us: int
    ) -> Decision | None:
        """Return the denial of the same request, with the waits that are left; None when the store has to be asked."""
        found = self.kept.get(subject)
        if found is None:
            return None
        if now_us >= found.until_us:
            del self.kept[subject]
            return None
        decision = found.decision
        if (decision.cost_mu, decision.policy_version, found.limits) != (cost_mu, version, limits):
            return None
        passed_us = now_us - found.asked_us
        parts = tuple(_later(part, passed_us) for part in decision.limits)
        seconds = max(1, ceil_div(max(part.wait_us for part in parts), MICROSECONDS))
        return decision._replace(limits=parts, retry_after_s=seconds)

    def forget(self, subject: str) -> None:
        """Ask the store again: something was given back to a subject."""
        self.kept.pop(subject, None)


def _later(part: LimitState, passed_us: int) -> LimitState:
    """Return a limit some time later, as far as it is known: waits have become shorter."""
    return part._replace(
        wait_us=max(1, part.wait_us - passed_us) if part.wait_us else 0,
        next_us=max(1, part.next_us - passed_us) if part.next_us else 0,
    )
