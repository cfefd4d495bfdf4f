"""Accounts and their keys as they are changed, in SQLite or PostgreSQL (GW-404, GW-405).

Commands and running gateways change the same rows; what one of them changes the others see in the change log.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from veritape.gateway.accounts import Account
from veritape.gateway.adapters.key_database import KeyDatabase
from veritape.gateway.adapters.key_reader import KeyReader
from veritape.gateway.keys import (
    KEYS_LIMIT,
    OVERLAP_LIMIT_S,
    Environment,
    KeyRecord,
    KeyState,
    key_digest,
    key_id,
    make_key,
    pepper_id,
    shown_prefix,
)
from veritape.gateway.limits_reader import read_own_limits
from veritape.gateway.quota import MICROSECONDS
from veritape.kernel.errors import MisuseError
from veritape.telemetry.audit_log import AuditKind

_RANDOM_BYTES: Final = 96
"""Random bytes for one key: 34 usable ones are in them for certain enough."""

Noted: TypeAlias = Callable[[AuditKind, KeyRecord, str], object]
"""Told of a change: what, the key after it, and the reason that was given."""


class Grant(NamedTuple):
    """What a new key may do."""

    environment: Environment
    scopes: tuple[str, ...]
    label: str = ""
    cidrs: tuple[str, ...] = ()
    expires_us: int = 0
    """0 is never."""
    not_before_us: int = 0
    """0 is at once."""


class KeyStore(KeyReader):
    """Changes accounts and keys. Every method raises UnavailableError when the database does not answer."""

    def __init__(self, database: KeyDatabase, *peppers: bytes, noted: Noted = lambda *_: None) -> None:
        """Change a database.

        Args:
            database: has the rows.
            peppers: secrets of the digests, the present one first.
            noted: told of each change before it is kept; what it raises undoes the change (TL-660).
        """
        super().__init__(database, *peppers)
        self._noted = noted

    def revoke_token(self, issuer: str, jti: str, until_us: int, wall_us: int) -> None:
        """Revoke a token by its ``jti``; revocations that no token can outlive are forgotten."""
        with self._database.transaction():
            self._database.change("DELETE FROM revoked_token WHERE until_us <= ?", wall_us)
            self._database.change(
                "INSERT INTO revoked_token VALUES (?, ?, ?)"
                " ON CONFLICT (issuer, jti) DO UPDATE SET until_us = excluded.until_us",
                issuer, jti, until_us,
            )  # fmt: skip

    @contextlib.contextmanager
    def noting(self, noted: Noted) -> Iterator[None]:
        """Tell somebody else of the changes that are made in the context."""
        before, self._noted = self._noted, noted
        try:
            yield
        finally:
            self._noted = before

    def add_account(
        self, account: str, tier: str, limits_text: str, wall_us: int, noted: Callable[[], object]
    ) -> None:
        """Make an account without keys.

        Args:
            account: its id.
            tier: its tier.
            limits_text: its own limits as JSON; ``{}`` for none.
            wall_us: now.
            noted: called before the change is kept; what it raises undoes the change.

        Raises:
            MisuseError: the limits are wrong, or there is such an account.
        """
        read_own_limits(limits_text)
        with self._database.transaction():
            made = self._database.change(
                "INSERT INTO account(id, tier, suspended, created_us, limits) VALUES (?, ?, 0, ?, ?)"
                " ON CONFLICT DO NOTHING",
                account, tier, wall_us, limits_text,
            )  # fmt: skip
            if made != 1:
                raise MisuseError(f"account {account!r} is there already")
            noted()

    def change_account(
        self, changed: Account, limits_text: str, noted: Callable[[], object] = lambda: None
    ) -> Account:
        """Write tier, suspension and own limits of an account, if its revision is still the one that was read.

        Args:
            changed: what is to hold, with the revision that it was made from.
            limits_text: its own limits as JSON; ``{}`` for none.
            noted: called before the change is kept; what it raises undoes the change.

        Raises:
            MisuseError: the limits are wrong, there is no such account, or it was changed in between.
        """
        read_own_limits(limits_text)
        with self._database.transaction():
            done = self._database.change(
                "UPDATE account SET tier = ?, suspended = ?, limits = ?, revision = revision + 1"
                " WHERE id = ? AND revision = ?",
                changed.tier, int(changed.suspended), limits_text, changed.id, changed.revision,
            )  # fmt: skip
            if done != 1:
                raise MisuseError(
                    f"account {changed.id!r} is unknown or was changed in between: read it again"
                )
            noted()
        found = self.find_account(changed.id)
        return found or changed

    def create(self, account: str, tier: str | None, grant: Grant, wall_us: int) -> tuple[str, KeyRecord]:
        """Make a key, and its account if it is new; the key itself is returned this once.

        Raises:
            MisuseError: a new account without a tier, another tier than the account has, or too many active keys.
        """
        with self._database.transaction():
            row = self._row("SELECT tier FROM account WHERE id = ?", account)
            if row is None and tier is None:
                raise MisuseError(f"account {account!r} is new: give --tier (free, pro, ... of the policy)")
            if row is None:
                self._database.change(
                    "INSERT INTO account(id, tier, suspended, created_us) VALUES (?, ?, 0, ?)",
                    account, tier, wall_us,
                )  # fmt: skip
            elif tier is not None and row[0] != tier:
                raise MisuseError(f"account {account!r} has tier {row[0]!r}: leave --tier out")
            active = sum(one.state(wall_us) is KeyState.ACTIVE for one in self.list(account))
            if active >= KEYS_LIMIT:
                raise MisuseError(
                    f"account {account!r} has {active} active keys, the most there can be: revoke one"
                )
            key, record = self._insert(account, grant, wall_us)
            self._noted(AuditKind.KEY_CREATED, record, "")
            return key, record

    def rotate(self, identifier: str, overlap_s: int, wall_us: int) -> tuple[str, KeyRecord]:
        """Make a new key with the same rights; the old one serves for the overlap.

        Raises:
            MisuseError: no such key, one that does not serve, or an overlap above 30 days.
        """
        if not 0 <= overlap_s <= OVERLAP_LIMIT_S:
            raise MisuseError("--overlap: from 0 to 30 days")
        with self._database.transaction():
            old = self.get(identifier)
            if old.state(wall_us) is not KeyState.ACTIVE:
                raise MisuseError(f"key {identifier!r} is {old.state(wall_us)}: create a new one")
            cidrs = tuple(str(network) for network in old.cidrs)
            grant = Grant(old.environment, old.scopes, old.label, cidrs, old.expires_us)
            key, record = self._insert(old.account, grant, wall_us)
            end_us = wall_us + overlap_s * MICROSECONDS
            self._database.change(
                "UPDATE api_key SET expires_us = ?, replaced_by = ? WHERE id = ?",
                min(end_us, old.expires_us or end_us), record.id, identifier,
            )  # fmt: skip
            self._noted(AuditKind.KEY_ROTATED, self.get(identifier), "")
            return key, record

    def revoke(self, identifier: str, reason: str, wall_us: int) -> KeyRecord:
        """Revoke a key for ever; one that is revoked stays as it is."""
        with self._database.transaction():
            if not self.get(identifier).revoked_us:
                self._database.change(
                    "UPDATE api_key SET revoked_us = ?, revoke_reason = ? WHERE id = ?",
                    wall_us, reason, identifier,
                )  # fmt: skip
                self._noted(AuditKind.KEY_REVOKED, self.get(identifier), reason)
            return self.get(identifier)

    def move_keys(self, digests: Mapping[str, bytes]) -> None:
        """Write digests under the present pepper of keys that were found under the one before."""
        rows = [(digest, pepper_id(self.peppers[0]), identifier) for identifier, digest in digests.items()]
        with self._database.transaction():
            self._database.change_all("UPDATE api_key SET digest = ?, pepper_id = ? WHERE id = ?", rows)

    def tell_peppers(self) -> None:
        """Have every gateway read the peppers anew."""
        with self._database.transaction():
            self._database.change("INSERT INTO change(account) VALUES ('')")

    def note_use(self, used: Sequence[tuple[str, int]]) -> None:
        """Write when keys were last used, as (id, wall clock); a file that is busy is left for the next time."""
        with self._database.transaction():
            self._database.change_all(
                "UPDATE api_key SET last_used_us = ? WHERE id = ? AND last_used_us < ?",
                [(wall_us, identifier, wall_us) for identifier, wall_us in used],
            )

    def _insert(self, account: str, grant: Grant, wall_us: int) -> tuple[str, KeyRecord]:
        key = make_key(grant.environment, secrets.token_bytes(_RANDOM_BYTES))
        identifier = key_id(secrets.token_bytes(10))
        self._database.change(
            "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', 0)",
            identifier, account, grant.environment.value, key_digest(self.peppers[0], key), pepper_id(self.peppers[0]),
            shown_prefix(key), " ".join(grant.scopes), grant.label, " ".join(grant.cidrs), wall_us,
            grant.not_before_us or wall_us, grant.expires_us,
        )  # fmt: skip
        return key, self.get(identifier)
