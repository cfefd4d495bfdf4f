"""Usage events: what is billed, and what was refused (GW-651).

A charge is one event with an id of its own, the gateway's boot and a sequence. Refusals and anonymous calls are not single
events: one row per account or class, route, reason and minute holds their count.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final, NamedTuple

from veritape.gateway.fast_quota import Verdict, make_tuple
from veritape.gateway.quota import MICROSECONDS, Decision, month_of, period_of

MINUTE_US: Final = 60 * MICROSECONDS
"""Microseconds of one row of counted refusals."""

BOOT_BYTES: Final = 8
"""Random bytes that name one run of one gateway process."""


class Kind(StrEnum):
    """What an event is."""

    CHARGE = "charge"
    """Units of one admitted request."""
    REFUND = "refund"
    """Units given back; names the charge."""
    CREDIT = "credit"
    """Units given by an operator."""
    DENIED = "denied"
    """Requests refused in one minute, counted."""
    ANONYMOUS = "anonymous"
    """Anonymous requests admitted in one minute, counted."""
    RECONCILED = "reconciled"
    """A repair of a difference."""


_CHARGE: Final = Kind.CHARGE.value
"""As it is in a file and in a ledger: to write a plain string costs a fraction of what a member of an enum costs."""


class Commit(StrEnum):
    """What an answer to a charged request waits for (GW-661, GW-662)."""

    LOCAL = "local"
    """The charge is synced to the worker's outbox file."""
    LEDGER = "ledger"
    """PostgreSQL committed it; after 100 ms without an answer, the outbox file has it."""
    ASYNC = "async"
    """Nothing: charges are synced each 100 ms, a crash may lose so many."""


class OnFailure(StrEnum):
    """What charged routes do while charges cannot be made durable (GW-665)."""

    CLOSED = "closed"
    """They answer 503 ``usage_unavailable``."""
    CONTINUE = "continue"
    """They are served, nobody is charged, and the lost charges are counted."""


class UsageEvent(NamedTuple):
    """One row of the ledger. No body, no address, no key."""

    boot: bytes
    seq: int
    """With ``boot`` the event's id."""
    kind: str
    """One of ``Kind``."""
    account: str
    env: str
    key_id: str
    subject: str
    route: str
    units_mu: int
    """Signed: a refund is negative."""
    decision: str
    """``admitted`` or ``denied``."""
    reason: str
    mode: str
    policy_version: int
    period: str
    """Month that it belongs to: ``2026-11``."""
    at_us: int
    """Wall clock, microseconds UTC."""
    request_id: str
    refers_boot: bytes | None
    """Id of the charge that a refund gives back."""
    refers_seq: int | None
    items: int
    """Items of the call, or requests of a counted row."""


OWN: Final = tuple(map(UsageEvent._fields.index, ("seq", "at_us", "request_id")))
"""Fields that a charge shares with no other one of its key and route."""

own_of: Final = itemgetter(*OWN)
"""Takes them from an event."""

shared_of: Final = itemgetter(*(field for field in range(len(UsageEvent._fields)) if field not in OWN))
"""Takes all others."""


class Caller(NamedTuple):
    """Who is charged."""

    account: str
    """Account id; of anonymous callers ``ip:<class>``."""
    env: str
    """``live`` or ``test``; empty for anonymous callers."""
    key_id: str
    subject: str


