"""What follows from a policy alone, found once and remembered: of addresses, and of routes for some limits (GW-501)."""

from typing import Final, NamedTuple

from veritape.gateway import identity
from veritape.gateway.adapters.admission import Manner, manner
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.addresses import Address
from veritape.gateway.fast_quota import Plan, plan_of
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import KeyRecord
from veritape.gateway.policy import Policy, Route
from veritape.gateway.quota import MICROSECONDS, Limits
from veritape.gateway.rate_fields import AdmittedFields
from veritape.gateway.remembered import Remembered

REMEMBERED: Final = 65_536
"""Addresses, keys on a route, and routes for some limits, that are remembered; at the bound all are forgotten."""


class Origin(NamedTuple):
    """What a policy says of an address."""

    group: str
    """Prefix that counts as one caller."""
    is_denied: bool
    caller: Identity | Refusal
    """Who calls from there without a credential, or why nobody does."""
    is_trusted: bool
    """It is a proxy of ours, whose word is taken."""
    text: bytes
    """The address as fields name it."""


class Recognised(NamedTuple):
    """Whose key it is, on one route."""

    record: KeyRecord
    """What the key store knew of the key; another record is recognised anew."""
    identity: Identity
    from_us: int
    until_us: int
    """Wall clock between which the key serves."""


class Prepared(NamedTuple):
    """A route for some limits, prepared."""

    plan: Plan
    terms: Terms
    fields: AdmittedFields
    """Writes the rate fields of what was admitted."""
    how: Manner
    """In which manner it is decided while the gateway is not overloaded."""


class PolicyMemory:
    """The memory of one policy; another policy gets another one."""

    def __init__(self, policy: Policy, *, legacy: bool) -> None:
        """Begin with nothing.

        Args:
            policy: in force.
            legacy: rate fields also have their older names.
        """
        self.policy, self._legacy = policy, legacy
        self._origins: Remembered[Address, Origin] = Remembered(REMEMBERED)
        self._recognised: Remembered[tuple[str, str], Recognised] = Remembered(REMEMBERED)
        """Key id, route -> who that is."""
        self._prepared: Remembered[tuple[str, int, str, Limits, bool], Prepared] = Remembered(REMEMBERED)
        """Route, cost, tier, limits, whether anonymous -> what is prepared."""

    def origin(self, address: Address) -> Origin:
        """Return what the policy says of an address."""
        found = self._origins.get(address)
        if found is None:
            addresses = self.policy.addresses
            group, is_denied = addresses.group_of(address), addresses.is_denied(address)
            caller, text = identity.of_address(address, self.policy), str(address).encode("ascii")
            found = Origin(group, is_denied, caller, addresses.is_trusted(address), text)
            self._origins.keep(address, found)
        return found

    def of_key(
        self, record: KeyRecord | None, route: Route, wall_us: int, address: Address | None
    ) -> Identity | Refusal:
        """Decide a request with a key as ``identity.of_key`` does; what its record alone decides is remembered."""
        if record is None or record.cidrs:
            return identity.of_key(record, self.policy, route, wall_us, address)
        known = self._recognised.get((record.id, route.name))
        if known is not None and known.record is record and known.from_us <= wall_us < known.until_us:
            return known.identity
        found = identity.of_key(record, self.policy, route, wall_us, address)
        if isinstance(found, Identity):
            until_us = record.changes_us(wall_us)
            self._recognised.keep((record.id, route.name), Recognised(record, found, wall_us, until_us))
        return found

    def prepared(self, route: Route, tier: str, limits: Limits, *, anonymous: bool) -> Prepared:
        """Return a route prepared for a tier's or class' callers with some limits."""
        key = route.name, route.cost_mu, tier, limits, anonymous
        found = self._prepared.get(key)
        if found is None:
            terms = self._terms(route, tier, limits)
            plan = plan_of(limits, route.cost_mu, self.policy.version)
            how = manner(self.policy, route, tier, 0, anonymous=anonymous)
            found = Prepared(plan, terms, AdmittedFields(plan, tier, legacy=self._legacy), how)
            self._prepared.keep(key, found)
        return found

    def _terms(self, route: Route, tier: str, limits: Limits) -> Terms:
        known = self.policy.tiers.get(tier)
        may_lease = route.mode == "lease" and known is not None and limits == known.limits
        lease = known.lease if known is not None and may_lease else None
        lost = route.lost or self.policy.store.lost
        return Terms(limits, self.policy.version, route.timeout_s * MICROSECONDS, lost, lease)
