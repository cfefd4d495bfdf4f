"""Months that Redis counts: what this boot charged of each, and how its field there is put to that (GW-258, GW-671)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from veritape.gateway.adapters.redis_calls import ScriptCalls
from veritape.gateway.adapters.redis_scripts import MONTH
from veritape.gateway.boot_shares import BootShares, Share
from veritape.gateway.shared_calls import keys_of, named_period

SETTLE_GROUP: Final = 500
"""Shares that are settled at a time."""

Sums = Callable[[str, str], Awaitable[Mapping[str, int]]]
"""(subject, period) -> boot -> mu that the ledger knows."""


class RedisMonths:
    """This boot's part in the months of all subjects."""

    def __init__(self, calls: ScriptCalls, boot: str, sums: Sums, partitions: int) -> None:
        """Begin with nothing charged.

        Args:
            calls: calls scripts.
            boot: name of this run of this process, the field of its own share of a month.
            sums: asks the ledger when Redis does not know a month.
            partitions: tags of keys.
        """
        self._calls, self._boot, self._sums, self._partitions = calls, boot, sums, partitions
        self.shares = BootShares()
        """What this boot surely charged."""

    def charged(self, subject: str, period: str, units_mu: int) -> None:
        """Note what this boot charged without the store; the next call or ``heal`` brings it there."""
        self.shares.add((subject, period), units_mu)

    async def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back to a month, never tokens (GW-216)."""
        self.shares.add((subject, period), -units_mu)
        await self._move(b"add", subject, period, {self._boot: -units_mu})

    async def heal(self, subject: str, period: str) -> None:
        """Put this boot's share of a month to what it surely charged (GW-671).

        A call that is under way then may be missing from its share until the next one raises it.
        """
        own = {self._boot: self.shares.of((subject, period))}
        if not await self._move(b"set", subject, period, own):
            await self.bring_sum(subject, period)

    async def settle(self, is_asking: Callable[[str], bool], *, everything: bool) -> None:
        """Heal the shares whose answers differed, or all that moved since the last time.

        Args:
            is_asking: tells whether a call of a subject is under way: what it does is not known yet, so it waits for the next time.
            everything: all that moved.

        Raises:
            StoreError: no answer; what was not settled is tried again.
        """
        due = list(self.shares.due(everything=everything))
        for first in range(0, len(due), SETTLE_GROUP):
            group = due[first : first + SETTLE_GROUP]
            quiet = [share for share in group if not is_asking(share[0])]
            self.shares.settled(quiet)  # what turns out to differ from here on is for the next time
            await asyncio.gather(*map(self._heal_due, quiet))

    async def _heal_due(self, share: Share) -> None:
        with self.shares.unsure_unless_done(share):
            await self.heal(*share)

    async def bring_sum(self, subject: str, period: str) -> None:
        """Bring a month that the store does not know from the ledger."""
        known = dict(await self._sums(subject, period))
        known[self._boot] = self.shares.known((subject, period), known.get(self._boot, 0))
        await self._move(b"seed", subject, period, known)

    async def _move(self, operation: bytes, subject: str, period: str, fields: Mapping[str, int]) -> bool:
        """Change a month's fields; return False when the store does not know the month."""
        pairs = [part for boot, units in fields.items() for part in (boot.encode(), b"%d" % units)]
        keys = keys_of(subject, period, self._partitions)
        answer = await self._calls.evaluate(MONTH, keys, [operation, named_period(period).expire_ms, *pairs])
        return bool(answer[0])
