"""Calls of the shared store in bytes: keys, arguments, answers (GW-255, GW-257).

Keys of one subject carry one partition tag, so that a call touches one slot of a cluster. Buckets and leases expire when
they say no more than their absence, the month 62 days after its end.
"""

import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from veritape.gateway import quota
from veritape.gateway.fast_quota import NOTHING, Parts, Plan, Verdict, make_tuple
from veritape.gateway.quota import EXACT_LIMIT, MICROSECONDS, Bucket, Limits, Mode, Rule, State
from veritape.gateway.shared_state import Renewal, RenewalCode
from veritape.kernel.errors import PeerError

KEEP_MONTH_S: Final = 62 * 86_400
"""Seconds that a month's figures are kept after its end."""

META_KEY: Final = b"vt1:meta"
"""Hash with the store's epoch, layout and partitions."""

WORKERS_KEY: Final = b"vt1:workers"
"""Sorted set of the boots that live, by heartbeat."""

LAYOUT: Final = b"1"
"""Version of keys and values."""

_ANSWER: Final = struct.Struct("<14q")
"""A full answer: see ``begin.lua``."""

_AGAIN: Final = struct.Struct("<2q")
"""Code and clock: the call has to be made again with something else."""

_LEASE_INTEGERS: Final = 19
"""Integers of a lease's answer."""

_TERMS: Final = struct.Struct("<12d")
"""What a plan says of a call to ``usual.lua``; the month's bounds and a slot's time with it."""

_MINE: Final = struct.Struct("<d")
"""What the boot charged."""


class Code:
    """What a script answers first."""

    DENIED, ADMITTED, BRING_SUM, OTHER_MONTH = range(4)


_ADMITTED: Final = Code.ADMITTED
_EXACT: Final = Mode.EXACT
"""Members that hot paths name: each is looked up in its class otherwise."""

_DECIDED: Final = frozenset({Code.DENIED, Code.ADMITTED})
_UNDECIDED: Final = frozenset({Code.BRING_SUM, Code.OTHER_MONTH})
"""Codes of full answers, and of the others."""


