"""Decisions for callers outside this process: the decision API, Envoy's rate limits and its ext_authz (GW-611 to 622).

Who is asked about, what it costs and what comes of it is the gateway's own: the same policy, keys, counters and usage events.
A decision for somebody else takes no slot of the requests in progress, because nobody here sees the response end.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple, Protocol, TypeVar

from veritape.gateway import identity, keys, quota
from veritape.gateway.accounts import Account, own_or_tier
from veritape.gateway.adapters.admission import decider, outcome
from veritape.gateway.adapters.gate import Gate
from veritape.gateway.adapters.marks import PATH_CHARACTERS
from veritape.gateway.adapters.random_bytes import RandomBytes
from veritape.gateway.adapters.stores import unfolded
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.addresses import Address, plain_address
from veritape.gateway.answers import Answer, Headers
from veritape.gateway.fast_quota import Plan, Verdict
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import Environment
from veritape.gateway.paths import BadPathError, PathTable, normal_path
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import CONTENT_TYPE, RefusedError, problem_body
from veritape.gateway.quota import Decision, Limits
from veritape.gateway.rate_fields import AdmittedFields, rate_fields
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.request_ids import request_id
from veritape.gateway.usage import Caller
from veritape.kernel.errors import UnavailableError

OK: Final = 200
SERVICE_UNAVAILABLE: Final = 503
"""Statuses of answers that are made here."""

ID_FIELD: Final = "X-Request-Id"
"""Field of an answer that names the request."""

FAILURES: Final = frozenset({400, 401, 404})
"""Statuses that count against an address group."""

REMEMBERED: Final = 65_536
"""Paths and writers of fields that are kept, and texts of addresses that were read; at the bound all of a kind are forgotten."""

ADDRESS_CHARACTERS: Final = 45
"""Longest address as text, an IPv4 address in an IPv6 one."""


Key = TypeVar("Key")
Value = TypeVar("Value")


class Accounts(Protocol):
    """What is asked of the key store beside keys."""

    async def find_account(self, identifier: str) -> Account | None:
        """Return an account, None when it is unknown."""
        ...


class Ruled(NamedTuple):
    """What came of a question."""

    decision: Decision
    tier: str


class Authorized(NamedTuple):
    """A request that a proxy holds, decided."""

    answer: Answer
    visit: Visit
    """What the decision stands on."""


class Told(NamedTuple):
    """What is told of a decision for somebody outside, as ``metrics.Decided`` wants it."""

    tier: str
    anonymous: bool
    outcome: str
    mode: str
    charged_mu: int
    decision_us: int
    store: str


class Desk:
    """Answers questions by a gate; ``tell`` hears of each decision that counts."""

    def __init__(self, gate: Gate, accounts: Accounts, tell: Callable[[Told], None] = lambda _: None) -> None:
        self.gate, self._accounts, self.tell = gate, accounts, tell
        self._policy: Policy | None = None
        self._paths: PathTable[dict[str, Route]] = PathTable(())
        self._named: dict[str, Route] = {}
        self._routes: dict[tuple[str, str], Route | None] = {}
        """By method and path."""
        self._writers: dict[tuple[Plan, str], AdmittedFields] = {}
        """Of the fields of what was admitted, by plan and tier."""
        self.random = RandomBytes()

    def route_at(self, method: str, path: str) -> Route | None:
        """Return the policy's route of a path, None when none has it."""
        self._follow_policy()
        key = (method, path)
        try:
            return self._routes[key]
        except KeyError:
            found = self._route_at(method, path)
            if len(path) <= PATH_CHARACTERS:
                _remember(self._routes, key, found)
            return found

    def _route_at(self, method: str, path: str) -> Route | None:
        try:
            found = self._paths.match(normal_path(path.encode()))
        except BadPathError:
            return None
        return None if found is None else found.value.get("GET" if method == "HEAD" else method)

    def route_named(self, name: str) -> Route | None:
        """Return the policy's route of a name."""
        self._follow_policy()
        return self._named.get(name)

    def _follow_policy(self) -> None:
        """Forget what followed from another policy: there was a reload."""
        policy = self.gate.policy
        if self._policy is not policy:
            self._policy, self._paths = policy, _paths(policy)
            self._named = {route.name: route for route in policy.routes}
            self._routes, self._writers = {}, {}

    async def of_key(self, key: str, route: Route, address: Address | None) -> Identity | Refusal:
        """Return who has a key, or why it does not serve."""
        if not keys.is_well_formed(key):
            return Refusal(Reason.INVALID_KEY)
        try:
            record = await self.gate.key_store.find(key)
        except UnavailableError:
            return Refusal(Reason.IDENTITY_UNAVAILABLE)
        return identity.of_key(record, self.gate.policy, route, self.gate.wall_us(), address)

    async def of_account(self, name: str, environment: Environment) -> Identity | Refusal:
        """Return who an account is, or why it is not served."""
        try:
            account = await self._accounts.find_account(name)
        except UnavailableError:
            return Refusal(Reason.IDENTITY_UNAVAILABLE)
        if account is None:
            return Refusal(Reason.NOT_FOUND)
        tier = self.gate.policy.tiers.get(account.tier)
        if account.suspended or tier is None:
            return Refusal(Reason.ACCOUNT_SUSPENDED)
        caller = Caller(name, environment, "", f"{name}:{environment}")
        return Identity(caller, tier.name, own_or_tier(account.own_limits, tier.limits))

    def of_address(self, address: Address | None) -> Identity | Refusal:
        """Return the class of an address, or why it is not served."""
        if address is not None and self.gate.memory.origin(address).is_denied:
            return Refusal(Reason.IP_DENIED)
        return self.gate.caller_at(address)

    def at_address(self, text: str) -> Identity | Refusal | None:
        """Return the class of an address, or why it is not served; None for what is no address."""
        address = read_address(text)
        return None if address is None else self.of_address(address)

    async def charge(self, who: Identity, route: Route, cost_mu: int) -> Ruled:
        """Decide and charge, the event of an account included; a denial charges nothing.

        Raises:
            RefusedError: no decision: a store or the ledger is away.
        """
        identifier = self.new_id() if who.caller.env else ""  # events of accounts name the request
        visit = Visit(identifier, None, None, who.caller, who.tier, _without_slots(who.limits))
        priced = route if route.cost_mu == cost_mu else route._replace(cost_mu=cost_mu)
        try:
            await self._told(visit, self.gate.charge(visit, priced))
        except RefusedError as refusal:
            if (decision := visit.decision) is None or refusal.reason is not decision.reason:
                raise
        return Ruled(visit.decision or await self._free(who), who.tier)

    def note_denial(self, who: Identity, ruled: Ruled) -> None:
        """Tell of a denial that a probe found and that stands, because several are decided together."""
        self._note(Visit("", None, None, who.caller, who.tier, judged=ruled.decision), "")

    async def probe(self, who: Identity, cost_mu: int) -> Ruled:
        """Decide without a charge; cost 0 only looks.

        Raises:
            RefusedError: the store is away.
        """
        if not cost_mu:
            return Ruled(await self._free(who), who.tier)
        limits = _without_slots(who.limits)
        state, now_us = await self._state(who)
        version, wall_us = self.gate.policy.version, self.gate.wall_us()
        return Ruled(quota.evaluate(limits, state, cost_mu, now_us, wall_us, version)[1], who.tier)

    async def authorize(
        self, method: str, path: str, query: bytes, headers: Headers, peer: Address | None
    ) -> Answer:
        """Decide a request that a proxy holds: 200 with the fields to add, or our denial (GW-612)."""
        return (await self.authorized(method, path, query, headers, peer)).answer

    async def authorized(
        self, method: str, path: str, query: bytes, headers: Headers, peer: Address | None
    ) -> Authorized:
        """Decide as ``authorize`` does, and return what the decision stands on as well."""
        asked = next((value for name, value in headers if name == b"x-request-id"), None)
        identifier = request_id(asked, self.gate.clock.wall_ns(), self.random.take())
        visit = self.gate.visit(identifier, peer, headers)
        try:
            self.gate.bar(visit)
            route = visit.route = self._known_route(method, path)
            await self.gate.identify(visit, route, headers, query)
        except RefusedError as refusal:
            return Authorized(self._refused(visit, refusal), visit)
        visit.limits = _without_slots(visit.limits)
        return Authorized(await self._decided(visit, self.gate.charge(visit, route)), visit)

    async def go_on(self, visit: Visit) -> Answer:
        """Answer for a visit that was admitted and whose charge is under way."""
        return await self._decided(visit, self.gate.settle(visit))

    async def _decided(self, visit: Visit, charging: Awaitable[None]) -> Answer:
        try:
            await self._told(visit, charging)
        except RefusedError as refusal:
            return self._refused(visit, refusal)
        return Answer(OK, [(ID_FIELD, visit.request_id), *self._fields(visit)])

    def _refused(self, visit: Visit, refusal: RefusedError) -> Answer:
        if PROBLEMS[refusal.reason].status in FAILURES:
            self.gate.note_failure(visit)
        return self._denial(visit, refusal)

    def new_id(self) -> str:
        """Return a request id."""
        return request_id(None, self.gate.clock.wall_ns(), self.random.take())

    def fields_of(self, ruled: Ruled) -> list[tuple[str, str]]:
        """Return the rate fields of a decision."""
        return rate_fields(ruled.decision, ruled.tier, self.gate.wall_us(), legacy=False)

    async def _told(self, visit: Visit, charging: Awaitable[None]) -> None:
        """Charge, and tell what came of it."""
        reason = ""
        try:
            await charging
        except RefusedError as refusal:
            reason = refusal.reason
            raise
        finally:
            self._note(visit, reason)

    def _note(self, visit: Visit, reason: str) -> None:
        judged, caller = visit.judged, visit.caller
        self.tell(
            Told(
                visit.tier,
                caller is not None and not caller.env,
                outcome(judged, reason),
                judged.mode if judged else "",
                visit.units_mu,
                visit.decision_ns // 1_000,
                decider(judged, self.gate.policy.store.kind),
            )
        )

    def _known_route(self, method: str, path: str) -> Route:
        route = self.route_at(method, path)
        if route is None:
            raise RefusedError(Reason.NO_ROUTE)
        return route

    def _fields(self, visit: Visit) -> list[tuple[str, str]]:
        """Return the rate fields of a visit; what a store admitted need not be unfolded for them."""
        judged = visit.judged
        if judged is None:
            return []
        if not isinstance(judged, Verdict) or not judged.admitted:
            return self.fields_of(Ruled(unfolded(judged), visit.tier))
        key = (judged.plan, visit.tier)
        writer = self._writers.get(key)
        if writer is None:
            writer = AdmittedFields(*key, legacy=False)
            _remember(self._writers, key, writer)
        return [(name.decode("ascii"), value.decode("ascii")) for name, value in writer.of(judged)]

    def _denial(self, visit: Visit, refusal: RefusedError) -> Answer:
        status = PROBLEMS[refusal.reason].status
        own = [("Content-Type", CONTENT_TYPE), (ID_FIELD, visit.request_id), *refusal.fields.items()]
        if status == SERVICE_UNAVAILABLE:
            own.append(("Retry-After", "1"))
        body = problem_body(refusal.reason, refusal.detail, visit.request_id, visit.decision)
        return Answer(status, [*own, *self._fields(visit)], body)

    async def _free(self, who: Identity) -> Decision:
        """Return how somebody stands."""
        state, now_us = await self._state(who)
        month = quota.month_of(self.gate.wall_us())
        limits = _without_slots(who.limits)
        return quota.admission(limits, state, 0, now_us, month, self.gate.policy.version)

    async def _state(self, who: Identity) -> tuple[quota.State, int]:
        """Return what the store knows, and its clock at that moment."""
        try:
            state = await self.gate.store.status(who.caller.subject, who.limits)
        except UnavailableError as error:
            raise RefusedError(Reason.QUOTA_UNAVAILABLE) from error
        return state, max(state.minute.at_us, state.hour.at_us)


def read_address(text: str) -> Address | None:
    """Return an address, None for what is none: a unix socket, a name, an address of one link."""
    return _read_address(text) if len(text) <= ADDRESS_CHARACTERS else None


@lru_cache(maxsize=REMEMBERED)
def _read_address(text: str) -> Address | None:
    try:
        return plain_address(ip_address(text)) if "%" not in text else None
    except ValueError:
        return None


def _without_slots(limits: Limits) -> Limits:
    """Return limits that count no requests in progress."""
    return limits if limits.concurrency is None else limits._replace(concurrency=None)


def _remember(kept: dict[Key, Value], key: Key, value: Value) -> None:
    """Keep a value, within the bound."""
    if len(kept) >= REMEMBERED:
        kept.clear()
    kept[key] = value


def _paths(policy: Policy) -> PathTable[dict[str, Route]]:
    by_path: dict[str, dict[str, Route]] = {}
    for route in policy.routes:
        for path in route.paths:
            by_path.setdefault(path, {}).update(dict.fromkeys(route.methods, route))
    return PathTable(by_path.items())
