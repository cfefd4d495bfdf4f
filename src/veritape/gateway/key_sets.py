"""When a published key set is fetched again, and how long an old one serves (GW-433).

A set is used for ten minutes and then renewed behind the requests, which go on with the old one. A key id that it lacks
may be a new key: it is fetched at once, but at most each 30 s, for whoever sends made-up ids must not make us ask the
issuer at their pace. An issuer that cannot be reached leaves the last set in use for a day.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from veritape.gateway.look_ups import SECOND_NS
from veritape.gateway.token_keys import Keys
from veritape.gateway.tokens import Key, TokenReason

RENEW_NS: Final = 600 * SECOND_NS
"""Age at which a set is renewed."""

RETRY_NS: Final = 30 * SECOND_NS
"""Least time between two fetches while there is a set that serves."""

FIRST_RETRY_NS: Final = SECOND_NS
"""Least time between two fetches while there is none."""

STALE_NS: Final = 86_400 * SECOND_NS
"""Age up to which a set serves while the issuer cannot be reached."""


class Need(StrEnum):
    """Whether the set has to be fetched for a token."""

    NOTHING = "nothing"
    """It serves as it is."""
    SOON = "soon"
    """It serves, and is fetched behind the request."""
    NOW = "now"
    """The request waits for it."""


@dataclass
class KeySet:
    """One issuer's published keys as this worker knows them."""

    keys: Keys = field(default_factory=dict)
    fetched_ns: int | None = None
    """When the keys were fetched, monotonic clock; None: never."""
    tried_ns: int | None = None
    """When the last fetch began."""

    def serves(self, now_ns: int) -> bool:
        """Tell whether there are keys, and not too old ones."""
        return self.fetched_ns is not None and now_ns - self.fetched_ns < STALE_NS

    def need(self, key_id: str | None, now_ns: int) -> Need:
        """Return whether the set has to be fetched for a token with a key id."""
        serves = self.serves(now_ns)
        pause_ns = RETRY_NS if serves else FIRST_RETRY_NS
        if self.tried_ns is not None and now_ns - self.tried_ns < pause_ns:
            return Need.NOTHING
        if not serves or self.choose(key_id) is TokenReason.UNKNOWN_KEY:
            return Need.NOW
        is_old = self.fetched_ns is not None and now_ns - self.fetched_ns >= RENEW_NS
        return Need.SOON if is_old else Need.NOTHING

    def choose(self, key_id: str | None) -> Key | TokenReason:
        """Return the key with an id; a token without one is for the only key of a set."""
        if key_id is None:
            return next(iter(self.keys.values())) if len(self.keys) == 1 else TokenReason.UNKNOWN_KEY
        return self.keys.get(key_id, TokenReason.UNKNOWN_KEY)

    def begin(self, now_ns: int) -> None:
        """Note that a fetch begins."""
        self.tried_ns = now_ns

    def take(self, keys: Keys, now_ns: int) -> None:
        """Use what was fetched; keys that are no longer in it verify nothing from now on."""
        self.keys, self.fetched_ns = keys, now_ns
