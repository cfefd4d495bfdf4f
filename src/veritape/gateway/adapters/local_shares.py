"""What one worker decides while the shared store is lost: by its share of each subject's limits (GW-343 to 345).

What was charged here is kept until the store has been told of it. A share decides nothing any more once the store, told of all, has answered.
"""

from typing import Final

from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.stores import Judged, Terms
from veritape.gateway.degradation import local_limits
from veritape.gateway.fast_quota import Plan, plan_of
from veritape.gateway.local_charges import LocalCharges, share_of
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy import Lost
from veritape.gateway.quota import Decision, LimitName, Limits, Mode, month_of
from veritape.kernel.errors import UnavailableError

LOCAL_SLOT: Final = "local:"
"""Prefix of a slot that a local share gave."""


class LocalShares:
    """Shares of the subjects that were decided here and that the store has not answered since."""

    def __init__(self, redis: RedisStore) -> None:
        """Begin with none.

        Args:
            redis: knows what the store last said, and is told what months were charged.
        """
        self._redis, self._memory = redis, MemoryStore()
        self.are_there = False
        """There are such subjects."""
        self.away: dict[str, LocalCharges] = {}
        """Subject -> what the store does not know of it."""

    def has(self, subject: str) -> bool:
        """Tell whether a subject was decided here and not by the store since."""
        return self._memory.account(subject) is not None

    def judge(
        self, subject: str, plan: Plan, terms: Terms, workers: int, now_us: int, wall_us: int, *, exhausted: bool
    ) -> tuple[Judged, str]:  # fmt: skip
        """Decide as the route says for a lost store.

        Args:
            subject: who is charged.
            plan: limits and cost.
            terms: what the route says.
            workers: that share the limits.
            now_us: our clock, monotonic.
            wall_us: our clock, for the month alone.
            exhausted: the store has been lost for longer than the grace.

        Raises:
            UnavailableError: the route is closed then.
        """
        cost_mu, lost = plan.cost_mu, terms.lost
        if lost is Lost.CLOSED or (exhausted and lost is Lost.LOCAL_THEN_CLOSED):
            raise UnavailableError("the quota store is lost and this route is closed then")
        period = month_of(wall_us).period
        if exhausted and lost is Lost.OPEN:
            self._charge(subject, terms, period, cost_mu, now_us)
            return Decision(True, None, cost_mu, (), 0, Mode.OPEN, period, plan.policy_version), ""
        share, self.are_there = self._share(subject, plan.limits, workers, period), True
        share_plan = plan_of(share, cost_mu, plan.policy_version)
        verdict, slot = self._memory.judge(subject, share_plan, now_us, wall_us, terms.slot_us)
        if verdict.admitted:
            self._charge(subject, terms, period, cost_mu, now_us)
        return verdict._replace(mode=Mode.LOCAL), f"{LOCAL_SLOT}{slot}" if slot else ""

    def answered(self, subject: str) -> None:
        """Forget a subject's share if the store, which has answered, knows all that it was charged."""
        if subject not in self.away:
            self._memory.forget(subject)
            self.are_there = len(self._memory) > 0

    def away_of(self, subject: str) -> LocalCharges:
        """Return what the store does not know of a subject, to add to it."""
        return self.away.setdefault(subject, LocalCharges())

    def release_slot(self, subject: str, slot: str) -> None:
        """Free a slot that a share gave."""
        self._memory.release_slot(subject, int(slot.removeprefix(LOCAL_SLOT)))

    def reset(self, subject: str, limit: LimitName | None) -> None:
        """Forgive what a subject owes here."""
        self._memory.reset(subject, limit)

    def clamp(self, subject: str, limits: Limits, now_us: int) -> None:
        """Bring what a subject owes here down to new limits."""
        self._memory.clamp(subject, limits, now_us)

    def _share(self, subject: str, limits: Limits, workers: int, period: str) -> Limits:
        """Return this worker's share; a subject that the store answered since begins from what it said."""
        seen = self._redis.seen(subject)
        left_mu = None
        if seen is not None and limits.month_mu is not None and seen.period == period:
            left_mu = max(0, limits.month_mu - seen.used_mu)
        share = local_limits(limits, workers, left_mu)
        if seen is not None:
            minute = share_of(seen.minute, limits.minute, share.minute)
            self._memory.begin(subject, share, minute, share_of(seen.hour, limits.hour, share.hour))
        return share

    def _charge(self, subject: str, terms: Terms, period: str, cost_mu: int, now_us: int) -> None:
        away = self.away_of(subject)
        away.charge(terms.whole or terms.limits, now_us, cost_mu)
        if not subject.startswith("ip:"):
            away.periods.add(period)
            self._redis.months.charged(subject, period, cost_mu)
