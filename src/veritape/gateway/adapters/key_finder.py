"""Find keys and accounts for one worker: a bounded memory before the key store, and its change log behind (GW-418).

A known and an unknown key cost the same: one HMAC for each valid pepper, unless the key was asked for lately, and at most one
query. What a command or another
worker changes is seen within a second, when the change log is read, and acts from the next request on. A store elsewhere is
asked in its thread; one that failed is left alone until the change log can be read again, so that requests do not queue up
behind a database that hangs.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, NamedTuple, Protocol

from veritape.gateway.accounts import Account
from veritape.gateway.adapters.key_database import T, beside
from veritape.gateway.adapters.key_reader import Changes
from veritape.gateway.keys import KeyRecord, key_digest
from veritape.gateway.look_ups import K, LookUps, V
from veritape.gateway.remembered import Remembered
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError

POLL_NS: Final = NANOSECONDS
"""How often the change log is read: changes act within 2 s in every worker."""

DIGESTS: Final = 4_096
"""Keys whose digests are remembered."""

Digest = Callable[[bytes, str], bytes]
"""Digest of a key under a pepper."""


class KeyRows(Protocol):
    """What is asked of a key store."""

    peppers: tuple[bytes, ...]
    """The valid ones, the present one first."""

    @property
    def thread(self) -> Executor | None:
        """Return where to wait for it; None where it answers at once."""
        ...

    def look_up(self, digests: Sequence[bytes]) -> KeyRecord | None:
        """Return the key with one of these digests."""
        ...

    def find_account(self, identifier: str) -> Account | None:
        """Return an account."""
        ...

    def changes_since(self, number: int) -> Changes:
        """Return what changed after a change."""
        ...

    def move_keys(self, digests: Mapping[str, bytes]) -> None:
        """Write digests under the present pepper."""
        ...

    def revoked_tokens(self, wall_us: int) -> frozenset[tuple[str, str]]:
        """Return (issuer, jti) of revoked tokens."""
        ...


class News(NamedTuple):
    """What the change log says."""

    changes: Changes
    revoked: frozenset[tuple[str, str]]
    """Tokens, if there were changes."""


class KeyFinder:
    """Keys and accounts as one worker knows them."""

    def __init__(
        self,
        store: KeyRows,
        clock: Clock,
        *,
        digest: Digest = key_digest,
        note: Callable[[bool], object] = bool,
        peppers: Callable[[], tuple[bytes, ...]] | None = None,
    ) -> None:
        """Begin with nothing remembered.

        Args:
            store: the key store.
            clock: ages what is remembered and paces the reading of the change log.
            digest: digest of a key.
            note: told of each key whether it was remembered.
            peppers: reads the peppers anew when they changed; they stay as they are when left out.
        """
        self._store, self._clock, self._digest, self._note = store, clock, digest, note
        self._digests: Remembered[str, tuple[bytes, ...]] = Remembered(DIGESTS)
        """Key -> its digest under each pepper, whether it is known or not."""
        self._digested = store.peppers
        self._peppers = peppers
        self.keys: LookUps[bytes, KeyRecord] = LookUps()
        """Digest -> key."""
        self.accounts: LookUps[str, Account] = LookUps()
        """Id -> account, for tokens."""
        self.revoked: frozenset[tuple[str, str]] = frozenset()
        """(issuer, jti) of tokens that were revoked."""
        self._seen = -1
        self._is_gone = False
        self._moving: dict[str, bytes] = {}

    async def find(self, key: str) -> KeyRecord | None:
        """Return the record of a well-formed key, None when it is unknown.

        Raises:
            UnavailableError: the key store does not answer, and the key was not used lately.
        """
        digests = self._digests_of(key)
        now_ns = self._clock.monotonic_ns()
        answer = self.keys.fresh(digests[0], now_ns)
        self._note(answer is not None)
        if answer is not None:
            return answer.value
        record = await self._asked(self.keys, digests[0], partial(self._store.look_up, digests), now_ns)
        if record is not None and record.digest != digests[0]:
            self._moving[record.id] = digests[0]
        return record

    def recall(self, key: str, now_ns: int) -> KeyRecord | None:
        """Return the record that ``find`` would return without asking anybody; ``note_recalled`` makes it count as found."""
        digests = self._digests.get(key)
        if digests is None or self._digested is not self._store.peppers:
            return None
        answer = self.keys.fresh(digests[0], now_ns)
        return None if answer is None else answer.value

    def note_recalled(self) -> None:
        """Count a key that was remembered."""
        self._note(True)

    async def find_account(self, identifier: str) -> Account | None:
        """Return an account, None when it is unknown.

        Raises:
            UnavailableError: the key store does not answer, and the account was not used lately.
        """
        now_ns = self._clock.monotonic_ns()
        answer = self.accounts.fresh(identifier, now_ns)
        if answer is not None:
            return answer.value
        ask = partial(self._store.find_account, identifier)
        return await self._asked(self.accounts, identifier, ask, now_ns)

    async def watch(self) -> None:
        """Follow the change log until cancelled."""
        while True:
            await self.follow()
            await self._clock.sleep_until(self._clock.monotonic_ns() + POLL_NS)

    async def follow(self) -> None:
        """Forget what changed since the last time; a store that is gone is asked again later."""
        moving, self._moving = self._moving, {}
        try:
            news = await beside(self._store.thread, partial(self._read, moving))
        except UnavailableError:
            self._is_gone, self._moving = True, moving | self._moving
            return
        self._is_gone = False
        if news.changes.number == self._seen:
            return
        self._seen, self.revoked = news.changes.number, news.revoked
        accounts = news.changes.accounts
        if "" in accounts and self._peppers is not None:
            self._store.peppers = self._peppers()
        self.keys.forget(lambda record: record.account in accounts)
        self.accounts.forget(lambda account: account.id in accounts)

    def _digests_of(self, key: str) -> tuple[bytes, ...]:
        peppers = self._store.peppers
        if self._digested is not peppers:
            self._digested = peppers
            self._digests.clear()
        return self._digests.get(key) or self._digests.keep(
            key, tuple([self._digest(one, key) for one in peppers])
        )

    def _read(self, moving: Mapping[str, bytes]) -> News:
        """Move keys that were found under the pepper before to the present one (GW-403), then read the change log."""
        if moving:
            self._store.move_keys(moving)
        changes = self._store.changes_since(self._seen)
        if changes.number == self._seen:
            return News(changes, self.revoked)
        return News(changes, self._store.revoked_tokens(self._clock.wall_ns() // 1_000))

    def _unless_gone(self, ask: Callable[[], T]) -> T:
        if self._is_gone:
            raise UnavailableError("the key store did not answer a moment ago")
        try:
            return ask()
        except UnavailableError:
            self._is_gone = True
            raise

    async def _asked(self, kept: LookUps[K, V], key: K, ask: Callable[[], V | None], now_ns: int) -> V | None:
        """Ask the store and remember its answer; while it is gone, what was found lately serves."""
        seen = self._seen
        try:
            value = await beside(self._store.thread, partial(self._unless_gone, ask))
        except UnavailableError:
            stale = kept.stale(key, now_ns)
            if stale is None:
                raise
            return stale
        if self._seen == seen:  # an answer from before a change is not remembered after it
            kept.keep(key, value, now_ns)
        return value
