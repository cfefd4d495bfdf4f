"""What follows from a policy alone, found once and remembered: of addresses, and of routes for some limits (GW-501)."""

from typing import Final, NamedTuple

from veritape.gateway import identity
from veritape.gateway.adapters.admission import Manner, manner
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.addresses import Address
from veritape.gateway.fast_quota import Plan, plan_of
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.policy import Policy, Route
from veritape.gateway.quota import MICROSECONDS, Limits
from veritape.gateway.rate_fields import AdmittedFields

REMEMBERED: Final = 65_536
"""Addresses, and routes for some limits, that are remembered; at the bound all are forgotten."""


class Origin(NamedTuple):
    """What a policy says of an address."""

    group: str
    """Prefix that counts as one caller."""
    is_denied: bool
    caller: Identity | Refusal
    """Who calls from there without a credential, or why nobody does."""


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
        self._origins: dict[Address, Origin] = {}
        self._prepared: dict[tuple[str, int, str, Limits, bool], Prepared] = {}
        """Route, cost, tier, limits, whether anonymous -> what is prepared."""

    def origin(self, address: Address) -> Origin:
        """Return what the policy says of an address."""
        found = self._origins.get(address)
        if found is None:
            addresses = self.policy.addresses
            caller = identity.of_address(address, self.policy)
            found = Origin(addresses.group_of(address), addresses.is_denied(address), caller)
            if len(self._origins) >= REMEMBERED:
                self._origins.clear()
            self._origins[address] = found
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
            if len(self._prepared) >= REMEMBERED:
                self._prepared.clear()
            self._prepared[key] = found
        return found

    def _terms(self, route: Route, tier: str, limits: Limits) -> Terms:
        known = self.policy.tiers.get(tier)
        may_lease = route.mode == "lease" and known is not None and limits == known.limits
        lease = known.lease if known is not None and may_lease else None
        lost = route.lost or self.policy.store.lost
        return Terms(limits, self.policy.version, route.timeout_s * MICROSECONDS, lost, lease)
