"""The store that several gateway processes share: one script a decision, in Redis 7 or Valkey (GW-254 to 262).

Time is Redis' own ``TIME``, read inside the script. Redis only says whether: rates, waits and fields are computed from the
state that it answers, by the same arithmetic as in memory.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Final

from veritape.gateway.adapters.redis_agreement import PARTITIONS, Agreement
from veritape.gateway.adapters.redis_calls import ScriptCalls, checked
from veritape.gateway.adapters.redis_months import RedisMonths, Sums
from veritape.gateway.adapters.redis_scripts import (
    CLAMP,
    LEASE,
    OWE,
    STATUS,
    words,
)
from veritape.gateway.adapters.redis_subjects import KnownSubject, KnownSubjects, Seen
from veritape.gateway.adapters.server_link import WAITING_LIMIT, StoreError
from veritape.gateway.adapters.store_link import Asked, Link
from veritape.gateway.adapters.stores import Straight
from veritape.gateway.boot_shares import Share
from veritape.gateway.fast_quota import Plan, Verdict, plan_of
from veritape.gateway.quota import MICROSECONDS, Decision, LimitName, Limits, State
from veritape.gateway.rate_fields import RawFields
from veritape.gateway.shared_calls import (
    WORKERS_KEY,
    Code,
    LeaseReply,
    Reply,
    boot_share,
    decide_terms,
    keys_of,
    period_of,
    read_admission,
    read_lease_reply,
    read_reply,
    renewal_arguments,
    status_arguments,
    verdict_of,
)
from veritape.gateway.shared_state import Renewal
from veritape.gateway.straight_answers import straight_answers
from veritape.kernel.clock import Clock
from veritape.kernel.errors import PeerError

CLOCK_STEP_US: Final = MICROSECONDS
"""A store clock that moved this much against ours has stepped (GW-207)."""

SLOT_GRACE_US: Final = 5 * MICROSECONDS
"""A slot is free this long after its route's timeout, whatever became of its request (GW-210)."""

PLANS_LIMIT: Final = 4_096
"""Plans whose arguments are kept; at the bound all are forgotten."""

_ATTEMPTS: Final = 4
"""A decision, again with the right month, again with the sum, and one in reserve; none repeats a call that may have happened."""


