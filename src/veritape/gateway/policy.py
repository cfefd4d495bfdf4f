"""The policy: tiers, routes, costs, address classes, as checked values (GW-101, GW-102).

Every number a decision needs is here, read once from one TOML file by ``policy_reader``; nothing is looked up by text
after that. The version stands in every usage event and decision, so that any charge can be explained later.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from veritape.gateway.addresses import AddressPolicy
from veritape.gateway.leases import LeaseRule
from veritape.gateway.quota import Limits
from veritape.gateway.tokens import TokenIssuer
from veritape.gateway.upstreams import CountRule, FieldRule, Upstream


class PolicyReason(StrEnum):
    """Why a policy file is refused."""

    NOT_TOML = "not_toml"
    """Not UTF-8, not TOML, or above 1 MiB."""
    UNKNOWN_KEY = "unknown_key"
    """A key that the schema lacks."""
    MISSING_KEY = "missing_key"
    """A key that must be there."""
    WRONG_TYPE = "wrong_type"
    """A value of another type."""
    OUT_OF_RANGE = "out_of_range"
    """A value outside its range."""
    ENGINE_UNSUPPORTED = "engine_unsupported"
    """An engine that this version does not have."""
    MEMORY_STORE_NEEDS_ONE_WORKER = "memory_store_needs_one_worker"
    """Several workers would each admit the whole limit."""
    RULE_OUT_OF_RANGE = "rule_out_of_range"
    """A limit whose numbers no store can hold exactly."""
    OVERAGE_PRICE_MISSING = "overage_price_missing"
    """Overage is billed but has no price."""
    LEASE_EXCEEDS_FRACTION = "lease_exceeds_fraction"
    """A lease larger than its share of the burst."""
    TRUSTS_EVERYONE = "trusts_everyone"
    """Every address would be a trusted proxy."""
    CIDR_TWICE = "cidr_twice"
    """Two classes claim the same prefix."""
    ROUTE_TWICE = "route_twice"
    """Two routes claim the same path and method."""
    UNKNOWN_UPSTREAM = "unknown_upstream"
    """A route names an upstream that is not there."""
    COST_EXCEEDS_BURST = "cost_exceeds_burst"
    """A call would cost more than some tier can ever hold."""
    ISSUER_TWICE = "issuer_twice"
    """Two issuers of tokens have one ``iss``."""
    KEY_SOURCE = "key_source"
    """An issuer's key has no place, two, or one that does not fit its algorithm."""
    DESTINATION_REFUSED = "destination_refused"
    """An address that the gateway never calls: no https, or link-local."""
    UNKNOWN_VARIABLE = "unknown_variable"
    """A header value names a variable that is not there."""
    HEADER_NOT_ALLOWED = "header_not_allowed"
    """A field that only the gateway writes is set, added or removed."""
    CORS_WILDCARD_CREDENTIALS = "cors_wildcard_credentials"
    """Any origin with credentials: browsers refuse it."""
    NOT_AVAILABLE = "not_available"
    """This version does not have what is asked for; it is refused and not ignored."""
    RESTART_NEEDED = "restart_needed"
    """The store's table changed; a running process cannot change its store."""
    POLICY_VERSION_NOT_RAISED = "policy_version_not_raised"
    """The content changed and the version did not rise."""


class PolicyProblem(NamedTuple):
    """One error of a policy file."""

    path: tuple[str, ...]
    """Keys from the top."""
    reason: PolicyReason
    allowed: str
    """What is allowed there."""


class Lost(StrEnum):
    """What a route does while the shared store is lost (GW-347)."""

    LOCAL = "local"
    """Local shares decide for the whole outage."""
    LOCAL_THEN_CLOSED = "local_then_closed"
    """Local shares, and 503 once the grace is over."""
    OPEN = "open"
    """Local shares, and everybody, metered, once the grace is over."""
    CLOSED = "closed"
    """503 at once."""


class StoreSettings(NamedTuple):
    """Which store decides, and what holds while it is lost."""

    kind: str = "memory"
    """``memory`` or ``redis``."""
    deadline_ms: int = 25
    """Longest that a request waits for the store."""
    grace_s: int = 300
    """Longest continuous time on local shares."""
    lost: Lost = Lost.LOCAL
    """What routes do that say nothing of it."""
    partitions: int = 64
    """Tags of the store's keys; fixed at its first use."""
    workers_min: int = 1
    """A local share is never larger than one of so many."""


class Tier(NamedTuple):
    """What an account may do."""

    name: str
    limits: Limits
    price_usd_month: str
    """Decimal text or ``custom``; for exports only."""
    lease: LeaseRule | None = None
    """What a worker may take beforehand from a shared store."""
    overage_usd_per_1000: Decimal | None = None
    """Price of 1,000 units above the month's quota; None where none is billed."""
    shadow: bool = False
    """Its limits are watched and deny nothing (GW-107)."""


class Route(NamedTuple):
    """One route of the gateway."""

    name: str
    paths: tuple[str, ...]
    """Patterns: literal segments, ``{name}``, a last ``{rest...}``."""
    methods: tuple[str, ...]
    upstream: str
    cost_mu: int
    """Cost of a call, mu; of an item when the route counts items."""
    anonymous: bool
    scope: str | None
    """Scope that a credential must hold."""
    body_max_bytes: int
    timeout_s: int
    refund: str
    """Which failures return month units: ``none``, ``gateway`` or ``5xx``."""
    mode: str
    """``call``: the store is asked for each request; ``lease``: leases are used where the tier has them."""
    lost: Lost | None
    """What it does while the store is lost; None as the store's table says."""
    features: frozenset[str]
    """Optional keys of the schema that the route uses; who serves it must know them."""
    shadow: bool = False
    """Limits are watched and deny nothing here (GW-107)."""
    essential: bool = False
    """It is served at every level of overload (GW-381)."""
    counted: CountRule | None = None
    """How the items of a body are counted; None where a call is the item."""
    request_fields: FieldRule = FieldRule()
    """What changes on the way to the upstream."""
    response_fields: FieldRule = FieldRule()
    """What changes on the way back."""


class Cors(NamedTuple):
    """Which pages of other origins may call."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    credentials: bool
    max_age_s: int

    def allows(self, origin: str) -> bool:
        """Tell whether an origin may read answers."""
        return "*" in self.origins or origin in self.origins


class Policy(NamedTuple):
    """A checked policy file."""

    version: int
    sha256: str
    """Digest of the file's bytes."""
    tiers: Mapping[str, Tier]
    routes: tuple[Route, ...]
    in_process: frozenset[str]
    """Upstreams that are parts of this process when installed."""
    addresses: AddressPolicy
    """Classes, groups, deny list, trusted proxies."""
    in_flight_max: int
    """Requests in progress in the whole gateway."""
    cors: Cors | None
    store: StoreSettings = StoreSettings()
    issuers: tuple[TokenIssuer, ...] = ()
    """Whose tokens are believed."""
    upstreams: Mapping[str, Upstream] = {}
    """Where requests go."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return every scope that a route asks for."""
        return tuple(sorted({route.scope for route in self.routes if route.scope}))
