"""The shared store with what happens while it is lost: local shares, probes, reconciliation (GW-341 to 349)."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from veritape.gateway.adapters.lease_desk import LEASE_SLOT, LeaseDesk
from veritape.gateway.adapters.local_shares import LOCAL_SLOT, LocalShares
from veritape.gateway.adapters.redis_agreement import EPOCH_BYTES
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.store_link import Asked, Link
from veritape.gateway.adapters.stores import Judged, Straight, Terms, unfolded
from veritape.gateway.degradation import Degradation, Signal, StoreState
from veritape.gateway.denials import Denials
from veritape.gateway.fast_quota import Plan, Verdict, plan_of
from veritape.gateway.local_charges import LocalCharges
from veritape.gateway.quota import Decision, LimitName, Limits, State
from veritape.gateway.store_metrics import StoreFacts
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.telemetry.metric import OTHER

TICK_NS: Final = 50_000_000
"""How often the state is looked at."""

HEARTBEAT_NS: Final = NANOSECONDS
"""How often a worker says that it lives."""

SETTLE_NS: Final = 60 * NANOSECONDS
"""How often exact shares of months are written, whether or not a difference was seen (GW-671)."""

WORKERS_MS: Final = 10_000
"""A worker without a heartbeat for so long does not count."""

PUSH_GROUP: Final = 500
"""Subjects that are pushed at a time."""

LEAVE_TRIES: Final = 20
"""Tries, a tick apart, to tell the store at the end what was surely charged: a second in all."""


class DegradingStore:
    """A Redis store that is allowed to disappear."""

    def __init__(
        self, link: Link, redis: RedisStore, clock: Clock, grace_s: int, workers_least: int,
        report: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Combine.

        Args:
            link: the connection.
            redis: the store on it.
            clock: ours.
            grace_s: how long local shares decide for every route.
            workers_least: shares are never larger than one of so many.
            report: told of each change of state, one line.
        """
        self._link, self._redis, self._clock, self._report = link, redis, clock, report
        self._workers_least, self._monotonic_ns = workers_least, clock.monotonic_ns
        self.states = Degradation(self._now_us(), grace_s)
        """Where decisions come from."""
        self.workers = workers_least
        """Workers that share the store, this one included."""
        self._leases = LeaseDesk(redis, clock, lambda: self.workers)
        self._shares = LocalShares(redis)
        """Decide while the store is lost."""
        self._away = self._shares.away
        self._denials = Denials()
        self._pushed: set[str] = set()
        """Subjects that the store decides while others still wait to be pushed."""
        self._begun = asyncio.Event()
        self._epoch: bytes | None = None
        self._last_slot = 0
        self._told: set[str] = set()

    @property
    def state(self) -> StoreState:
        """Return where decisions come from."""
        return self.states.state

    async def begun(self) -> None:
        """Return once the store has answered, or local shares took its place: 2 s after ``run`` began at the latest."""
        await self._begun.wait()

    def facts(self, tiers: Mapping[Limits, str]) -> StoreFacts:
        """Return what has been counted; leases of limits that no tier has are ``other``."""
        balances: Counter[str] = Counter()
        for limits, held_mu in self._leases.balances():
            balances[tiers.get(limits, OTHER)] += held_mu
        rare = {"clock_step": self._redis.clock_steps, "clock_rebased": self._redis.clock_rebased}
        return StoreFacts(
            self.state, self.states.entered, self._link.connected.is_set(), self._redis.operations, self._leases.events,
            balances, rare, self.workers,
        )  # fmt: skip

    async def run(self) -> None:
        """Watch the store and renew leases until cancelled; then leases are given back."""
        self.states.begin(self._now_us())
        leases = asyncio.create_task(self._leases.run())
        try:
            await self._watch()
        finally:
            leases.cancel()
            await asyncio.gather(leases, return_exceptions=True)
            await self._leave()

    async def _leave(self) -> None:
        """Tell the store what was surely charged; a connection that broke a moment ago may come back for that."""
        for _ in range(LEAVE_TRIES):
            with contextlib.suppress(StoreError):
                await self._redis.settle(everything=True)
                return
            await self._clock.sleep_until(self._clock.monotonic_ns() + TICK_NS)

    async def _watch(self) -> None:
        beat_ns, settle_ns = self._clock.monotonic_ns(), self._clock.monotonic_ns() + SETTLE_NS
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + TICK_NS)
            state = self.states.state
            if state is StoreState.STARTING and self._link.connected.is_set():
                await self._begin()
            elif state is StoreState.HEALTHY and self._clock.monotonic_ns() >= beat_ns:
                beat_ns = self._clock.monotonic_ns() + HEARTBEAT_NS
                await self._beat()
                everything = self._clock.monotonic_ns() >= settle_ns
                if everything:
                    settle_ns = self._clock.monotonic_ns() + SETTLE_NS
                await self._settle(everything=everything)
            if self._passed() and self.states.state is StoreState.PROBING:
                await self._probe()

    def straight(self, subject: str, plan: Plan, terms: Terms) -> Straight | None:
        """Return what asks the store in the usual case, as ``RedisStore.straight`` does; it does not ask where ``judge`` would not."""
        states, healthy, denied, away = self.states, StoreState.HEALTHY, self._denials.kept, self._away
        found = self._redis.straight(subject, plan, terms.slot_us, states.answered)
        if found is None or terms.lease is not None:
            return None
        (ask_store, hear), shares = found, self._shares

        def ask() -> Asked | None:
            if states.state is not healthy or subject in denied or subject in away:
                return None
            if shares.are_there and shares.has(subject):
                return None
            return ask_store()

        return Straight(ask, hear)

    async def judge(
        self, subject: str, plan: Plan, terms: Terms, asked: Asked | None = None
    ) -> tuple[Judged, str]:
        """Decide by the store, or, while it is lost, as the route says.

        Raises:
            UnavailableError: the store is lost and the route is closed then, or the start is not over.
        """
        if asked is not None or self.states.state is StoreState.HEALTHY or subject in self._pushed:
            asked_us = self._monotonic_ns() // 1_000
            if asked is None and (terms.lease is not None or self._denials.kept):
                known = self._known(subject, plan, terms, asked_us)
                if known is not None:
                    return known
            try:
                if asked is None and subject in self._away:
                    await self._push_one(subject)
                verdict, slot = await self._redis.judge(subject, plan, terms.slot_us, asked)
            except StoreError:
                self._failed()
            else:
                self.states.answered(self._monotonic_ns() // 1_000)
                if not verdict.admitted:
                    self._denials.note(subject, plan.limits, verdict.unfolded(), asked_us)
                if self._shares.are_there:
                    self._shares.answered(subject)
                return verdict, slot
        if self.state is StoreState.STARTING:
            raise UnavailableError("the quota store has not answered yet")
        return self._judge_here(subject, plan, terms)

    def admit_at_hand(
        self, subject: str, plan: Plan, terms: Terms, now_us: int, wall_us: int
    ) -> tuple[Verdict, str] | None:
        """Decide under a lease that holds enough."""
        del wall_us
        if terms.lease is None or subject in self._away or self.states.state is not StoreState.HEALTHY:
            return None
        return self._leases.spend_at_hand(subject, plan, now_us)

    async def decide(self, subject: str, cost_mu: int, terms: Terms) -> tuple[Decision, str]:
        """Decide as ``judge`` does, without a prepared plan."""
        judged, slot = await self.judge(subject, plan_of(terms.limits, cost_mu, terms.policy_version), terms)
        return unfolded(judged), slot

    def release_slot(self, subject: str, slot: str) -> None:
        """Free a slot where it was taken."""
        self._denials.forget(subject)
        if slot == LEASE_SLOT:
            self._leases.release_slot(subject)
        elif slot.startswith(LOCAL_SLOT):
            self._shares.release_slot(subject, slot)
        else:
            self._redis.release_slot(subject, slot)

    async def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back; while the store is lost they are given when it is back."""
        self._denials.forget(subject)
        try:
            await self._redis.months.refund(subject, period, units_mu)
        except StoreError:
            self._shares.away_of(subject).periods.add(period)

    async def status(self, subject: str, limits: Limits) -> State:
        """Return what the store knows of a subject."""
        return await self._redis.status(subject, limits)

    async def reset(self, subject: str, limit: LimitName | None = None) -> None:
        """Forgive what a subject owes, here and in the store."""
        self._denials.forget(subject)
        self._shares.reset(subject, limit)
        await self._redis.reset(subject, limit)

    async def clamp(self, subject: str, limits: Limits) -> None:
        """Bring what a subject owes down to new limits, here and in the store."""
        self._denials.forget(subject)
        self._shares.clamp(subject, limits, self._now_us())
        await self._redis.clamp(subject, limits)

    def _known(self, subject: str, plan: Plan, terms: Terms, now_us: int) -> tuple[Judged, str] | None:
        """Decide by a lease, or by what was just denied; None when the store has to be asked."""
        if terms.lease is not None and subject not in self._away and self.states.state is StoreState.HEALTHY:
            spent = self._leases.spend(subject, plan, terms.lease)
            if spent is not None:
                return spent
        denied = self._denials.answer(subject, plan.limits, plan.cost_mu, plan.policy_version, now_us)
        return None if denied is None else (denied, "")

    def _judge_here(self, subject: str, plan: Plan, terms: Terms) -> tuple[Judged, str]:
        return self._shares.judge(
            subject, plan, terms, self.workers, self._now_us(), self._clock.wall_ns() // 1_000,
            exhausted=self.states.is_exhausted,
        )  # fmt: skip

    def _failed(self) -> None:
        """Note a call that was not answered."""
        before, refused = self.states.state, not self._link.connected.is_set()
        if self.states.failed(self._now_us(), refused=refused):
            self._changed(before)

    def _signal(self, signal: Signal) -> None:
        before = self.states.state
        if self.states.signal(signal, self._now_us()):
            self._changed(before)

    def _passed(self) -> bool:
        before = self.states.state
        changed = self.states.passed(self._now_us())
        if changed:
            self._changed(before)
        return changed

    def _changed(self, before: StoreState) -> None:
        self._begun.set()
        if before is StoreState.HEALTHY:
            self._leases.lost()
        if self.states.state is StoreState.LOCAL:
            self._pushed.clear()
        if StoreState.PROBING not in {before, self.states.state}:
            self._report(f"quota store: {before} -> {self.states.state}")

    async def _begin(self) -> None:
        try:
            self._epoch = await self._agree()
            await self._beat()
        except (StoreError, CheckFailedError):
            return
        self._signal(Signal.ANSWERED)

    async def _beat(self) -> None:
        """Say that we live, count who does, and see that the store still is the one that we know."""
        try:
            self.workers = max(self._workers_least, await self._redis.heartbeat(WORKERS_MS))
            if await self._redis.agreement.epoch() != self._epoch:
                self._signal(Signal.LOST)
            else:
                await self._push()  # of single calls that failed while the store was there
        except StoreError:
            self._failed()

    async def _settle(self, *, everything: bool) -> None:
        try:
            await self._redis.settle(everything=everything)
        except StoreError:
            self._failed()

    async def _probe(self) -> None:
        if not self._link.connected.is_set():
            self._signal(Signal.PROBE_FAILED)
            return
        try:
            epoch = await self._redis.agreement.epoch()
            if self._epoch is not None and epoch == self._epoch:
                self._signal(Signal.PROBE_ANSWERED)
            else:
                epoch = await self._agree()
                self._signal(Signal.STORE_FORGOT)
                self._epoch = epoch
                self._signal(Signal.REBUILT)
            await self._push()
        except (StoreError, CheckFailedError):
            self._signal(Signal.PROBE_FAILED)
            self._signal(Signal.CALL_FAILED)

    async def _agree(self) -> bytes:
        """Return the store's epoch; tell once what its setting costs, or why it is not used: then the shares go on.

        Raises:
            CheckFailedError: it does not suit us.
            StoreError: no answer.
        """
        try:
            epoch = await self._redis.agreement.prepare(secrets.token_bytes(EPOCH_BYTES))
        except CheckFailedError as error:
            self._tell_once(f"quota store not used: {error.message}")
            raise
        for line in self._redis.agreement.warnings:
            self._tell_once(line)
        return epoch

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._report(line)

    async def _push(self) -> None:
        """Bring what was charged here to the store, then go back to it.

        Who is first charged here meanwhile does not hold this up: each is brought to the store before it is asked about him.
        """
        waiting = list(self._away)
        for first in range(0, len(waiting), PUSH_GROUP):
            await asyncio.gather(*map(self._push_one, waiting[first : first + PUSH_GROUP]))
        self._pushed.clear()
        self._signal(Signal.PUSHED)

    async def _push_one(self, subject: str) -> None:
        """Bring a subject's charges to the store; what is asked about it from then on stands behind them, in one connection.

        Raises:
            StoreError: no answer; the charges are kept, and may be owed twice: at most to the cap.
        """
        for period in list(self._shares.away_of(subject).periods):
            await self._redis.months.heal(subject, period)
        away = self._away.pop(subject, None) or LocalCharges()  # or somebody else brought them meanwhile
        if self.states.state is StoreState.RECONCILING:
            self._pushed.add(subject)
        minute_mu, hour_mu = away.owed_mu(self._now_us())
        if minute_mu or hour_mu:
            try:
                await self._redis.owe(subject, away.limits, minute_mu, hour_mu)
            except StoreError:
                self._shares.away_of(subject).add(away)
                raise

    def _now_us(self) -> int:
        return self._clock.monotonic_ns() // 1_000
