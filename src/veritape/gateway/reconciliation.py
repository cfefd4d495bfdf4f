"""Why counters and ledger agree, and how that is seen (GW-671 to 673).

A month's counter ``t`` is a sum of shares: one for each boot that lives, written by that boot alone, and one for all closed
boots together, named ``closed``. A living boot puts its share to what it surely charged. When a boot is drained and closed,
its share is worth what the ledger says, no more and no less: charges that nobody was answered for and leases that nobody
spent go back with it. So the share of the closed boots is always written as one exact figure of the ledger and never added
to: whatever was lost, repeated or interrupted before, the next fold is right.

Then ``t``, less what leases hold unspent, is what the ledger has. While requests are served the ledger lags by up to a
second; a counter between what the ledger had before and what it has a moment later agrees.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from veritape.gateway.billing import units
from veritape.gateway.shared_state import Month
from veritape.gateway.usage import Kind, UsageEvent

CLOSED: Final = "closed"
"""Name of the share that all closed boots have together; a boot's own has its 16 hexadecimal digits."""

TRIES: Final = 3
"""How often a difference is looked at again before it is one; a second apart."""


class Share(NamedTuple):
    """Whose mu they are."""

    subject: str
    boot: str
    """Sixteen hexadecimal digits."""
    closed: bool
    """The boot is drained and writes no more."""


class Counter(NamedTuple):
    """What the store holds of a subject's month."""

    month: Month
    held_mu: int
    """Of that, what leases of living boots hold unspent."""


class Difference(NamedTuple):
    """A subject whose counter is not what the ledger has."""

    subject: str
    counter_mu: int
    """Without what leases hold."""
    ledger_mu: int

    @property
    def off_mu(self) -> int:
        """Counter less ledger."""
        return self.counter_mu - self.ledger_mu


class Repair(NamedTuple):
    """A counter that a fold changed."""

    subject: str
    before_mu: int
    after_mu: int
    held_mu: int = 0
    """Of that before, what leases held unspent."""
    boots: tuple[tuple[str, int, int], ...] = ()
    """Boots that were folded, with mu in the counter and in the ledger."""


TOLD: Final = 5
"""Repairs that are told one by one."""


def repairs_line(period: str, repairs: Sequence[Repair]) -> str:
    """Return what is told of repairs, which is enough to find the boot and to look for its events."""
    told = "; ".join(map(_repair_told, repairs[:TOLD]))
    rest = f"; and {len(repairs) - TOLD} more, in the ledger as kind reconciled" if repairs[TOLD:] else ""
    return f"{len(repairs)} counters of {period} differed from the ledger and were set to what it has: {told}{rest}"


def _repair_told(repair: Repair) -> str:
    boots = "".join(
        f", boot {boot} counted {units(counted_mu)} of {units(ledger_mu)}"
        for boot, counted_mu, ledger_mu in repair.boots
    )
    held = f", {units(repair.held_mu)} held by leases" if repair.held_mu else ""
    return f"{repair.subject} from {units(repair.before_mu)} to {units(repair.after_mu)} units{boots}{held}"


def by_name(shares: Mapping[Share, int]) -> dict[str, dict[str, int]]:
    """Return subject -> share's name -> mu, as a counter is made of them."""
    found: dict[str, dict[str, int]] = {}
    for share, units_mu in shares.items():
        name = CLOSED if share.closed else share.boot
        of_subject = found.setdefault(share.subject, {})
        of_subject[name] = of_subject.get(name, 0) + units_mu
    return found


def folded(month: Month, closed_mu: int, boots: Iterable[str]) -> Month:
    """Return a month whose closed boots are one share; this defines ``fold.lua``.

    Args:
        month: as the store holds it.
        closed_mu: what the ledger has of the boots that are closed.
        boots: those.
    """
    gone = set(boots)
    shares = {boot: units_mu for boot, units_mu in month.shares_mu.items() if boot not in gone}
    shares[CLOSED] = max(0, closed_mu)
    return Month(sum(shares.values()), shares)


def differences(
    before: Mapping[str, int], counters: Mapping[str, Counter], after: Mapping[str, int]
) -> list[Difference]:
    """Return the subjects whose counter is not between two looks at the ledger.

    A subject that the store does not know has no difference: its counter will begin with the ledger's sum.

    Args:
        before: subject -> mu of the ledger, read before the counters.
        counters: of every subject that the store knows.
        after: the ledger, a moment after.
    """
    found = []
    for subject, counter in sorted(counters.items()):
        counter_mu = counter.month.total_mu - counter.held_mu
        seen = before.get(subject, 0), after.get(subject, 0)
        if not min(seen) <= counter_mu <= max(seen):
            found.append(Difference(subject, counter_mu, seen[1]))
    return found


def repair_event(
    boot: bytes, seq: int, subject: str, period: str, mended: tuple[int, int], at_us: int
) -> UsageEvent:
    """Return the event of a repaired counter; it charges nothing.

    Args:
        boot: of the drainer.
        seq: its number there.
        subject: whose counter it was.
        period: its month.
        mended: mu before and after.
        at_us: wall clock.
    """
    account, _, env = subject.rpartition(":")
    reason = f"counter {mended[0]} to {mended[1]} mu"
    return UsageEvent(
        boot, seq, Kind.RECONCILED, account, env, "", subject, "", 0, "", reason, "", 0, period, at_us, "", None, None, 1
    )  # fmt: skip
