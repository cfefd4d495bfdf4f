"""What everyone who uses a store agrees on: layout, partitions, the name of its memory, and that it forgets nothing (GW-260, GW-941)."""

from typing import Final

from veritape.gateway.adapters.redis_calls import checked
from veritape.gateway.adapters.redis_configuration import check_configuration
from veritape.gateway.adapters.store_link import Link
from veritape.gateway.shared_calls import LAYOUT, META_KEY
from veritape.kernel.errors import CheckFailedError

PARTITIONS: Final = 64
"""Tags of keys where nobody says otherwise."""

EPOCH_BYTES: Final = 16
"""Random bytes that name a store's memory."""


class Agreement:
    """One process' part in it."""

    def __init__(self, link: Link, partitions: int = PARTITIONS) -> None:
        self._link, self._partitions = link, partitions
        self.warnings: list[str] = []
        """What ``prepare`` found that costs something when the store goes."""

    async def epoch(self) -> bytes | None:
        """Return the name of the store's memory, None when it was begun anew."""
        found: bytes | None = checked(await self._link.call([b"HGET", META_KEY, b"epoch"]))
        return found

    async def prepare(self, epoch: bytes) -> bytes:
        """Agree with whoever uses the store on layout and partitions; see that it forgets nothing; return its epoch.

        Args:
            epoch: names the memory, if nobody has named it.

        Raises:
            CheckFailedError: ``store_layout``, ``partitions_differ`` or ``redis_evicts``.
            StoreError: no answer.
        """
        ours = {b"epoch": epoch, b"layout": LAYOUT, b"partitions": b"%d" % self._partitions}
        for field, value in ours.items():
            checked(await self._link.call([b"HSETNX", META_KEY, field, value]))
        found = checked(await self._link.call([b"HMGET", META_KEY, b"layout", b"partitions", b"epoch"]))
        if found[0] != LAYOUT:
            raise CheckFailedError("store_layout: the store holds another layout: use an empty database")
        if found[1] != ours[b"partitions"]:
            raise CheckFailedError(
                f"partitions_differ: the store was begun with store.partitions = {found[1].decode()}: set that in the policy"
            )
        self.warnings = await check_configuration(self._link)
        return bytes(found[2])
