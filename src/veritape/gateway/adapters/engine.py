"""The quota engine for the middleware and the dependency: what a request costs and whether it is admitted (GW-601 to 603).

The same policy, stores and keys as the gateway, without its process: no routes of its own, no pages, no address guard. What
depends only on the policy is prepared once: a price for each kind of request, a plan and the writer of its header fields for
each price and tier, a client for each address. A request then costs a few look-ups and one decision.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from veritape.gateway.adapters.callers import Callers, Client, Group, Identify, Prepared
from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.gate import Keys
from veritape.gateway.adapters.marks import PATH_CHARACTERS
from veritape.gateway.adapters.store_link import Asked
from veritape.gateway.adapters.stores import Judged, ProcessStore, Store, Straight, Terms, unfolded
from veritape.gateway.fast_quota import Verdict, make_tuple, plan_of
from veritape.gateway.paths import PathTable
from veritape.gateway.policy import Policy, Route
from veritape.gateway.prices import Price, route_price
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import Decision
from veritape.gateway.rate_fields import AdmittedFields, RawField, rate_fields, raw_fields
from veritape.gateway.reasons import Reason
from veritape.gateway.straight_quota import Charge, straight
from veritape.gateway.straight_slots import Take, straight_slots
from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError, UnavailableError

REMEMBERED: Final = 65_536
"""Paths whose price is kept; at the bound all are forgotten."""

UPSTREAM: Final = "app"
"""Upstream of the policy's routes that are the application's own."""


class Ruling(NamedTuple):
    """An admitted request: what its response says and what its end returns."""

    fields: list[RawField]
    subject: str
    slot: int | str
    """To release when the response has ended; empty or 0 when there is none."""
    judged: Judged

    @property
    def decision(self) -> Decision:
        """Return the decision."""
        return unfolded(self.judged)


Decide = Callable[[], Ruling]
"""Decides one kind of request of one client."""


class DeniedError(RefusedError):
    """A quota denied; the decision says which."""

    def __init__(self, reason: Reason, decision: Decision, fields: list[RawField]) -> None:
        super().__init__(reason)
        self.decision, self.rate_fields = decision, fields


class Engine:
    """Decides requests by a policy. ``swap`` puts another policy in place between two requests."""

    def __init__(
        self, policy: Policy, store: Store, clock: Clock, *, key_store: Keys | None = None,
        identify: Identify | None = None, legacy: bool = False,
    ) -> None:  # fmt: skip
        """Join.

        Args:
            policy: tiers, classes, routes.
            store: counters.
            clock: ours.
            key_store: finds API keys; None: header fields are not looked at.
            identify: finds accounts in place of API keys.
            legacy: also write the older names of the rate fields (GW-505).

        Raises:
            MisuseError: both ways to find accounts, or a route that asks for what only the gateway has.
        """
        if key_store is not None and identify is not None:
            raise MisuseError("Limit: keys or identify, not both: a request has one account")
        self.store, self.clock = store, clock
        self._monotonic_ns, self._wall_ns = clock.monotonic_ns, clock.wall_ns
        self.knows_accounts = key_store is not None or identify is not None
        """Callers may hold a credential."""
        self._memory = store.memory if isinstance(store, ProcessStore) else None
        self._shared = store if isinstance(store, DegradingStore) else None
        self._key_store, self._identify, self._legacy = key_store, identify, legacy
        self.policy, self.callers = policy, Callers(policy, clock, key_store, identify)
        self._forgetting: list[Callable[[], None]] = []
        self._prices = _prices(policy)
        self._by_path: dict[tuple[str, str], Price | None] = {}

    def swap(self, policy: Policy) -> None:
        """Use another policy from the next request on.

        Raises:
            MisuseError: a route asks for what only the gateway has; the old policy stays.
        """
        self._prices = _prices(policy)
        self.policy, self.callers = policy, Callers(policy, self.clock, self._key_store, self._identify)
        self._by_path = {}
        for forget in self._forgetting:
            forget()

    def forget_on_swap(self, forget: Callable[[], None]) -> None:
        """Have something called at each swap, by who remembers what follows from the policy."""
        self._forgetting.append(forget)

    def price_of(self, method: str, path: str) -> Price | None:
        """Return what the policy's routes ask for a request, None when none names it."""
        key = (method, path)
        try:
            return self._by_path[key]
        except KeyError:
            found = self._prices.match(path)
            price = None if found is None else found.value.get("GET" if method == "HEAD" else method)
            if len(path) <= PATH_CHARACTERS:
                if len(self._by_path) >= REMEMBERED:
                    self._by_path.clear()
                self._by_path[key] = price
            return price

    def decider(self, client: Client, price: Price) -> Decide | None:
        """Return what decides a price for a client in memory; None when the store is not in this process and has to be awaited.

        It holds until the policy is swapped, and raises ``DeniedError`` when a quota denies.
        """
        if self._memory is None:
            return None
        prepared = client.group.prepared.get(price) or self._prepare(client.group, price)
        subject, plan, slot_us, fields_of = client.subject, prepared.plan, price.slot_us, prepared.fields.of
        judge, monotonic_ns, wall_ns = self._memory.judge, self._monotonic_ns, self._wall_ns

        def decide() -> Ruling:
            verdict, slot = judge(subject, plan, monotonic_ns() // 1_000, wall_ns() // 1_000, slot_us)
            if verdict[0]:
                return make_tuple(Ruling, (fields_of(verdict), subject, slot, verdict))
            raise self._denied(client, verdict.unfolded())

        return decide

    def straight(self, client: Client, price: Price) -> Charge | None:
        """Return what charges a client in memory in the usual case, where nobody needs more of a decision than its fields."""
        if self._memory is None or self._legacy:
            return None
        prepared = client.group.prepared.get(price) or self._prepare(client.group, price)
        return straight(self._memory, client.subject, prepared.plan)

    def straight_slots(self, client: Client, price: Price) -> Take | None:
        """Return the same for limits beside the minute's, with the slot that has to be released."""
        if self._memory is None or self._legacy:
            return None
        prepared = client.group.prepared.get(price) or self._prepare(client.group, price)
        return straight_slots(self._memory, client.subject, prepared.plan, price.slot_us)

    def straight_shared(self, client: Client, price: Price) -> Straight | None:
        """Return the same of the shared store."""
        if self._shared is None or self._legacy:
            return None
        prepared = client.group.prepared.get(price) or self._prepare(client.group, price)
        return self._shared.straight(client.subject, prepared.plan, prepared.terms)

    async def decide(self, client: Client, price: Price, asked: Asked | None = None) -> Ruling:
        """Decide.

        Args:
            client: who is charged.
            price: for what.
            asked: ``straight_shared`` has sent the question already.

        Raises:
            DeniedError: a quota denied.
            RefusedError: the store is lost and the route is closed then.
        """
        prepared = client.group.prepared.get(price) or self._prepare(client.group, price)
        subject = client.subject
        try:
            if asked is None or self._shared is None:
                judged, slot = await self.store.judge(subject, prepared.plan, prepared.terms)
            else:
                judged, slot = await self._shared.judge(subject, prepared.plan, prepared.terms, asked)
        except UnavailableError as error:
            raise RefusedError(Reason.QUOTA_UNAVAILABLE) from error
        if not judged.admitted:
            raise self._denied(client, unfolded(judged))
        fields = prepared.fields.of(judged) if isinstance(judged, Verdict) else self._fields(client, judged)
        return make_tuple(Ruling, (fields, subject, slot, judged))

    def release(self, subject: str, slot: int | str) -> None:
        """Free a request's slot; its response has ended."""
        if self._memory is None:
            self.store.release_slot(subject, str(slot))
        else:
            self._memory.release_slot(subject, int(slot))

    def _denied(self, client: Client, decision: Decision) -> DeniedError:
        reason = decision.reason or Reason.INTERNAL_ERROR
        return DeniedError(reason, decision, self._fields(client, decision))

    def _fields(self, client: Client, decision: Decision) -> list[RawField]:
        wall_us = self.clock.wall_ns() // 1_000
        return raw_fields(rate_fields(decision, client.group.name, wall_us, legacy=self._legacy))

    def _prepare(self, group: Group, price: Price) -> Prepared:
        plan = plan_of(group.limits, price.cost_mu, self.policy.version)
        lost = price.lost or self.policy.store.lost
        lease = group.lease if price.leased else None
        terms = Terms(group.limits, self.policy.version, price.slot_us, lost, lease)
        made = Prepared(plan, terms, AdmittedFields(plan, group.name, legacy=self._legacy))
        group.prepared[price] = made
        return made


def _prices(policy: Policy) -> PathTable[dict[str, Price]]:
    """Return path -> method -> price of the application's own routes."""
    routes: list[Route] = [route for route in policy.routes if route.upstream == UPSTREAM]
    prices = {route.name: route_price(route) for route in routes}
    by_path: dict[str, dict[str, Price]] = {}
    for route in routes:
        for path in route.paths:
            by_path.setdefault(path, {}).update(dict.fromkeys(route.methods, prices[route.name]))
    return PathTable(by_path.items())
