"""The store that several gateway processes share: one script a decision, in Redis 7 or Valkey (GW-254 to 262).

Time is Redis' own ``TIME``, read inside the script. Redis only says whether: rates, waits and fields are computed from the
state that it answers, by the same arithmetic as in memory.
"""

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, NamedTuple

import hiredis

from veritape.gateway.adapters.redis_link import RedisLink, StoreError, StoreTimeoutError
from veritape.gateway.quota import MICROSECONDS, Bucket, Decision, LimitName, Limits, Rule, State, decay
from veritape.gateway.shared_calls import (
    LAYOUT,
    META_KEY,
    WORKERS_KEY,
    Code,
    LeaseReply,
    Period,
    Reply,
    decide_arguments,
    decision_of,
    keys_of,
    named_period,
    period_of,
    read_lease_reply,
    read_reply,
    renewal_arguments,
    status_arguments,
)
from veritape.gateway.shared_state import Ask, Renewal
from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError, PeerError

CLOCK_STEP_US: Final = MICROSECONDS
"""A store clock that moved this much against ours has stepped (GW-207)."""

SLOT_GRACE_US: Final = 5 * MICROSECONDS
"""A slot is free this long after its route's timeout, whatever became of its request (GW-210)."""

SEEN_LIMIT: Final = 100_000
"""Subjects whose last answer is remembered."""

SETTLE_GROUP: Final = 500
"""Shares that are settled at a time."""

_ATTEMPTS: Final = 4
"""A decision, again with the right month, again with the sum, and one in reserve; none repeats a call that may have happened."""


@dataclass(frozen=True)
class Script:
    """A script and its name for EVALSHA."""

    text: bytes
    digest: bytes

    @classmethod
    def load(cls, name: str) -> "Script":
        """Read a script of the package, behind what all have in common."""
        folder = files("veritape.gateway.adapters").joinpath("lua")
        text = b"\n".join(folder.joinpath(f"{part}.lua").read_bytes() for part in ("common", name))
        return cls(text, hashlib.sha1(text).hexdigest().encode())  # noqa: S324 - Redis names scripts by it


DECIDE: Final = Script.load("decide")
MONTH: Final = Script.load("month")
STATUS: Final = Script.load("status")
OWE: Final = Script.load("owe")
LEASE: Final = Script.load("lease")
CLAMP: Final = Script.load("clamp")

_KINDS: Final = {
    DECIDE.digest: "decide", MONTH.digest: "month", STATUS.digest: "admin", OWE.digest: "admin", LEASE.digest: "lease",
    CLAMP.digest: "admin",
}  # fmt: skip
"""Script -> kind of call in the figures."""

Sums = Callable[[str, str], Awaitable[Mapping[str, int]]]
"""(subject, period) -> boot -> mu that the ledger knows."""


class Seen(NamedTuple):
    """What the store last said of a subject; clocks are ours, monotonic."""

    minute: Bucket
    hour: Bucket
    used_mu: int
    period: str


