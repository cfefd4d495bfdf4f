"""The store of one process: states in a dict, decided by ``quota`` (GW-251 to 253).

Months come from the ledger at the start. Buckets too: an account that was charged before the restart begins with the debt
of what its last time-to-full brought, so a killed gateway never over-admits and under-admits at most one burst.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from veritape.gateway import quota
from veritape.gateway.fast_quota import NOTHING, Parts, Plan, Tally, Verdict, judge, plan_of
from veritape.gateway.quota import EMPTY, MICROSECONDS, Bucket, Decision, LimitName, Limits, Rule, State
from veritape.gateway.tabs import CLOSED, Tab

SUBJECTS_LIMIT: Final = 250_000
"""Subjects in memory (GW-252: at most a million): 630 bytes each; with every other memory full too, a worker stays below
512 MiB (GW-908)."""

EVICTION_SCAN: Final = 64
"""Subjects that are looked at when one has to go."""

SURE_US: Final = MICROSECONDS
"""The calendar is looked at again after this long at the latest, should the wall clock step."""

SLOT_GRACE_US: Final = 5 * MICROSECONDS
"""A slot is free this long after its route's timeout, whatever became of its request (GW-210)."""


UNLIMITED: Final = Limits()
"""No limit applies."""


class Charge(NamedTuple):
    """Units charged in one second before the start, from the ledger."""

    at_us: int
    """Wall clock, microseconds."""
    units_mu: int


class Past(NamedTuple):
    """What a restarted store knows of a subject."""

    charges: Sequence[Charge]
    wall_us: int
    """Wall clock at the restart."""


class Account(Tally):
    """A subject's state, and what only this store needs of it."""

    __slots__ = ("ends", "first_end_us", "is_used", "limits", "period", "tab")

    def __init__(self, minute: Parts = NOTHING, hour: Parts = NOTHING, limits: Limits = UNLIMITED) -> None:
        super().__init__(minute, hour)
        self.limits = limits
        """Of the last decision."""
        self.period = ""
        """Of the month's figure; of no month once the store has forgotten the subject."""
        self.is_used = False
        """Asked about since its place in the order was looked at."""
        self.ends: dict[int, int] = {}
        """Slot -> clock at which it is free again."""
        self.first_end_us = 0
        """No slot ends before."""
        self.tab: Tab | None = None
        """What holds the minute's bucket and the month's figure in place of this, until it is settled."""

    def settle(self) -> None:
        """Take what stands on the open tab, and close it."""
        tab = self.tab
        if tab is not None:
            self.minute, self.used_mu = (tab.debt, tab.at_us, self.minute[2]), tab.used_mu
            self.is_used, self.tab, tab.until_us = True, None, 0