class EventSource:
    """Numbers the events of one boot."""

    def __init__(self, boot: bytes) -> None:
        self.boot = boot
        self._seq = 0

    def charge(
        self, caller: Caller, route: str, judged: Verdict | Decision, wall_us: int, request_id: str
    ) -> UsageEvent:
        """Return the charge of an admitted request."""
        self._seq = seq = self._seq + 1
        account, env, key_id, subject = caller
        if isinstance(judged, Verdict):
            _, plan, _, _, _, _, _, judged_us, _, _, mode = judged
            cost_mu, version, period = plan.cost_mu, plan.policy_version, period_of(judged_us)
        else:
            mode, cost_mu, version, period = judged.mode, judged.cost_mu, judged.policy_version, judged.period
        return make_tuple(
            UsageEvent,
            (self.boot, seq, _CHARGE, account, env, key_id, subject, route, cost_mu, "admitted", "",
             mode, version, period, wall_us, request_id, None, None, 1),
        )  # fmt: skip

    def refund(self, charge: UsageEvent, reason: str, wall_us: int) -> UsageEvent:
        """Return the refund of a charge: same month, whatever the date (GW-216)."""
        return charge._replace(
            seq=self._next(),
            kind=Kind.REFUND,
            units_mu=-charge.units_mu,
            reason=reason,
            at_us=wall_us,
            refers_boot=charge.boot,
            refers_seq=charge.seq,
        )

    def credit(
        self, account: str, env: str, units_mu: int, period: str, reason: str, policy_version: int,
        wall_us: int, request_id: str,
    ) -> UsageEvent:  # fmt: skip
        """Return units that an operator gives (GW-212); they lower the month."""
        return UsageEvent(
            self.boot, self._next(), Kind.CREDIT, account, env, "", f"{account}:{env}", "", -units_mu, "", reason, "",
            policy_version, period, wall_us, request_id, None, None, 1,
        )  # fmt: skip

    def counted(self, key: "TallyKey", count: int, at_us: int) -> UsageEvent:
        """Return one row of counted requests."""
        return UsageEvent(
            self.boot, self._next(), key.kind, key.account, key.env, "", "", key.route, 0,
            "denied" if key.kind is Kind.DENIED else "admitted", key.reason, "", key.policy_version,
            month_of(at_us).period, at_us, "", None, None, count,
        )  # fmt: skip

    def _next(self) -> int:
        self._seq += 1
        return self._seq


class TallyKey(NamedTuple):
    """What is counted together within a minute."""

    kind: Kind
    account: str
    env: str
    route: str
    reason: str
    policy_version: int


class Tally:
    """Counts refusals and anonymous calls by minute."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, TallyKey]] = Counter()

    def add(self, key: TallyKey, wall_us: int) -> None:
        """Count one request."""
        self._counts[wall_us // MINUTE_US, key] += 1

    def take(self, events: EventSource, wall_us: int, *, everything: bool = False) -> Sequence[UsageEvent]:
        """Return the rows of the minutes that are over, or of all at the end; they are counted no more."""
        due = sorted(item for item in self._counts if everything or item[0] < wall_us // MINUTE_US)
        return [events.counted(item[1], self._counts.pop(item), item[0] * MINUTE_US) for item in due]


def alike(events: Sequence[UsageEvent]) -> Sequence[Sequence[UsageEvent]]:
    """Return events together that share all but what is their own: most are charges of one key for one route."""
    found: dict[tuple[Any, ...], list[UsageEvent]] = {}
    before, of_before = None, list[UsageEvent]()
    for event in events:
        shared = shared_of(event)
        if (
            shared != before
        ):  # to compare costs less than to look up: the strings of decoded events know no hash yet
            before, of_before = shared, found.setdefault(shared, [])
        of_before.append(event)
    return list(found.values())


def months_of(together: Iterable[Sequence[UsageEvent]]) -> list[tuple[str, str, bytes, int, int]]:
    """Return what events add to the months: (subject, period, boot, mu, events); counted rows and repairs add nothing.

    Args:
        together: events as ``alike`` returns them.
    """
    sums: dict[tuple[str, str, bytes], tuple[int, int]] = {}
    for events in together:
        event = events[0]
        if event.subject and event.kind != Kind.RECONCILED:
            key = event.subject, event.period, event.boot
            units_mu, count = sums.get(key, (0, 0))
            sums[key] = units_mu + event.units_mu * len(events), count + len(events)
    return [(*key, units_mu, count) for key, (units_mu, count) in sorted(sums.items())]


def marks_of(events: Sequence[UsageEvent]) -> list[tuple[bytes, int]]:
    """Return the last sequence of every boot among the events."""
    last: dict[bytes, int] = {}
    for event in events:
        last[event.boot] = max(event.seq, last.get(event.boot, 0))
    return sorted(last.items())
