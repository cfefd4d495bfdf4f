"""Who calls an application that limits itself: an API key, its own authentication, or an address (GW-601)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from veritape.gateway import keys
from veritape.gateway.accounts import own_or_tier
from veritape.gateway.adapters.gate import Keys
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.addresses import Address, client_address, plain_address
from veritape.gateway.fast_quota import Plan
from veritape.gateway.identity import LOCAL
from veritape.gateway.leases import LeaseRule
from veritape.gateway.memory_store import UNLIMITED
from veritape.gateway.policy import Policy
from veritape.gateway.prices import Price
from veritape.gateway.problems import AUTHENTICATE, RefusedError
from veritape.gateway.quota import Limits
from veritape.gateway.rate_fields import AdmittedFields
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.usage import Caller
from veritape.kernel.clock import Clock
from veritape.kernel.errors import UnavailableError

REMEMBERED: Final = 65_536
"""Addresses whose answer is kept; at the bound all are forgotten."""

CREDENTIAL_FIELDS: Final = frozenset({b"x-api-key", b"apikey", b"authorization"})
"""Header fields that can hold a key."""

Headers = list[tuple[bytes, bytes]]
"""Header fields, lower-case names."""


class Account(NamedTuple):
    """Whom an application's own authentication has found."""

    name: str
    tier: str
    """A tier of the policy."""
    environment: str = "live"
    """``live``, or ``test``, which has buckets of its own."""
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A price for a tier, prepared."""

    plan: Plan
    terms: Terms
    fields: AdmittedFields


@dataclass(slots=True, eq=False)
class Group:
    """A tier or a class of addresses."""

    name: str
    limits: Limits
    lease: LeaseRule | None = None
    prepared: dict[Price, Prepared] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """Who calls."""

    caller: Caller
    group: Group
    scopes: frozenset[str] | None
    """None: no credential."""
    subject: str = field(init=False)
    """The caller's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", self.caller.subject)


Identify = Callable[[Mapping[str, Any]], Account | None]
"""An application's own authentication: an ASGI scope to an account, None for anonymous callers."""


