"""Leases of one worker: spend without asking, renew and give back in the background (GW-301 to 311)."""

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.fast_quota import Plan, Verdict
from veritape.gateway.leases import Errand, Holding, LeaseRule
from veritape.gateway.quota import Limits, month_of
from veritape.gateway.shared_calls import LeaseReply, leased_verdict
from veritape.gateway.shared_state import Renewal, RenewalCode
from veritape.kernel.clock import Clock

HOLDINGS_LIMIT: Final = 10_000
"""Subjects with a lease at one worker; the others ask for each request."""

LOOK_NS: Final = 5_000_000
"""How often holdings are looked at."""

RECALL_US: Final = 1_000_000
"""A recall older than this is over."""

LEASE_SLOT: Final = "lease"
"""The slot of a request under a lease."""


@dataclass
class _Desk:
    """One subject's lease, and what decisions under it say."""

    holding: Holding
    limits: Limits
    reply: LeaseReply | None = None
    """The last answer of a lease that is held."""
    spent_mu: int = 0
    """Spent since that answer."""
    asking: bool = False
    losses: int = 0
    """How often all that was held was given up: an answer that was asked for before brings nothing."""

    def admitted(self, plan: Plan, reply: LeaseReply) -> tuple[Verdict, str]:
        """Return the admission of a request whose units were spent under the lease of an answer."""
        self.spent_mu += plan.cost_mu
        verdict = leased_verdict(reply, plan, self.spent_mu, self.holding.slots_used)
        return verdict, LEASE_SLOT if plan.counts_slots else ""