class MemoryStore:
    """Counters of one gateway process. Not for several: each would admit the whole limit."""

    def __init__(
        self, months: Mapping[tuple[str, str], int] | None = None, past: Mapping[str, Past] | None = None,
        subjects_limit: int = SUBJECTS_LIMIT,
    ) -> None:  # fmt: skip
        """Begin.

        Args:
            months: (account's subject, period) -> mu used, from the ledger.
            past: subject -> its charges before the start; taken when the subject is first seen.
            subjects_limit: most subjects in memory.
        """
        self._months = dict(months or {})
        """What is in no account: of other months, and of accounts that were evicted."""
        self._past = dict(past or {})
        self.subjects_limit = subjects_limit
        self.subjects_evicted = 0
        """Subjects forgotten at the bound."""
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._last_slot = 0
        self.period = ""
        """The present month."""
        self.sure_us = 0
        """Monotonic clock until which it surely is."""
        self._month_start_us = self._month_end_us = 0

    def __len__(self) -> int:
        """Return how many subjects are remembered."""
        return len(self._accounts)

    @property
    def months(self) -> dict[tuple[str, str], int]:
        """Return (account's subject, period) -> mu used; what an address used is forgotten with its subject."""
        found = dict(self._months)
        for subject, account in self._accounts.items():
            account.settle()
            if account.used_mu and _is_counted(subject):
                found[subject, account.period] = account.used_mu
        return found

    def decide(
        self, subject: str, limits: Limits, cost_mu: int, now_us: int, wall_us: int,
        policy_version: int, slot_us: int = 60 * MICROSECONDS,
    ) -> tuple[Decision, int]:  # fmt: skip
        """Decide and charge.

        Args:
            subject: ``account:env`` or ``ip:class:prefix``.
            limits: what applies to it.
            cost_mu: above 0.
            now_us: monotonic clock.
            wall_us: wall clock, for the month.
            policy_version: noted in the decision.
            slot_us: the route's timeout.

        Returns:
            the decision and the slot to release, 0 when there is none.
        """
        plan = plan_of(limits, cost_mu, policy_version)
        verdict, slot = self.judge(subject, plan, now_us, wall_us, slot_us)
        return verdict.unfolded(), slot

    def judge(
        self, subject: str, plan: Plan, now_us: int, wall_us: int, slot_us: int = 60 * MICROSECONDS
    ) -> tuple[Verdict, int]:
        """Decide and charge by a prepared plan, as ``decide``; the answer unfolds when it is asked."""
        account = self._accounts.get(subject)
        if account is None:
            account = self._begin(subject, plan.limits, now_us)
        else:
            account.is_used = True
            if account.tab is not None:
                account.settle()
        if not self._month_start_us <= wall_us < self._month_end_us:
            self._turn_month(wall_us)
        if now_us >= self.sure_us:
            self.sure_us = now_us + min(SURE_US, self._month_end_us - wall_us)
        if account.period is not self.period:
            self._load_month(subject, account)
        account.limits = plan.limits
        if account.ends and now_us >= account.first_end_us:
            _free_ended(account, now_us)
        verdict = judge(plan, account, now_us, wall_us)
        if plan.counts_slots and verdict.admitted:
            return verdict, self.take_slot(account, now_us + slot_us + SLOT_GRACE_US)
        return verdict, 0

    def account(self, subject: str) -> Account | None:
        """Return a subject's state, settled, which is changed in place; None when it is not in memory."""
        account = self._accounts.get(subject)
        if account is not None:
            account.settle()
        return account

    def open_tab(self, subject: str, weight: int, now_us: int) -> Tab:
        """Return the tab of a subject's minute; the closed one when another rule, month or store may have to say something first."""
        account = self._accounts.get(subject)
        if account is None or account.period is not self.period or now_us >= self.sure_us:
            return CLOSED
        debt, at_us, written = account.minute
        if written != weight:
            return CLOSED
        if account.tab is None:
            account.tab = Tab(debt, at_us, account.used_mu, self.sure_us)
        account.tab.until_us = self.sure_us
        return account.tab

    def begin(self, subject: str, limits: Limits, minute: Bucket, hour: Bucket) -> None:
        """Give a subject that is new here the state that another store knew of it."""
        if subject not in self._accounts:
            self._accounts[subject] = Account((*minute,), (*hour,), limits)

    def forget(self, subject: str) -> None:
        """Know nothing of a subject any more: another store knows it better."""
        account = self._accounts.pop(subject, None)
        if account is not None:
            account.settle()
            self._months.pop((subject, account.period), None)
            account.period = ""

    def take_slot(self, account: Account, end_us: int) -> int:
        """Count a request in progress until a monotonic time at the latest; return the slot to release."""
        self._last_slot += 1
        if not account.ends or end_us < account.first_end_us:
            account.first_end_us = end_us
        account.ends[self._last_slot] = end_us
        account.slots = len(account.ends)
        return self._last_slot

    def release_slot(self, subject: str, slot: int) -> None:
        """Free a slot once its response has ended; freeing it twice changes nothing."""
        account = self._accounts.get(subject)
        if account is not None:
            account.ends.pop(slot, None)
            account.slots = len(account.ends)
            if not account.slots:
                account.ends = {}  # a dict that held something never shrinks: 168 bytes, a million times

    def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back to a month, never tokens (GW-216); ``used`` does not become negative."""
        account = self.account(subject)
        left_mu = max(0, self._used_mu(subject, period, account) - units_mu)
        if account is not None and account.period == period:
            account.used_mu = left_mu
        if _is_counted(subject):
            self._months[subject, period] = left_mu

    def status(self, subject: str, limits: Limits, now_us: int, wall_us: int) -> State:
        """Return what is owed, used and in progress now; nothing changes."""
        found = self.account(subject)
        used_mu = self._used_mu(subject, quota.month_of(wall_us).period, found)
        if found is None:
            return State(used_mu=used_mu)
        return State(
            _decayed(found.minute, limits.minute, now_us),
            _decayed(found.hour, limits.hour, now_us),
            used_mu,
            sum(end_us > now_us for end_us in found.ends.values()),
        )

    def reset(self, subject: str, limit: LimitName | None = None) -> None:
        """Forgive what a subject owes, of one bucket or of all; the month and the requests in progress stay (GW-212)."""
        account = self.account(subject)
        if account is not None:
            account.minute = NOTHING if limit is not LimitName.HOUR else account.minute
            account.hour = NOTHING if limit is not LimitName.MINUTE else account.hour
        self._past.pop(subject, None)

    def clamp(self, subject: str, limits: Limits, now_us: int) -> None:
        """Bring a subject's debts down to the bursts of its new limits, once (GW-211)."""
        account = self.account(subject)
        if account is not None:
            account.minute = _clamped(account.minute, limits.minute, now_us)
            account.hour = _clamped(account.hour, limits.hour, now_us)

    def health(self) -> bool:
        """Tell whether the store decides: memory always does."""
        return True

    def sweep_slots(self, now_us: int) -> None:
        """Free the slots whose deadline is over."""
        for account in self._accounts.values():
            if account.ends and now_us >= account.first_end_us:
                _free_ended(account, now_us)

    def _begin(self, subject: str, limits: Limits, now_us: int) -> Account:
        if len(self._accounts) >= self.subjects_limit:
            self._evict(now_us)
        past, made = self._past.pop(subject, None), Account()
        if past is not None:
            made.minute = _restored(past, limits.minute, now_us)
            made.hour = _restored(past, limits.hour, now_us)
        self._accounts[subject] = made
        return made

    def _turn_month(self, wall_us: int) -> None:
        month = quota.month_of(wall_us)
        self.period, self.sure_us = month.period, 0
        self._month_end_us = wall_us + month.left_us
        self._month_start_us = self._month_end_us - month.length_s * MICROSECONDS

    def _load_month(self, subject: str, account: Account) -> None:
        """Count an account's present month from what is known of it; keep what it used in the one before."""
        self._keep_month(subject, account)
        account.period = self.period
        account.used_mu = self._months.get((subject, self.period), 0)

    def _keep_month(self, subject: str, account: Account) -> None:
        if account.used_mu and _is_counted(subject):
            self._months[subject, account.period] = account.used_mu

    def _used_mu(self, subject: str, period: str, account: Account | None) -> int:
        if account is not None and account.period == period:
            return account.used_mu
        return self._months.get((subject, period), 0)

    def _evict(self, now_us: int) -> None:
        """Forget a subject that owes nothing, else one that nobody asked about since it was last looked at.

        Who was asked about meanwhile goes to the end: the least recently used as the clock algorithm knows it, so that
        no request has to keep an order.
        """
        idle = (
            subject
            for subject, found in islice(self._accounts.items(), EVICTION_SCAN)
            if not _owes(found, now_us)
        )
        subject = next(idle, None) or self._unused()
        gone = self._accounts.pop(subject)
        gone.settle()
        self._keep_month(subject, gone)
        gone.period = ""
        self.subjects_evicted += 1

    def _unused(self) -> str:
        """Return the first in the order that nobody asked about; who was goes to its end."""
        for _ in range(EVICTION_SCAN):
            subject, found = next(iter(self._accounts.items()))
            if not found.is_used:
                break
            found.is_used = False
            self._accounts.move_to_end(subject)
        return next(iter(self._accounts))


