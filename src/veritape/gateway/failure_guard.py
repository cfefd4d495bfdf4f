"""Failures of address groups: who fails too often waits, before anything else is looked at (GW-444).

One bucket a group, in this process alone: guessing keys and paths becomes slow, and costs us one look into a dict.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from veritape.gateway import quota
from veritape.gateway.quota import EMPTY, MICROSECONDS, MU, Bucket, Rule, ceil_div

GROUPS_LIMIT: Final = 100_000
"""Address groups whose failures are remembered; beyond, the one that failed longest ago is forgotten."""


@dataclass
class FailureGuard:
    """What each address group still owes for its failures."""

    groups_limit: int = GROUPS_LIMIT
    _groups: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        """Return how many groups are remembered."""
        return len(self._groups)

    def wait_s(self, group: str, rule: Rule, now_us: int) -> int:
        """Return the seconds that a group has to wait, 0 when it may go on."""
        bucket = self._groups.get(group)
        if bucket is None:
            return 0
        debt, _ = quota.decay(bucket, rule, now_us)
        over = debt + MU * rule.weight - rule.burst_mu * rule.weight
        return max(1, ceil_div(over, rule.gain * MICROSECONDS)) if over > 0 else 0

    def note(self, group: str, rule: Rule, now_us: int) -> None:
        """Count a failure; a full bucket takes no more."""
        bucket, _ = quota.decide(self._groups.pop(group, EMPTY), rule, MU, now_us)
        if len(self._groups) >= self.groups_limit:
            self._groups.popitem(last=False)
        self._groups[group] = bucket
