"""Verify tokens for one worker: the issuers' keys, published sets included, and a memory of what was verified.

A signature costs as much as the rest of a request, so a verified token is remembered by its SHA-256, for 60 s and never
beyond its end (GW-434). Whether it was revoked, and what its account may do, is asked each time.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from veritape.gateway.adapters.jwks import fetch_key_set
from veritape.gateway.key_sets import KeySet, Need
from veritape.gateway.look_ups import LookUps
from veritape.gateway.policy import Policy
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.token_keys import read_key_set
from veritape.gateway.tokens import (
    Key,
    Token,
    TokenIssuer,
    TokenReason,
    TokenRefusedError,
    UnprovenToken,
    is_signed_by,
    judge,
    read_token,
)
from veritape.kernel.clock import Clock
from veritape.kernel.errors import PeerError, UnavailableError

PUBLISHED: Final = "jwks_url"
"""Source of an issuer whose keys are fetched."""

Fetch = Callable[[str], Awaitable[bytes]]
"""Returns the bytes of a key set at an address."""


class Trust(NamedTuple):
    """Whose tokens are believed: issuers by ``iss``, and the keys that do not change."""

    issuers: Mapping[str, TokenIssuer]
    keys: Mapping[str, Key]


NOBODY: Final = Trust({}, {})
"""No token is believed."""


class TokenVerifier:
    """Tokens as one worker knows them."""

    def __init__(
        self, clock: Clock, *, trust: Trust = NOBODY, fetch: Fetch = fetch_key_set,
        note: Callable[[bool], object] = bool, report: Callable[[str], object] = str,
    ) -> None:  # fmt: skip
        """Begin with nothing remembered.

        Args:
            clock: ages what is remembered and judges tokens.
            trust: whose tokens are believed.
            fetch: fetches a key set.
            note: told of each token whether it was remembered.
            report: takes one line for the log.
        """
        self._clock, self._trust, self._fetch, self._note, self._report = clock, trust, fetch, note, report
        self._sets: dict[TokenIssuer, KeySet] = {}
        self._fetches: dict[TokenIssuer, asyncio.Task[None]] = {}
        self.tokens: LookUps[bytes, Token] = LookUps()
        """SHA-256 of the text -> what it says."""

    def believe(self, trust: Trust) -> None:
        """Believe other issuers from the next request on; what an unchanged one has published stays."""
        self._trust = trust
        issuers = set(trust.issuers.values())
        self._sets = {issuer: kept for issuer, kept in self._sets.items() if issuer in issuers}
        self.tokens = LookUps()

    async def verify(self, text: str, policy: Policy) -> Token:
        """Return what a token says.

        Raises:
            TokenRefusedError: it is not believed.
            UnavailableError: the issuer's keys cannot be had.
        """
        digest = hashlib.sha256(text.encode()).digest()
        wall_s = self._clock.wall_ns() // 1_000 // MICROSECONDS
        answer = self.tokens.fresh(digest, self._clock.monotonic_ns())
        self._note(answer is not None)
        if answer is not None and answer.value is not None:
            if wall_s >= answer.value.expires_s:
                raise TokenRefusedError(TokenReason.EXPIRED)
            return answer.value
        found = await self._verify(read_token(text), policy, wall_s)
        self.tokens.keep(digest, found, self._clock.monotonic_ns())
        return found

    async def _verify(self, token: UnprovenToken, policy: Policy, wall_s: int) -> Token:
        issuer = self._trust.issuers.get(token.issuer)
        if issuer is None:
            raise TokenRefusedError(TokenReason.WRONG_ISSUER)
        if token.algorithm != issuer.algorithm:
            raise TokenRefusedError(TokenReason.WRONG_ALGORITHM)
        key = await self._key(issuer, token.key_id)
        if isinstance(key, TokenReason):
            raise TokenRefusedError(key)
        if not is_signed_by(token, key, issuer.algorithm):
            raise TokenRefusedError(TokenReason.BAD_SIGNATURE)
        return judge(token, issuer, policy.tiers, wall_s)

    async def _key(self, issuer: TokenIssuer, key_id: str | None) -> Key | TokenReason:
        if issuer.source != PUBLISHED:
            return self._trust.keys[issuer.issuer]
        known = self._sets.setdefault(issuer, KeySet())
        need = known.need(key_id, self._clock.monotonic_ns())
        if need is not Need.NOTHING:
            self._begin(issuer, known)
        task = self._fetches.get(issuer)
        if task is not None and (need is Need.NOW or not known.serves(self._clock.monotonic_ns())):
            await asyncio.shield(task)
        if not known.serves(self._clock.monotonic_ns()):
            raise UnavailableError("the issuer's keys cannot be had")
        return known.choose(key_id)

    def _begin(self, issuer: TokenIssuer, known: KeySet) -> None:
        """Fetch a set, once at a time, whether or not the request that needs it stays."""
        if issuer not in self._fetches:
            known.begin(self._clock.monotonic_ns())
            task = asyncio.ensure_future(self._renew(issuer, known))
            self._fetches[issuer] = task
            task.add_done_callback(lambda _: self._fetches.pop(issuer, None))

    async def _renew(self, issuer: TokenIssuer, known: KeySet) -> None:
        try:
            keys = read_key_set(await self._fetch(issuer.place), issuer.algorithm)
        except (PeerError, UnavailableError) as error:
            self._report(f"key set of {issuer.issuer} not renewed: {error.message}")
            return
        known.take(keys, self._clock.monotonic_ns())
