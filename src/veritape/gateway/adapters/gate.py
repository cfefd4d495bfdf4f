"""What stands between a request and its route: identity, scope, quota, usage (GW-501, steps 5 to 10).

Policy, store, ledger and keys meet here. The order is fixed and every refusal is a ``RefusedError`` with its reason, which
the application turns into an answer.
"""

import secrets
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Protocol

from veritape.gateway import identity, keys
from veritape.gateway.accounts import Account
from veritape.gateway.activity import Activity
from veritape.gateway.adapters.admission import admit, manner
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.adapters.policy_memory import REMEMBERED, PolicyMemory
from veritape.gateway.adapters.stores import Store, unfolded
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.addresses import Address, believed_chain, plain_address
from veritape.gateway.answers import header_lines
from veritape.gateway.failure_guard import FailureGuard
from veritape.gateway.fast_quota import Verdict
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import Bearer, Credential, KeyRecord
from veritape.gateway.memory_store import Charge, MemoryStore, Past
from veritape.gateway.overload import Overload
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import AUTHENTICATE, RefusedError
from veritape.gateway.quota import MICROSECONDS, month_of
from veritape.gateway.rate_fields import rate_fields, raw_fields
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.tokens import Token, TokenReason, TokenRefusedError
from veritape.gateway.usage import (
    BOOT_BYTES,
    Caller,
    EventSource,
    Kind,
    OnFailure,
    Tally,
    TallyKey,
    UsageEvent,
)
from veritape.kernel.clock import Clock
from veritape.kernel.errors import UnavailableError

RECOVERY_US = 2 * 3_600 * MICROSECONDS
"""How far back charges are read at the start: above the longest time-to-full of the shipped tiers."""


class Keys(Protocol):
    """What the gate needs of the key store."""

    @property
    def revoked(self) -> Container[tuple[str, str]]:
        """Return (issuer, jti) of revoked tokens."""
        ...

    async def find_account(self, identifier: str) -> Account | None:
        """Return an account.

        Raises:
            UnavailableError: the key store does not answer.
        """
        ...

    async def find(self, key: str) -> KeyRecord | None:
        """Return the record of a key.

        Raises:
            UnavailableError: the key store does not answer.
        """
        ...


class Tokens(Protocol):
    """What the gate needs of who verifies tokens."""

    async def verify(self, text: str, policy: Policy) -> Token:
        """Return what a token says.

        Raises:
            TokenRefusedError: it is not believed.
            UnavailableError: the issuer's keys cannot be had.
        """
        ...


class UsageLedger(Protocol):
    """What the gate needs of the ledger."""

    def begin(self, event: UsageEvent) -> Receipt:
        """Begin to write an event; its receipt tells when it is durable, or why it is nowhere."""
        ...

    async def append(self, event: UsageEvent) -> None:
        """Return once the event is durable."""
        ...