def _is_counted(subject: str) -> bool:
    """Tell whether a subject's month is kept: an account's, not an address'."""
    return not subject.startswith("ip:")


def _free_ended(account: Account, now_us: int) -> None:
    account.ends = {slot: end_us for slot, end_us in account.ends.items() if end_us > now_us}
    account.slots = len(account.ends)
    account.first_end_us = min(account.ends.values(), default=0)


def _owes(found: Account, now_us: int) -> bool:
    found.settle()
    if found.ends:
        return True
    buckets = ((found.minute, found.limits.minute), (found.hour, found.limits.hour))
    return any(_decayed(bucket, rule, now_us).debt for bucket, rule in buckets)


def _decayed(parts: Parts, rule: Rule | None, now_us: int) -> Bucket:
    if rule is None or parts == NOTHING:
        return EMPTY
    return Bucket(*quota.decay(Bucket(*parts), rule, now_us), rule.weight)


def _clamped(parts: Parts, rule: Rule | None, now_us: int) -> Parts:
    if rule is None or parts == NOTHING:
        return parts
    debt, at_us = quota.decay(Bucket(*parts), rule, now_us)
    return (min(debt, rule.burst_mu * rule.weight), at_us, rule.weight)


def _restored(past: Past, rule: Rule | None, now_us: int) -> Parts:
    """Return the bucket of GW-253: at most a burst, of what was charged within the last time-to-full."""
    if rule is None:
        return NOTHING
    since_us = past.wall_us - rule.full_after_us
    units_mu = sum(charge.units_mu for charge in past.charges if charge.at_us + MICROSECONDS >= since_us)
    return (min(rule.burst_mu, units_mu) * rule.weight, now_us, rule.weight)