class RedisStore:
    """Counters in Redis."""

    def __init__(self, link: Link, boot: str, sums: Sums, clock: Clock, partitions: int = PARTITIONS) -> None:
        """Use a connection.

        Args:
            link: the connection; who runs it is not our matter.
            boot: name of this run of this process, the field of its own share of a month.
            sums: asks the ledger when Redis does not know a month.
            clock: our own, to see steps of the store's.
            partitions: tags of keys; fixed at the store's first use.
        """
        self._link, self._boot, self._clock = link, boot, clock
        self._partitions, self._monotonic_ns = partitions, clock.monotonic_ns
        self._skew_us = 0
        self._period = period_of(self._store_us())
        self._subjects = KnownSubjects()
        self._terms: dict[tuple[Plan, int], tuple[bytes, bytes]] = {}
        self._boot_word, self._no_word = words(boot.encode()), words(b"")
        self._last_slot = 0
        self._unsure_slots: deque[tuple[str, str]] = deque(maxlen=WAITING_LIMIT)
        """Slots that calls without an answer may have taken or may not have freed; nobody else knows them."""
        self.clock_steps = 0
        """Steps of the store's clock over a second."""
        self.clock_rebased = 0
        """Buckets whose clock was set anew."""
        self._calls = ScriptCalls(link)
        self.months = RedisMonths(self._calls, boot, sums, partitions)
        """What this boot charged of months."""
        self._shares = self.months.shares
        self.agreement = Agreement(link, partitions)
        """With all who use the store."""

    @property
    def operations(self) -> Counter[tuple[str, str]]:
        """Return (kind, end) -> calls of scripts."""
        return self._calls.all_counts()

    async def decide(
        self,
        subject: str,
        limits: Limits,
        cost_mu: int,
        policy_version: int,
        slot_us: int = 60 * MICROSECONDS,
    ) -> tuple[Decision, str]:
        """Decide and charge as ``judge`` does, without a prepared plan."""
        verdict, slot = await self.judge(subject, plan_of(limits, cost_mu, policy_version), slot_us)
        return verdict.unfolded(), slot

    async def judge(
        self, subject: str, plan: Plan, slot_us: int = 60 * MICROSECONDS, asked: Asked | None = None
    ) -> tuple[Verdict, str]:
        """Decide and charge; return the decision and the slot to release, empty when none was taken.

        Args:
            subject: who is charged.
            plan: limits and cost.
            slot_us: the route's timeout.
            asked: the question was sent already: ``straight``'s.

        Raises:
            StoreError: no answer; whether it was charged is unknown, and heals with the next call.
        """
        known = self._subjects.of(subject)
        slot = self._next_slot() if plan.counts_slots else ""
        known.under_way += 1
        unsure: str | None = None
        try:
            for _ in range(_ATTEMPTS):
                unsure = slot
                period, command = self._period, self._command(known, plan, slot, slot_us)
                share = known.share
                try:  # no function around the call: each is a coroutine more that every answer goes through
                    sent, asked = asked or self._link.send(command), None
                    answer = await sent
                    if type(answer) is not bytes:
                        answer = await self._calls.decide_by_text(answer, command)
                except StoreError as error:
                    self._calls.failed("decide", error)
                    raise
                unsure = None
                self._calls.counts["decide", "ok"] += 1
                usual = read_admission(answer, plan)
                if usual is not None:
                    verdict, mine_mu, rebased = usual
                    self._look_at_clock(verdict.now_us)
                    self.clock_rebased += rebased
                    self._decided(known, share, verdict, mine_mu)
                    return verdict, slot
                reply = self._read(answer)
                if reply.code == Code.OTHER_MONTH:
                    self._turn_month(reply.now_us)
                elif reply.code == Code.BRING_SUM:
                    await self.months.bring_sum(subject, period.name)
                else:
                    verdict = _verdict_of(reply, plan)
                    self._decided(known, share, verdict, reply.mine_mu)
                    return verdict, slot if verdict.admitted else ""
        finally:
            known.under_way -= 1
            if unsure is not None:
                self._unanswered(known, unsure)
        raise StoreError("the store does not settle on a month")

    def _unanswered(self, known: KnownSubject, slot: str) -> None:
        """Note what a call without an answer may have changed."""
        if slot:
            self._unsure_slots.append((known.name, slot))
        if known.is_counted:
            self._shares.note_unsure(known.share)

    def straight(
        self, subject: str, plan: Plan, slot_us: int, answered: Callable[[int], None]
    ) -> Straight | None:
        """Return what asks about an address and hears the usual answer; None where more than that is to be done.

        It is ``judge`` for subjects whose month nobody counts and plans without requests in progress, less what does nothing then.

        Args:
            subject: who is charged.
            plan: limits and cost.
            slot_us: the route's timeout.
            answered: told when, by our clock, the usual answer was heard.
        """
        known, tell = self._subjects.of(subject), straight_answers(plan)
        if known.is_counted or tell is None:
            return None
        send, monotonic_ns, counts, command = self._link.send, self._monotonic_ns, self._calls, b""

        def ask() -> Asked:
            nonlocal known, command
            if not command or known.period is not self._period:  # another month, or the subject was forgotten
                known = self._subjects.of(subject)
                command = self._command(known, plan, "", slot_us)
            return send(command)

        def hear(answer: object) -> RawFields | None:
            told = tell(answer)
            if told is None:
                return None
            fields, now_us = told
            heard_us = monotonic_ns() // 1_000
            skew_us = now_us - heard_us
            if not -CLOCK_STEP_US <= skew_us - self._skew_us <= CLOCK_STEP_US:
                return None
            self._skew_us = skew_us
            known.said = answer, plan, skew_us
            counts.admitted += 1
            answered(heard_us)
            return fields

        return Straight(ask, hear)

    def _decided(self, known: KnownSubject, share: Share, verdict: Verdict, mine_mu: int) -> None:
        """Note what the store decided of a subject."""
        known.heard(verdict, verdict.plan.limits, self._skew_us)
        if known.is_counted:
            if verdict.admitted:
                self._shares.add(share, verdict.plan.cost_mu)
            if known.under_way == 1:
                self._shares.note_field(share, mine_mu)

    def release_slot(self, subject: str, slot: str) -> None:
        """Free a slot, without waiting for the answer; freeing it twice changes nothing, its deadline frees it too.

        One that the store did not hear of is freed by the next ``settle``: a connection that breaks under load would else keep
        a slot of every request in progress, and a caller without slots gets nothing but denials.
        """
        if slot:
            key = keys_of(subject, "", self._partitions)[2]
            self._link.call([b"ZREM", key, slot.encode()]).add_done_callback(
                partial(self._freed, subject, slot)
            )

    def _freed(self, subject: str, slot: str, answer: "asyncio.Future[object]") -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self._unsure_slots.append((subject, slot))

    async def settle(self, *, everything: bool = False) -> None:
        """Put shares to what this boot surely charged: those whose answers differed, or all that moved since the last time.

        A subject with a call under way waits for the next time: what the call does is not known yet (GW-671). Slots that calls
        without an answer may have taken are freed.

        Raises:
            StoreError: no answer; what was not settled is tried again.
        """
        for _ in range(len(self._unsure_slots)):  # one that fails again waits for the next time
            self.release_slot(*self._unsure_slots.popleft())
        await self.months.settle(self._subjects.is_asking, everything=everything)

    def seen(self, subject: str) -> Seen | None:
        """Return what the store last said of a subject."""
        return self._subjects.seen(subject)

    async def owe(self, subject: str, limits: Limits, minute_mu: int, hour_mu: int) -> None:
        """Add what was admitted without the store to the buckets' debts, at most to their caps (GW-345)."""
        keys = keys_of(subject, "", self._partitions)
        arguments = [*status_arguments(limits), b"%d" % minute_mu, b"%d" % hour_mu]
        await self._calls.evaluate(OWE, keys, arguments)

    async def renew(self, subject: str, renewal: Renewal) -> LeaseReply:
        """Report a lease, take more or give it back; ``mine_mu``, ``boot`` and ``exact`` are filled in here.

        Raises:
            StoreError: no answer; what was held ends by itself.
        """
        for _ in range(_ATTEMPTS):
            period, share = self._period, (subject, self._period.name)
            own_mu = self._shares.of(share)
            alone = not self._subjects.is_asking(subject)
            call = renewal._replace(boot=self._boot, mine_mu=own_mu, exact=alone)
            keys = keys_of(subject, period.name, self._partitions)
            with self._shares.unsure_unless_done(share):
                answer = await self._calls.evaluate(LEASE, keys, renewal_arguments(call, period))
                try:
                    reply = read_lease_reply(answer)
                except PeerError as error:
                    raise StoreError(error.message) from error
            self._look_at_clock(reply.now_us)
            if reply.code == Code.OTHER_MONTH:
                self._turn_month(reply.now_us)
            elif reply.code == Code.BRING_SUM:
                await self.months.bring_sum(subject, period.name)
            else:
                self.months.charged(subject, period.name, reply.granted_mu)
                self._subjects.of(subject).heard(reply, renewal.limits, self._skew_us)
                return reply
        raise StoreError("the store does not settle on a month")

    async def status(self, subject: str, limits: Limits) -> State:
        """Return what is owed, used and in progress now."""
        period = period_of(self._store_us()).name
        keys = keys_of(subject, period, self._partitions)
        return self._read(await self._calls.evaluate(STATUS, keys, status_arguments(limits))).state

    async def reset(self, subject: str, limit: LimitName | None = None) -> None:
        """Forgive what a subject owes, of one bucket or of all; the month stays (GW-212)."""
        key = keys_of(subject, "", self._partitions)[0]
        checked(await self._link.call([b"DEL", key] if limit is None else [b"HDEL", key, limit.encode()]))

    async def clamp(self, subject: str, limits: Limits) -> None:
        """Bring the debts down to the caps of new limits, once (GW-211)."""
        await self._calls.evaluate(CLAMP, keys_of(subject, "", self._partitions), status_arguments(limits))

    async def heartbeat(self, period_ms: int) -> int:
        """Say that this boot lives; return how many did in the last period."""
        now_ms = self._store_us() // 1_000
        alive = self._link.call([b"ZADD", WORKERS_KEY, b"%d" % now_ms, self._boot.encode()])
        gone = self._link.call([b"ZREMRANGEBYSCORE", WORKERS_KEY, b"-inf", b"%d" % (now_ms - period_ms)])
        count = self._link.call([b"ZCARD", WORKERS_KEY])
        answers = await asyncio.gather(alive, gone, count)
        return [int(checked(answer)) for answer in answers][-1]

    async def health(self) -> bool:
        """Tell whether the store answers."""
        try:
            return bool(await self._link.call([b"PING"]) == b"PONG")
        except StoreError:
            return False

    def _next_slot(self) -> str:
        self._last_slot += 1
        return f"{self._boot}:{self._last_slot}"

    def _turn_month(self, store_us: int) -> None:
        """Go on in the month that the store is in."""
        self._period = period_of(store_us)
        self._terms.clear()

    def _command(self, known: KnownSubject, plan: Plan, slot: str, slot_us: int) -> bytes:
        """Return the command that decides."""
        period = self._period
        if known.period is not period:
            known.turn(period, self._partitions)
        terms, uncounted = self._terms.get((plan, slot_us)) or self._write_terms(plan, slot_us)
        if not known.is_counted and not slot:
            return known.head + uncounted
        boot = self._boot_word if known.is_counted else self._no_word
        return b"%b%b%b\r\n%b%b" % (
            known.head, terms, boot_share(self._shares.of(known.share)), boot,
            words(slot.encode()) if slot else self._no_word,
        )  # fmt: skip

    def _write_terms(self, plan: Plan, slot_us: int) -> tuple[bytes, bytes]:
        """Write and keep the part of a decision's first argument that is the same for all subjects.

        Beside it stand all arguments of a decision without a slot about a subject whose month nobody counts.
        """
        if len(self._terms) >= PLANS_LIMIT:
            self._terms.clear()
        terms, none = decide_terms(plan, slot_us + SLOT_GRACE_US, self._period), boot_share(0)
        head = b"$%d\r\n%b" % (len(terms) + len(none), terms)
        made = head, b"%b%b\r\n%b%b" % (head, none, self._no_word, self._no_word)
        self._terms[plan, slot_us] = made
        return made

    def _read(self, answer: object) -> Reply:
        try:
            reply = read_reply(answer)
        except PeerError as error:
            raise StoreError(error.message) from error
        self._look_at_clock(reply.now_us)
        self.clock_rebased += reply.rebased
        return reply

    def _look_at_clock(self, store_us: int) -> None:
        skew_us = store_us - self._monotonic_ns() // 1_000
        if self._skew_us and abs(skew_us - self._skew_us) > CLOCK_STEP_US:
            self.clock_steps += 1
        self._skew_us = skew_us

    def _store_us(self) -> int:
        """Return what the store's clock shows by now, ours before its first answer."""
        if not self._skew_us:
            return self._clock.wall_ns() // 1_000
        return self._clock.monotonic_ns() // 1_000 + self._skew_us


def _verdict_of(reply: Reply, plan: Plan) -> Verdict:
    """Return the decision that an answer stands for.

    Raises:
        StoreError: it stands for none.
    """
    try:
        return verdict_of(reply, plan)
    except PeerError as error:
        raise StoreError(error.message) from error