@dataclass
class Gate:
    """Admits or refuses; every method that changes a counter says so."""

    policy: Policy
    """Swapped between two requests by a reload."""
    store: Store
    ledger: UsageLedger
    key_store: Keys
    clock: Clock
    events: EventSource = field(default_factory=lambda: EventSource(secrets.token_bytes(BOOT_BYTES)))
    tally: Tally = field(default_factory=Tally)
    guard: FailureGuard = field(default_factory=FailureGuard)
    """Failures of address groups (GW-444)."""
    on_failure: OnFailure = OnFailure.CLOSED
    """What happens when a charge cannot be made durable."""
    durable: Callable[[], bool] = lambda: True
    """Whether the last charge could be made durable."""
    activity: Activity = field(default_factory=Activity)
    """Who was active lately."""
    overload: Overload = field(default_factory=Overload)
    """What this worker stops doing when it is too busy (GW-381)."""
    used_keys: dict[str, int] = field(default_factory=dict)
    """Key id -> wall clock of its last use, until it is written."""
    tokens: Tokens | None = None
    """Verifies tokens; without it every token is refused."""
    legacy: bool = True
    """Answers also have the older names of the rate fields (GW-505)."""
    _memory: PolicyMemory | None = None

    def visit(self, request_id: str, peer: Address | None, headers: list[tuple[bytes, bytes]]) -> Visit:
        """Return the visit of a request, with the client's address behind trusted proxies."""
        if peer is None:
            return Visit(request_id, None)
        memory = self.memory
        origin = memory.origin(peer)
        if not origin.is_trusted:
            return Visit(request_id, peer, origin=origin, chain=origin.text)
        chain = believed_chain(peer, headers, self.policy.addresses)
        texts = [memory.origin(one).text for one in reversed(chain)]
        return Visit(request_id, chain[-1], origin=memory.origin(chain[-1]), chain=b", ".join(texts))

    def bar(self, visit: Visit) -> None:
        """Refuse who failed too often (GW-444).

        Raises:
            RefusedError: ``too_many_failures``.
        """
        if visit.origin is None:
            return
        now_us = self.clock.monotonic_ns() // 1_000
        seconds = self.guard.wait_s(visit.origin.group, self.policy.addresses.guard, now_us)
        if seconds:
            raise RefusedError(Reason.TOO_MANY_FAILURES, fields={"Retry-After": str(seconds)})

    def note_failure(self, visit: Visit) -> None:
        """Count a failed authentication, an unknown path or a malformed request of an address group."""
        if visit.origin is not None:
            self.guard.note(
                visit.origin.group, self.policy.addresses.guard, self.clock.monotonic_ns() // 1_000
            )

    async def identify(
        self, visit: Visit, route: Route, headers: list[tuple[bytes, bytes]], query: bytes
    ) -> None:
        """Find out who calls and what limits them, from the fields and the query of a request."""
        await self.recognise(visit, route, keys.find_credential(headers, query))

    async def recognise(self, visit: Visit, route: Route, credential: Credential) -> None:
        """Find out whose credential it is and what limits them; steps 5 to 7.

        Raises:
            RefusedError: denied address, bad credential, missing scope, or the key store does not answer.
        """
        if visit.origin is not None and visit.origin.is_denied:
            raise RefusedError(Reason.IP_DENIED)
        found = await self._identity(visit, route, credential)
        if isinstance(found, Refusal):
            raise _refused(found.reason, found.detail)
        caller, visit.tier, visit.limits = found
        visit.caller = caller
        if caller.key_id.startswith(keys.KEY_ID):
            self.used_keys[caller.key_id] = self.wall_us()

    async def charge(self, visit: Visit, route: Route) -> None:
        """Decide, charge and make the charge durable; steps 9 and 10.

        Raises:
            RefusedError: a quota denied, or the ledger cannot be written; then nothing is charged.
        """
        await self.admit(visit, route)
        await self.settle(visit)

    async def admit(self, visit: Visit, route: Route) -> None:
        """Decide, charge and begin to make the charge durable; steps 9 and 10. Cost 0 touches nothing (GW-145).

        What follows may begin beside it, the answer only after ``settle`` (GW-502). After a charge that could not be made
        durable the next ones are waited for here, so that nobody is served for nothing meanwhile.

        Raises:
            RefusedError: a quota denied, or the ledger cannot be written; then nothing is charged.
        """
        caller = visit.caller
        if route.cost_mu == 0 or caller is None:
            return
        anonymous, level = not caller.env, self.overload.level
        prepared = self.memory.prepared(route, visit.tier, visit.limits, anonymous=anonymous)
        how = manner(self.policy, route, visit.tier, level, anonymous=anonymous) if level else prepared.how
        asked_ns = self.clock.monotonic_ns()
        try:
            found = await admit(self.store, caller.subject, prepared.plan, prepared.terms, how)
        except UnavailableError as error:
            raise RefusedError(Reason.QUOTA_UNAVAILABLE) from error
        finally:
            decided_ns = self.clock.monotonic_ns()
            visit.decision_ns = decided_ns - asked_ns
        judged, visit.slot, visit.would_deny = found
        visit.judged, visit.fields = judged, prepared.fields
        leased = self.policy.store.kind == "redis" and prepared.terms.lease is not None
        account, now_us = "" if anonymous else caller.account, decided_ns // 1_000
        self.activity.note(caller.subject, account, visit.tier, judged, now_us, leased=leased)
        if not judged.admitted:
            reason = unfolded(judged).reason or Reason.INTERNAL_ERROR
            self._count(Kind.DENIED, caller, route, reason)
            raise RefusedError(reason)
        if anonymous:
            self._count(Kind.ANONYMOUS, caller, route, "")
            return
        event = self.events.charge(caller, route.name, judged, self.wall_us(), visit.request_id)
        visit.charge, visit.receipt, visit.units_mu = event, self.ledger.begin(event), judged.cost_mu
        if not self.durable():
            await self.settle(visit)

    async def settle(self, visit: Visit) -> None:
        """Return once a visit's charge is durable; what cannot be is taken back.

        Raises:
            RefusedError: it is not durable, and such requests are not served.
        """
        if visit.receipt is not None and not await self._is_durable(visit, visit.receipt):
            raise RefusedError(Reason.USAGE_UNAVAILABLE)

    async def _is_durable(self, visit: Visit, receipt: Receipt) -> bool:
        """Return whether a visit's charge is durable, or need not be, once that is known; else it is taken back."""
        await receipt
        charge, visit.receipt = visit.charge, None
        if receipt.failure is None or charge is None:
            return True
        visit.charge, visit.units_mu = None, 0
        await self.store.refund(charge.subject, charge.period, charge.units_mu)
        return self.on_failure is OnFailure.CONTINUE

    def rate_lines(self, visit: Visit) -> bytes:
        """Return the header lines that say what a visit cost and what is left; none before a decision."""
        judged = visit.judged
        if judged is None:
            return b""
        if isinstance(judged, Verdict) and visit.fields is not None:
            return visit.fields.lines(judged)
        fields = rate_fields(unfolded(judged), visit.tier, self.wall_us(), legacy=self.legacy)
        return header_lines(raw_fields(fields))

    @property
    def memory(self) -> PolicyMemory:
        """Return what is remembered under the present policy."""
        if self._memory is None or self._memory.policy is not self.policy:
            self._memory = PolicyMemory(self.policy, legacy=self.legacy)
        return self._memory

    async def refund(self, visit: Visit, reason: str) -> None:
        """Give the month's units back, durably and once (GW-216), after the charge is durable. Tokens stay spent.

        Event and counter both have it before anything is waited for: who is cancelled meanwhile leaves neither without the other.

        Raises:
            UnavailableError: the event cannot be written; the charge stays.
        """
        if visit.receipt is not None:
            await self._is_durable(visit, visit.receipt)
        charge = visit.charge
        if charge is None:
            return
        visit.charge, visit.units_mu, visit.refunded_mu = None, 0, charge.units_mu
        receipt = self.ledger.begin(self.events.refund(charge, reason, self.wall_us()))
        await self.store.refund(charge.subject, charge.period, charge.units_mu)
        await receipt
        if receipt.failure is not None:
            visit.units_mu, visit.refunded_mu = charge.units_mu, 0
            await self.store.refund(charge.subject, charge.period, -charge.units_mu)
            raise receipt.failure

    def release(self, visit: Visit) -> None:
        """Free the request's slot; the response has ended."""
        if visit.slot and visit.caller is not None:
            self.store.release_slot(visit.caller.subject, visit.slot)
            visit.slot = ""

    async def write_counts(self, *, everything: bool = False) -> None:
        """Write the counted refusals of the minutes that are over; they are outside the promise of charges."""
        for event in self.tally.take(self.events, self.wall_us(), everything=everything):
            await self.ledger.append(event)

    def can_charge(self) -> bool:
        """Tell whether charged routes are served."""
        return self.on_failure is OnFailure.CONTINUE or self.durable()

    def caller_at(self, address: Address | None) -> Identity | Refusal:
        """Return who calls from an address without a credential, or why nobody does."""
        return (
            identity.of_address(None, self.policy) if address is None else self.memory.origin(address).caller
        )

    def wall_us(self) -> int:
        """Return the wall clock, microseconds."""
        return self.clock.wall_ns() // 1_000

    async def _identity(self, visit: Visit, route: Route, credential: Credential) -> Identity | Refusal:
        if isinstance(credential, Reason):
            return Refusal(credential)
        if credential is None:
            if route.anonymous:
                return self.caller_at(visit.address)
            return Refusal(Reason.MISSING_CREDENTIALS)
        try:
            if isinstance(credential, Bearer):
                return await self._token_identity(route, credential.token)
            record = await self.key_store.find(credential)
        except UnavailableError:
            return Refusal(Reason.IDENTITY_UNAVAILABLE)
        return self.memory.of_key(record, route, self.wall_us(), visit.address)

    async def _token_identity(self, route: Route, text: str) -> Identity | Refusal:
        if self.tokens is None:
            return identity.of_refused_token(TokenReason.WRONG_ISSUER)
        try:
            token = await self.tokens.verify(text, self.policy)
        except TokenRefusedError as error:
            return identity.of_refused_token(error.token_reason)
        account = await self.key_store.find_account(token.account)
        return identity.of_token(token, account, self.key_store.revoked, self.policy, route)

    def _count(self, kind: Kind, caller: Caller, route: Route, reason: str) -> None:
        key = TallyKey(kind, caller.account, caller.env, route.name, reason, self.policy.version)
        self.tally.add(key, self.wall_us())


class PastLedger(Protocol):
    """What a restart reads of the ledger."""

    def month_sums(self, period: str) -> dict[str, int]:
        """Return subject -> mu used in a month."""
        ...

    def charges_since(self, since_us: int) -> dict[str, list[Charge]]:
        """Return subject -> units charged in each second since a moment."""
        ...


def restored_store(ledger: PastLedger, wall_us: int) -> MemoryStore:
    """Return a store that knows what the ledger knows (GW-253)."""
    period = month_of(wall_us).period
    months = {(subject, period): units for subject, units in ledger.month_sums(period).items()}
    charges = ledger.charges_since(wall_us - RECOVERY_US)
    return MemoryStore(months, {subject: Past(found, wall_us) for subject, found in charges.items()})


@lru_cache(maxsize=REMEMBERED)
def peer_address(host: str | None) -> Address | None:
    """Return the peer's address, None on a unix socket."""
    return plain_address(ip_address(host)) if host else None


def _refused(reason: Reason, detail: str = "") -> RefusedError:
    challenge = PROBLEMS[reason].status == HTTPStatus.UNAUTHORIZED
    return RefusedError(reason, detail, {"WWW-Authenticate": AUTHENTICATE} if challenge else None)