class LeaseDesk:
    """Every lease of a worker."""

    def __init__(self, redis: RedisStore, clock: Clock, workers: Callable[[], int]) -> None:
        """Begin with none.

        Args:
            redis: where leases come from.
            clock: ours.
            workers: how many share the store now.
        """
        self._redis, self._clock, self._workers = redis, clock, workers
        self._desks: OrderedDict[str, _Desk] = OrderedDict()
        self._asked: set[asyncio.Task[None]] = set()
        self._occupied = asyncio.Event()
        """There are desks to look at."""
        self.events: Counter[str] = Counter()
        """What became of leases."""

    def spend(self, subject: str, plan: Plan, rule: LeaseRule) -> tuple[Verdict, str] | None:
        """Decide under the subject's lease; None when that does not do and the store has to be asked. Then the use is noted all the same."""
        desk, cost_mu = self._desks.get(subject), plan.cost_mu
        if desk is None or desk.limits != plan.limits:
            if desk is None and len(self._desks) < HOLDINGS_LIMIT:
                desk = self._desks[subject] = _Desk(Holding(rule), plan.limits)
                self._occupied.set()
                desk.holding.spend(cost_mu, self._now_us(), with_slot=False)
            return None
        holding, with_slot, reply = desk.holding, plan.counts_slots, desk.reply
        if not holding.spend(cost_mu, self._now_us(), with_slot=with_slot) or reply is None:
            return None
        return desk.admitted(plan, reply)

    def spend_at_hand(self, subject: str, plan: Plan, now_us: int) -> tuple[Verdict, str] | None:
        """Decide under the subject's lease if it holds enough; None otherwise, and then nothing has changed."""
        desk = self._desks.get(subject)
        if desk is None or desk.reply is None or desk.limits != plan.limits:
            return None
        if not desk.holding.covers(plan.cost_mu, now_us, with_slot=plan.counts_slots):
            return None
        desk.holding.spend(plan.cost_mu, now_us, with_slot=plan.counts_slots)
        return desk.admitted(plan, desk.reply)

    def release_slot(self, subject: str) -> None:
        """Free the slot of a request under a lease."""
        desk = self._desks.get(subject)
        if desk is not None and desk.holding.slots_used:
            desk.holding.slots_used -= 1

    def lost(self) -> None:
        """Give up every lease: the store is lost, what they held ends there by itself."""
        for subject, desk in self._desks.items():
            self._forget(subject, desk)

    def balances(self) -> Iterator[tuple[Limits, int]]:
        """Yield the limits of each subject under a lease and what it holds unspent, mu."""
        return ((desk.limits, desk.holding.held_mu) for desk in self._desks.values())

    async def run(self) -> None:
        """Renew and give back until cancelled; then everything is given back."""
        try:
            while True:
                await self._occupied.wait()
                await self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_NS)
                self._look()
                if not self._desks:
                    self._occupied.clear()
        finally:
            await self.close()

    async def close(self) -> None:
        """Give every lease back."""
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        held = [(subject, desk) for subject, desk in self._desks.items() if desk.holding.granted_mu]
        await asyncio.gather(*(self._ask(subject, desk, Errand.RETURN) for subject, desk in held))

    def _look(self) -> None:
        now_us = self._now_us()
        for subject, desk in list(self._desks.items()):
            errand = desk.holding.errand(now_us)
            if desk.asking:
                continue
            if errand is Errand.NONE:
                if (
                    not desk.holding.granted_mu
                    and not desk.holding.slots_used
                    and desk.holding.is_idle(now_us)
                ):
                    del self._desks[subject]
                continue
            desk.asking = True
            task = asyncio.get_running_loop().create_task(self._ask(subject, desk, errand))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _ask(self, subject: str, desk: _Desk, errand: Errand) -> None:
        holding, asked_us, losses, before = desk.holding, self._now_us(), desk.losses, desk.reply
        wanted_mu = holding.wanted_mu(asked_us) if errand is Errand.RENEW else 0
        if errand is Errand.RETURN:
            holding.until_us = 0  # nothing is spent of what is given back
        workers, limit = self._workers(), desk.limits.concurrency
        renewal = Renewal(
            desk.limits, "", 0, holding.take_report(asked_us), holding.held_mu, wanted_mu, 1, holding.rule.most_mu, holding.rule.all_most_mu,
            holding.rule.ttl_us, workers, -(-(limit or 0) // (2 * workers)), exact=False,
        )  # fmt: skip
        try:
            reply = await self._redis.renew(subject, renewal)
        except StoreError:
            self.events["failed"] += 1
            self._forget(subject, desk)
            return
        finally:
            desk.asking = False
        self.events[_event(errand, reply)] += 1
        if errand is Errand.RETURN or reply.code == RenewalCode.ENDED:
            self._forget(subject, desk)
            if reply.code == RenewalCode.ENDED and before is not None:
                await self._give_month_back(subject, _period(before))
            return
        unheld = Counter({_period(before or reply): -holding.held_mu})
        if losses == desk.losses:
            self._take(desk, reply, asked_us)
        unheld[_period(reply)] += holding.held_mu - reply.granted_mu
        off = {period: units_mu for period, units_mu in unheld.items() if units_mu}
        for period, units_mu in off.items():  # what was held had ended in the store, or was given up here
            self._redis.months.charged(subject, period, units_mu)
        for period in off:
            await self._give_month_back(subject, period)

    def _take(self, desk: _Desk, reply: LeaseReply, asked_us: int) -> None:
        """Hold what an answer says."""
        holding, valid_us = desk.holding, max(0, reply.end_us - reply.now_us)
        recalled = reply.now_us - reply.recall_us < RECALL_US
        holding.granted(reply.held_mu, reply.slots, valid_us, asked_us, self._now_us(), recalled=recalled)
        desk.spent_mu, desk.reply = holding.spent_mu, reply

    async def _give_month_back(self, subject: str, period: str) -> None:
        """Correct the month after a lease that ended before its return: its rest was charged and never spent (GW-304)."""
        with contextlib.suppress(StoreError):  # the next push of exact counters does it
            await self._redis.months.heal(subject, period)

    def _forget(self, subject: str, desk: _Desk) -> None:
        """Hold nothing; what was charged beforehand and not spent is charged no more."""
        if desk.holding.held_mu and desk.reply is not None:
            self._redis.months.charged(subject, _period(desk.reply), -desk.holding.held_mu)
        desk.losses += 1
        desk.holding.lost()

    def _now_us(self) -> int:
        return self._clock.monotonic_ns() // 1_000


def _event(errand: Errand, reply: LeaseReply) -> str:
    if reply.code == RenewalCode.ENDED:
        return "expired"
    if errand is Errand.RETURN:
        return "returned"
    return "granted" if reply.granted_mu > 0 else "refused"


def _period(reply: LeaseReply) -> str:
    """Return the month that a lease is of."""
    return month_of(reply.now_us).period