class Callers:
    """Finds the client of a request; what an address means is remembered."""

    def __init__(
        self, policy: Policy, clock: Clock, key_store: Keys | None = None, identify: Identify | None = None
    ) -> None:
        self._addresses, self._clock = policy.addresses, clock
        self._key_store, self._identify = key_store, identify
        tiers, classes = policy.tiers.values(), policy.addresses.classes
        self._groups = {tier.name: Group(tier.name, tier.limits, tier.lease) for tier in tiers}
        self._own_groups: dict[tuple[str, Limits], Group] = {}
        self._classes = {one.name: Group(one.name, one.limits) for one in classes}
        self._by_host: dict[str, Client | Reason] = {}
        self.by_address_alone = not (key_store or identify or policy.addresses.trusted)
        """Nothing in a request but its peer's address says who calls."""

    def client_of(self, scope: Mapping[str, Any]) -> Client | None:
        """Return who calls; None when a key has to be looked up first: ``client_by_key``.

        Raises:
            RefusedError: a denied address, or nobody may call from it without a credential.
        """
        peer = scope.get("client")
        host = peer[0] if peer else ""
        found = self._by_host.get(host)
        if found is None:
            found = self._at_address(host, scope["headers"])
        if found is not Reason.IP_DENIED:
            if self._identify is not None:
                account = self._identify(scope)
                if account is not None:
                    subject = f"{account.name}:{account.environment}"
                    caller = Caller(account.name, account.environment, "", subject)
                    return Client(caller, self._group(account.tier, UNLIMITED), account.scopes)
            elif self._key_store is not None and _may_hold_key(scope):
                return None
        if isinstance(found, Reason):
            raise refused(found)
        return found

    async def client_by_key(self, scope: Mapping[str, Any]) -> Client:
        """Return whose key a request holds; who calls by address when it holds none after all.

        Raises:
            RefusedError: the key does not serve.
        """
        headers = scope["headers"]
        peer = scope.get("client")
        host = peer[0] if peer else ""
        credential = keys.find_credential(headers, scope.get("query_string", b""))
        if credential is None or self._key_store is None:
            found = self._by_host.get(host) or self._at_address(host, headers)
            if isinstance(found, Reason):
                raise refused(found)
            return found
        if isinstance(credential, keys.Bearer):  # a token is for the application's own authentication
            raise refused(Reason.INVALID_TOKEN)
        if isinstance(credential, Reason):
            raise refused(credential)
        try:
            record = await self._key_store.find(credential)
        except UnavailableError as error:
            raise refused(Reason.IDENTITY_UNAVAILABLE) from error
        if record is None:
            raise refused(Reason.INVALID_KEY)
        reason = keys.refusal(record, self._clock.wall_ns() // 1_000, self._address(host, headers))
        if reason is not None:
            raise refused(reason)
        caller = Caller(record.account, record.environment, record.id, record.subject)
        return Client(caller, self._group(record.tier, record.own_limits), frozenset(record.scopes))

    def _group(self, tier: str, own: Limits) -> Group:
        """Return a tier, with an account's own limits where it has some (GW-146).

        Raises:
            RefusedError: the policy lacks the tier.
        """
        group = self._groups.get(tier)
        if group is None:
            raise RefusedError(Reason.ACCOUNT_SUSPENDED, "the account's tier is not in the policy")
        if own == UNLIMITED:
            return group
        found = self._own_groups.get((tier, own))
        if found is None:
            if len(self._own_groups) >= REMEMBERED:
                self._own_groups.clear()
            found = Group(tier, own_or_tier(own, group.limits))  # a lease is a part of the tier's own burst
            self._own_groups[tier, own] = found
        return found

    def _address(self, host: str, headers: Headers) -> Address | None:
        """Return the client's address; None for a socket's path or the host name of a test client."""
        try:
            address = plain_address(ip_address(host))
        except ValueError:
            return None
        return client_address(address, headers, self._addresses) if self._addresses.trusted else address

    def _at_address(self, host: str, headers: Headers) -> Client | Reason:
        """Return the class of an address, or why it is not served; remembered where no proxy speaks for others."""
        addresses, address = self._addresses, self._address(host, headers)
        known = None if address is None else addresses.class_of(address)
        if address is None:
            found: Client | Reason = Client(LOCAL, Group("local", UNLIMITED), None)
        elif addresses.is_denied(address):
            found = Reason.IP_DENIED
        elif known is None:
            found = Reason.MISSING_CREDENTIALS
        else:
            subject = f"ip:{known.name}:{addresses.group_of(address)}"
            found = Client(Caller(f"ip:{known.name}", "", "", subject), self._classes[known.name], None)
        if not addresses.trusted:
            if len(self._by_host) >= REMEMBERED:
                self._by_host.clear()
            self._by_host[host] = found
        return found


def _may_hold_key(scope: Mapping[str, Any]) -> bool:
    """Tell, quickly, whether a request could hold a key."""
    for name, _ in scope["headers"]:
        if name in CREDENTIAL_FIELDS:
            return True
    query = scope.get("query_string", b"")
    return b"_" in query or b"%" in query


def require(client: Client, price: Price) -> None:
    """See that a caller may ask at all.

    Raises:
        RefusedError: ``missing_credentials`` or ``missing_scope``.
    """
    if client.scopes is None:
        if not price.anonymous:
            raise refused(Reason.MISSING_CREDENTIALS)
    elif price.scope is not None and price.scope not in client.scopes:
        raise RefusedError(Reason.MISSING_SCOPE, f"the key lacks the scope {price.scope}")


def refused(reason: Reason) -> RefusedError:
    """Return a refusal, with a challenge where one belongs."""
    challenge = PROBLEMS[reason].status == HTTPStatus.UNAUTHORIZED
    return RefusedError(reason, fields={"WWW-Authenticate": AUTHENTICATE} if challenge else None)