class RedisStore:
    """Counters in Redis."""

    def __init__(self, link: RedisLink, boot: str, sums: Sums, clock: Clock, partitions: int = 64) -> None:
        """Use a connection.

        Args:
            link: the connection; who runs it is not our matter.
            boot: name of this run of this process, the field of its own share of a month.
            sums: asks the ledger when Redis does not know a month.
            clock: our own, to see steps of the store's.
            partitions: tags of keys; fixed at the store's first use.
        """
        self._link, self._boot, self._sums, self._clock = link, boot, sums, clock
        self._partitions = partitions
        self._skew_us = 0
        self._own: dict[tuple[str, str], int] = {}
        self._newest_period = ""
        self._under_way: Counter[str] = Counter()
        self._touched: set[tuple[str, str]] = set()
        self._differing: set[tuple[str, str]] = set()
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._last_slot = 0
        self.clock_steps = 0
        """Steps of the store's clock over a second."""
        self.clock_rebased = 0
        """Buckets whose clock was set anew."""
        self.operations: Counter[tuple[str, str]] = Counter()
        """(kind, end) -> calls of scripts."""

    async def decide(
        self,
        subject: str,
        limits: Limits,
        cost_mu: int,
        policy_version: int,
        slot_us: int = 60 * MICROSECONDS,
    ) -> tuple[Decision, str]:
        """Decide and charge; return the decision and the slot to release, empty when refused.

        Raises:
            StoreError: no answer; whether it was charged is unknown, and heals with the next call.
        """
        self._under_way[subject] += 1
        try:
            return await self._decide(subject, limits, cost_mu, policy_version, slot_us)
        finally:
            self._under_way[subject] -= 1
            if not self._under_way[subject]:
                del self._under_way[subject]

    async def _decide(
        self, subject: str, limits: Limits, cost_mu: int, policy_version: int, slot_us: int
    ) -> tuple[Decision, str]:
        boot = "" if subject.startswith("ip:") else self._boot
        self._last_slot += 1
        slot = f"{self._boot}:{self._last_slot}" if limits.concurrency is not None else ""
        period = period_of(self._store_us())
        for _ in range(_ATTEMPTS):
            own = self._own.get((subject, period.name), 0)
            call = Ask(limits, cost_mu, boot, own, slot, slot_us + SLOT_GRACE_US)
            keys = keys_of(subject, period.name, self._partitions)
            reply = self._read(await self._evaluate(DECIDE, keys, decide_arguments(call, period)))
            if reply.code == Code.OTHER_MONTH:
                period = period_of(reply.now_us)
            elif reply.code == Code.BRING_SUM:
                await self._bring_sum(subject, period)
            else:
                if reply.code == Code.ADMITTED and boot:
                    self.charged(subject, period.name, cost_mu)
                if boot:
                    self._compare(subject, period.name, reply.mine_mu)
                self._remember(subject, limits, reply.now_us, reply.state, period.name)
                decision = decision_of(reply, call, policy_version)
                return decision, slot if decision.admitted else ""
        raise StoreError("the store does not settle on a month")

    def release_slot(self, subject: str, slot: str) -> None:
        """Free a slot, without waiting for the answer; freeing it twice changes nothing, its deadline frees it too."""
        if slot:
            key = keys_of(subject, "", self._partitions)[2]
            self._link.call([b"ZREM", key, slot.encode()]).add_done_callback(_let_go)

    def charged(self, subject: str, period: str, units_mu: int) -> None:
        """Note what this boot charged without the store; the next call or ``heal`` brings it there."""
        if period != self._newest_period:
            self._forget_old_months(period)
        self._own[subject, period] = self._own.get((subject, period), 0) + units_mu
        self._touched.add((subject, period))

    async def settle(self, *, everything: bool = False) -> None:
        """Put shares to what this boot surely charged: those whose answers differed, or all that moved since the last time.

        A subject with a call under way waits for the next time: what the call does is not known yet (GW-671).

        Raises:
            StoreError: no answer; what was not settled is tried again.
        """
        due = self._touched if everything else self._differing
        quiet = [pair for pair in due if not self._under_way[pair[0]]]
        for first in range(0, len(quiet), SETTLE_GROUP):
            group = quiet[first : first + SETTLE_GROUP]
            await asyncio.gather(*(self.heal(*pair) for pair in group))
            self._touched.difference_update(group)
            self._differing.difference_update(group)

    def _compare(self, subject: str, period: str, mine_mu: int) -> None:
        """Note a share that is not what this boot surely charged, when no other call can explain it."""
        if self._under_way[subject] == 1 and mine_mu != self._own.get((subject, period), 0):
            self._differing.add((subject, period))

    def seen(self, subject: str) -> Seen | None:
        """Return what the store last said of a subject."""
        return self._seen.get(subject)

    async def owe(self, subject: str, limits: Limits, minute_mu: int, hour_mu: int) -> None:
        """Add what was admitted without the store to the buckets' debts, at most to their caps (GW-345)."""
        keys = keys_of(subject, "", self._partitions)
        arguments = [*status_arguments(limits), b"%d" % minute_mu, b"%d" % hour_mu]
        await self._evaluate(OWE, keys, arguments)

    async def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back to a month, never tokens (GW-216)."""
        self._own[subject, period] = self._own.get((subject, period), 0) - units_mu
        self._touched.add((subject, period))
        await self._move_month(b"add", subject, period, {self._boot: -units_mu})

    async def renew(self, subject: str, renewal: Renewal) -> LeaseReply:
        """Report a lease, take more or give it back; ``mine_mu``, ``boot`` and ``exact`` are filled in here.

        Raises:
            StoreError: no answer; what was held ends by itself.
        """
        period = period_of(self._store_us())
        for _ in range(_ATTEMPTS):
            own = self._own.get((subject, period.name), 0)
            alone = not self._under_way[subject]
            call = renewal._replace(boot=self._boot, mine_mu=own, exact=alone)
            keys = keys_of(subject, period.name, self._partitions)
            try:
                reply = read_lease_reply(await self._evaluate(LEASE, keys, renewal_arguments(call, period)))
            except PeerError as error:
                raise StoreError(error.message) from error
            self._look_at_clock(reply.now_us)
            if reply.code == Code.OTHER_MONTH:
                period = period_of(reply.now_us)
            elif reply.code == Code.BRING_SUM:
                await self._bring_sum(subject, period)
            else:
                self.charged(subject, period.name, reply.granted_mu)
                self._remember(subject, renewal.limits, reply.now_us, reply.state, period.name)
                return reply
        raise StoreError("the store does not settle on a month")

    async def heal(self, subject: str, period: str) -> None:
        """Put this boot's share of a month to what it surely charged (GW-671).

        A call that is under way then may be missing from its share until the next one raises it.
        """
        own = {self._boot: self._own.get((subject, period), 0)}
        if not await self._move_month(b"set", subject, period, own):
            await self._bring_sum(subject, named_period(period))

    async def status(self, subject: str, limits: Limits) -> State:
        """Return what is owed, used and in progress now."""
        period = period_of(self._store_us()).name
        keys = keys_of(subject, period, self._partitions)
        return self._read(await self._evaluate(STATUS, keys, status_arguments(limits))).state

    async def reset(self, subject: str, limit: LimitName | None = None) -> None:
        """Forgive what a subject owes, of one bucket or of all; the month stays (GW-212)."""
        key = keys_of(subject, "", self._partitions)[0]
        self._check(await self._link.call([b"DEL", key] if limit is None else [b"HDEL", key, limit.encode()]))

    async def clamp(self, subject: str, limits: Limits) -> None:
        """Bring the debts down to the caps of new limits, once (GW-211)."""
        await self._evaluate(CLAMP, keys_of(subject, "", self._partitions), status_arguments(limits))

    async def epoch(self) -> bytes | None:
        """Return the name of the store's memory, None when it was begun anew."""
        found: bytes | None = self._check(await self._link.call([b"HGET", META_KEY, b"epoch"]))
        return found

    async def heartbeat(self, period_ms: int) -> int:
        """Say that this boot lives; return how many did in the last period."""
        now_ms = self._store_us() // 1_000
        alive = self._link.call([b"ZADD", WORKERS_KEY, b"%d" % now_ms, self._boot.encode()])
        gone = self._link.call([b"ZREMRANGEBYSCORE", WORKERS_KEY, b"-inf", b"%d" % (now_ms - period_ms)])
        count = self._link.call([b"ZCARD", WORKERS_KEY])
        answers = await asyncio.gather(alive, gone, count)
        return [int(self._check(answer)) for answer in answers][-1]

    async def prepare(self, epoch: bytes) -> bytes:
        """Agree with whoever uses the store on layout and partitions; see that it forgets nothing; return its epoch.

        Raises:
            MisuseError: ``store_layout``, ``partitions_differ`` or ``redis_evicts``.
            StoreError: no answer.
        """
        ours = {b"epoch": epoch, b"layout": LAYOUT, b"partitions": b"%d" % self._partitions}
        for field, value in ours.items():
            self._check(await self._link.call([b"HSETNX", META_KEY, field, value]))
        found = self._check(await self._link.call([b"HMGET", META_KEY, b"layout", b"partitions", b"epoch"]))
        if found[0] != LAYOUT:
            raise MisuseError("store_layout: the store holds another layout: use an empty database")
        if found[1] != ours[b"partitions"]:
            raise MisuseError(
                f"partitions_differ: the store was begun with store.partitions = {found[1].decode()}"
            )
        policy = await self._link.call([b"CONFIG", b"GET", b"maxmemory-policy"])
        if isinstance(policy, list) and policy[1:] not in ([], [b"noeviction"]):
            raise MisuseError(f"redis_evicts: maxmemory-policy is {policy[1].decode()}: set noeviction")
        return bytes(found[2])

    async def health(self) -> bool:
        """Tell whether the store answers."""
        try:
            return bool(await self._link.call([b"PING"]) == b"PONG")
        except StoreError:
            return False

    async def _bring_sum(self, subject: str, period: Period) -> None:
        known = dict(await self._sums(subject, period.name))
        known[self._boot] = self._own.get((subject, period.name), known.get(self._boot, 0))
        await self._move_month(b"seed", subject, period.name, known)

    async def _move_month(
        self, operation: bytes, subject: str, period: str, fields: Mapping[str, int]
    ) -> bool:
        """Change a month's fields; return False when the store does not know the month."""
        pairs = [part for boot, units in fields.items() for part in (boot.encode(), b"%d" % units)]
        keys = keys_of(subject, period, self._partitions)
        answer = await self._evaluate(MONTH, keys, [operation, named_period(period).expire_ms, *pairs])
        return bool(answer[0])

    async def _evaluate(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        kind = "refund" if script is MONTH and arguments[0] == b"add" else _KINDS[script.digest]
        rest = (b"%d" % len(keys), *keys, *arguments)
        try:
            answer = await self._link.call((b"EVALSHA", script.digest, *rest))
            if isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT"):
                self.operations[kind, "reloaded"] += 1
                answer = await self._link.call((b"EVAL", script.text, *rest))
            found = self._check(answer)
        except StoreError as error:
            self.operations[kind, "timeout" if isinstance(error, StoreTimeoutError) else "error"] += 1
            raise
        self.operations[kind, "ok"] += 1
        return found

    def _check(self, answer: Any) -> Any:
        if isinstance(answer, hiredis.ReplyError):
            raise StoreError(f"the store answered {str(answer).partition(' ')[0]}")
        return answer

    def _read(self, answer: object) -> Reply:
        try:
            reply = read_reply(answer)
        except PeerError as error:
            raise StoreError(error.message) from error
        self._look_at_clock(reply.now_us)
        self.clock_rebased += reply.rebased
        return reply

    def _look_at_clock(self, store_us: int) -> None:
        skew_us = store_us - self._clock.monotonic_ns() // 1_000
        if self._skew_us and abs(skew_us - self._skew_us) > CLOCK_STEP_US:
            self.clock_steps += 1
        self._skew_us = skew_us

    def _remember(self, subject: str, limits: Limits, now_us: int, state: State, period: str) -> None:
        """Keep what the store said; what leases held was not remaining."""
        self._seen.pop(subject, None)
        if len(self._seen) >= SEEN_LIMIT:
            self._seen.popitem(last=False)
        minute, hour = state.minute, state.hour
        if state.held_mu:
            minute = _with_held(minute, limits.minute, state.held_mu, now_us)
            hour = _with_held(hour, limits.hour, state.held_mu, now_us)
        minute, hour = (bucket._replace(at_us=bucket.at_us - self._skew_us) for bucket in (minute, hour))
        self._seen[subject] = Seen(minute, hour, state.used_mu, period)

    def _forget_old_months(self, period: str) -> None:
        """Keep the shares of this month and the one before: refunds may still come for that."""
        kept = {period, self._newest_period}
        self._newest_period = max(kept)
        self._own = {key: units_mu for key, units_mu in self._own.items() if key[1] in kept}
        self._touched.intersection_update(self._own)
        self._differing.intersection_update(self._own)

    def _store_us(self) -> int:
        """Return what the store's clock shows by now, ours before its first answer."""
        if not self._skew_us:
            return self._clock.wall_ns() // 1_000
        return self._clock.monotonic_ns() // 1_000 + self._skew_us


def _with_held(bucket: Bucket, rule: Rule | None, held_mu: int, now_us: int) -> Bucket:
    """Return a bucket that owes what leases hold."""
    if rule is None:
        return bucket
    debt, at_us = decay(bucket, rule, now_us)
    return Bucket(debt + held_mu * rule.weight, at_us, rule.weight)


def _let_go(answer: "asyncio.Future[Any]") -> None:
    """Look at a failure so that nobody complains that none did."""
    if not answer.cancelled():
        answer.exception()