class Period(NamedTuple):
    """A calendar month as the store's keys and clock know it."""

    name: str
    """``2026-11``."""
    start_us: int
    end_us: int

    @property
    def expire_ms(self) -> bytes:
        """Return when its key may go, Unix milliseconds."""
        return b"%d" % ((self.end_us // MICROSECONDS + KEEP_MONTH_S) * 1_000)


class Reply(NamedTuple):
    """A script's answer."""

    code: int
    now_us: int
    minute: Parts = NOTHING
    hour: Parts = NOTHING
    used_mu: int = 0
    slots: int = 0
    held_mu: int = 0
    lease_end_us: int = 0
    mine_mu: int = 0
    """The boot's field after the call."""
    rebased: int = 0
    """Buckets whose clock was set anew."""

    @property
    def state(self) -> State:
        """Return the state in the words of the definition."""
        return State(
            Bucket(*self.minute),
            Bucket(*self.hour),
            self.used_mu,
            self.slots,
            self.held_mu,
            self.lease_end_us,
        )


def period_of(wall_us: int) -> Period:
    """Return the month of a moment."""
    month = quota.month_of(wall_us)
    end_us = wall_us + month.left_us
    return Period(month.period, end_us - month.length_s * MICROSECONDS, end_us)


def named_period(name: str) -> Period:
    """Return a month by its name."""
    start = datetime(int(name[:4]), int(name[5:]), 1, tzinfo=UTC)
    return period_of(int(start.timestamp()) * MICROSECONDS)


def keys_of(subject: str, period: str, partitions: int) -> list[bytes]:
    """Return a subject's keys: buckets, month, slots, leases."""
    name = subject.encode()
    tag = b"vt1:{%d}:" % (zlib.crc32(name) % partitions)
    month = b"%bq:%b:%b" % (tag, name, period.replace("-", "").encode())
    return [b"%bb:%b" % (tag, name), month, b"%bc:%b" % (tag, name), b"%bl:%b" % (tag, name)]


def decide_terms(plan: Plan, slot_us: int, period: Period) -> bytes:
    """Return the first argument of ``usual.lua`` but its end, which ``boot_share`` writes: doubles, which hold integers exactly.

    It changes with the plan and the month alone, so a store keeps it.
    """
    limits, minute, hour = plan.limits, plan.minute, plan.hour
    month_mu = -1 if limits.month_mu is None or limits.overage else limits.month_mu
    concurrency = -1 if limits.concurrency is None else limits.concurrency
    return _TERMS.pack(
        plan.cost_mu, minute.gain, minute.weight, minute.cap, hour.gain, hour.weight, hour.cap,
        month_mu, period.start_us, period.end_us, concurrency, slot_us,
    )  # fmt: skip


boot_share: Final = _MINE.pack
"""Return the end of that argument: what the boot surely charged in the month."""


def status_arguments(limits: Limits) -> list[bytes]:
    """Return the arguments of ``status.lua``."""
    return list(_limit_arguments(limits)[0])


def renewal_arguments(call: Renewal, period: Period) -> list[bytes]:
    """Return the arguments of ``lease.lua``."""
    rules, month, concurrency = _limit_arguments(call.limits)
    figures = (
        call.mine_mu, call.spent_mu, call.wanted_mu, call.least_mu, call.lease_most_mu, call.all_most_mu, call.ttl_us, call.workers,
        call.exact,
    )  # fmt: skip
    bounds = (b"%d" % period.start_us, b"%d" % period.end_us)
    texts = (b"%d" % figure for figure in figures)
    return [
        *rules,
        month,
        *bounds,
        call.boot.encode(),
        *texts,
        concurrency,
        b"%d" % call.slots,
        b"%d" % call.left_mu,
    ]


class LeaseReply(NamedTuple):
    """What ``lease.lua`` answers."""

    code: int
    now_us: int
    state: State
    mine_mu: int
    granted_mu: int
    held_mu: int
    """By this lease."""
    end_us: int
    recall_us: int
    """When somebody was refused for the leases of others alone, 0 for never."""
    slots: int
    """Slots of this lease."""


def read_lease_reply(answer: object) -> LeaseReply:
    """Read the answer of ``lease.lua``.

    Raises:
        PeerError: it is none.
    """
    if not isinstance(answer, list) or not all(type(one) is int for one in answer):
        raise PeerError(f"the store answered {answer!r:.80}")
    if len(answer) == 2 and answer[0] in {Code.BRING_SUM, Code.OTHER_MONTH}:  # noqa: PLR2004 - code and clock
        return LeaseReply(answer[0], answer[1], State(), 0, 0, 0, 0, 0, 0)
    if len(answer) != _LEASE_INTEGERS or answer[0] not in set(RenewalCode):
        raise PeerError(f"the store answered {answer!r:.80}")
    state = State(Bucket(*answer[2:5]), Bucket(*answer[5:8]), *answer[8:12])
    return LeaseReply(answer[0], answer[1], state, answer[12], *answer[14:19])


def leased_verdict(reply: LeaseReply, plan: Plan, spent_mu: int, slots: int) -> Verdict:
    """Return the admission of a request under a lease: the state of the store's answer, the holder's own units counted as left.

    Args:
        reply: the lease's last answer.
        plan: of the request.
        spent_mu: spent under the lease since that answer, this request included.
        slots: requests in progress under the lease, this one included.
    """
    _, now_us, state, _, _, held_mu, _, _, _ = reply
    minute, hour, used_mu, _, all_held_mu, lease_end_us = state
    return make_tuple(
        Verdict,
        (
            True, plan, minute, hour, used_mu - held_mu + spent_mu, slots, now_us, now_us, all_held_mu - held_mu + spent_mu,
            lease_end_us, Mode.LEASE,
        ),
    )  # fmt: skip


def read_reply(answer: object) -> Reply:
    """Read a script's answer.

    Raises:
        PeerError: it is none.
    """
    if isinstance(answer, bytes):
        if len(answer) == _ANSWER.size:
            numbers = _ANSWER.unpack(answer)
            if numbers[0] in _DECIDED and 0 <= numbers[1] <= EXACT_LIMIT:
                return make_tuple(Reply, (*numbers[:2], numbers[2:5], numbers[5:8], *numbers[8:]))
        elif len(answer) == _AGAIN.size:
            code, now_us = _AGAIN.unpack(answer)
            if code in _UNDECIDED and 0 <= now_us <= EXACT_LIMIT:
                return Reply(code, now_us)
    raise PeerError(f"the store answered {answer!r:.80}")


def read_admission(answer: object, plan: Plan) -> tuple[Verdict, int, int] | None:
    """Read the usual answer: the request was admitted, under the plan's rules.

    Returns:
        the verdict, the boot's field after the call, and the buckets whose clock was set anew; None for any other
        answer, which ``read_reply`` reads.
    """
    if type(answer) is not bytes or len(answer) != _ANSWER.size:
        return None
    (
        code, now_us, minute, minute_us, minute_weight, hour, hour_us, hour_weight, used_mu, slots, held_mu, lease_end_us,
        mine_mu, rebased,
    ) = _ANSWER.unpack(answer)  # fmt: skip
    if code != _ADMITTED or not 0 <= now_us <= EXACT_LIMIT:
        return None
    if (plan.minute.gain and minute_weight != plan.minute.weight) or (
        plan.hour.gain and hour_weight != plan.hour.weight
    ):
        return None
    verdict = make_tuple(
        Verdict,
        (
            True, plan, (minute, minute_us, minute_weight), (hour, hour_us, hour_weight), used_mu, slots, now_us, now_us, held_mu,
            lease_end_us, _EXACT,
        ),
    )  # fmt: skip
    return verdict, mine_mu, rebased


def verdict_of(reply: Reply, plan: Plan) -> Verdict:
    """Return the decision that an answer stands for: the store said whether, the same arithmetic says the rest.

    Raises:
        PeerError: the store charged under other rules, or refused what its own state would admit.
    """
    admitted = reply.code == Code.ADMITTED
    _, now_us, minute, hour, used_mu, slots, held_mu, lease_end_us, _, _ = reply
    verdict = make_tuple(
        Verdict,
        (admitted, plan, minute, hour, used_mu, slots, now_us, now_us, held_mu, lease_end_us, Mode.EXACT),
    )
    if admitted:
        if (plan.minute.gain and minute[2] != plan.minute.weight) or (
            plan.hour.gain and hour[2] != plan.hour.weight
        ):
            raise PeerError("the store charged under other rules")
    elif not all(weight or not debt for debt, _, weight in (minute, hour)):
        raise PeerError("the store holds a debt without a weight")
    elif verdict.unfolded().admitted:
        raise PeerError("the store refused what its own state admits")
    return verdict


@lru_cache(maxsize=4_096)
def _limit_arguments(limits: Limits) -> tuple[Sequence[bytes], bytes, bytes]:
    """Return gain, weight and cap of both buckets, the month's quota that denies, and the concurrency."""
    return (
        (*_rule_arguments(limits.minute), *_rule_arguments(limits.hour)),
        b"" if limits.month_mu is None or limits.overage else b"%d" % limits.month_mu,
        b"" if limits.concurrency is None else b"%d" % limits.concurrency,
    )


def _rule_arguments(rule: Rule | None) -> tuple[bytes, bytes, bytes]:
    if rule is None:
        return b"", b"", b""
    return b"%d" % rule.gain, b"%d" % rule.weight, b"%d" % (rule.burst_mu * rule.weight)
