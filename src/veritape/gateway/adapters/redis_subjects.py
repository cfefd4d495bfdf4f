"""What a worker keeps of each subject between its calls to Redis: its keys as bytes, and what the store last said."""

from collections import OrderedDict
from itertools import islice
from typing import Final, NamedTuple

from veritape.gateway.adapters.redis_scripts import DECIDE_BY_NAME, words
from veritape.gateway.fast_quota import Plan, Verdict
from veritape.gateway.memory_store import UNLIMITED
from veritape.gateway.quota import Bucket, Limits, Rule, decay
from veritape.gateway.shared_calls import LeaseReply, Period, keys_of, period_of, read_admission

SUBJECTS_LIMIT: Final = 100_000
"""Subjects that are remembered."""

EVICTION_SCAN: Final = 64
"""Subjects, least recently asked for first, among which one without a call under way is looked for."""


class Seen(NamedTuple):
    """What the store last said of a subject; clocks are ours, monotonic."""

    minute: Bucket
    hour: Bucket
    used_mu: int
    period: str


class KnownSubject:
    """One of them."""

    __slots__ = (
        "head",
        "is_counted",
        "limits",
        "name",
        "period",
        "reply",
        "said",
        "share",
        "skew_us",
        "under_way",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_counted = not name.startswith("ip:")
        """Its month is kept: an account's, not an address'."""
        self.period: Period | None = None
        """Of the next two; None before they are there, and once the subject is forgotten."""
        self.head = b""
        """How the command of a decision about it begins: until its arguments."""
        self.share = (name, "")
        """Names what this boot charged it in the month."""
        self.under_way = 0
        """Decisions that are asked for."""
        self.reply: Verdict | LeaseReply | None = None
        """What the store last said."""
        self.said: tuple[object, Plan, int] | None = None
        """A later admission as the store wrote it, its plan, and the clocks' difference: read when somebody asks."""
        self.limits = UNLIMITED
        """Limits that it was asked about."""
        self.skew_us = 0
        """The store's clock then, less ours."""

    def turn(self, period: Period, partitions: int) -> None:
        """Go on in a month."""
        self.period, self.share = period, (self.name, period.name)
        self.head = DECIDE_BY_NAME + words(*keys_of(self.name, period.name, partitions))

    def heard(self, reply: Verdict | LeaseReply, limits: Limits, skew_us: int) -> None:
        """Keep what the store said."""
        self.reply, self.limits, self.skew_us, self.said = reply, limits, skew_us, None

    def seen(self) -> Seen | None:
        """Return it by our clock; what leases held was not remaining."""
        if self.said is not None:
            answer, plan, skew_us = self.said
            read = read_admission(answer, plan)
            if read is not None:
                self.heard(read[0], plan.limits, skew_us)
        if self.reply is None:
            return None
        now_us, state, limits = self.reply.now_us, self.reply.state, self.limits
        minute, hour = state.minute, state.hour
        if state.held_mu:
            minute = _with_held(minute, limits.minute, state.held_mu, now_us)
            hour = _with_held(hour, limits.hour, state.held_mu, now_us)
        minute, hour = (bucket._replace(at_us=bucket.at_us - self.skew_us) for bucket in (minute, hour))
        return Seen(minute, hour, state.used_mu, period_of(now_us).name)


class KnownSubjects:
    """All of them, within a bound."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, KnownSubject] = OrderedDict()

    def of(self, name: str) -> KnownSubject:
        """Return a subject that is about to be asked for."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= SUBJECTS_LIMIT:
                self._evict()
            known = self._known[name] = KnownSubject(name)
        else:
            self._known.move_to_end(name)
        return known

    def seen(self, name: str) -> Seen | None:
        """Return what the store last said of a subject."""
        known = self._known.get(name)
        return None if known is None else known.seen()

    def is_asking(self, name: str) -> bool:
        """Tell whether a decision of a subject is under way."""
        known = self._known.get(name)
        return known is not None and known.under_way > 0

    def _evict(self) -> None:
        """Forget the least recently asked for, unless it is right now."""
        oldest = islice(self._known.values(), EVICTION_SCAN)
        name = next((known.name for known in oldest if not known.under_way), None)
        if name is not None:
            self._known.pop(name).period = None


def _with_held(bucket: Bucket, rule: Rule | None, held_mu: int, now_us: int) -> Bucket:
    """Return a bucket that owes what leases hold."""
    if rule is None:
        return bucket
    debt, at_us = decay(bucket, rule, now_us)
    return Bucket(debt + held_mu * rule.weight, at_us, rule.weight)
