"""Read a policy file: everything is checked before anything is used, and all errors are told at once (GW-103).

An error is one line, ``file:line: key.path: reason: what is allowed``. What the schema knows but this version cannot do
(JWT) is refused as ``not_available`` and never silently ignored.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from veritape.gateway.addresses import FORWARDED_FIELDS, GUARD, AddressClass, AddressPolicy
from veritape.gateway.issuers_reader import read_issuers
from veritape.gateway.leases import LeaseRule
from veritape.gateway.limits_reader import LARGEST, read_limits
from veritape.gateway.paths import PatternError, parse_pattern
from veritape.gateway.policy import (
    Cors,
    Lost,
    Policy,
    PolicyProblem,
    PolicyReason,
    Route,
    StoreSettings,
    Tier,
)
from veritape.gateway.policy_tables import Table
from veritape.gateway.quota import MU, Limits, make_rule
from veritape.gateway.toml_lines import line_of
from veritape.gateway.upstreams_reader import read_count, read_fields, read_upstreams
from veritape.kernel.errors import MisuseError

FILE_LIMIT_BYTES: Final = 1_048_576
"""Largest policy file."""

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Methods that a route may take; HEAD follows GET, OPTIONS is the gateway's."""

FEATURES: Final = (
    "cost_per",
    "client_fingerprint",
    "request_headers",
    "response_headers",
)
"""Optional keys of a route that whoever serves it must know."""

PRICE: Final = re.compile(r"custom|[0-9]{1,9}(\.[0-9]{1,3})?")
"""A month's price: a decimal, or by contract."""


def read_policy(file_bytes: bytes, source: str) -> Policy:
    """Return the checked policy.

    Args:
        file_bytes: the file's content.
        source: its name, for messages.

    Raises:
        MisuseError: one line an error; ``reason`` is the first error's.
    """
    text, values = _parse(file_bytes, source)
    problems: list[PolicyProblem] = []
    policy = _policy(Table(values, (), problems), hashlib.sha256(file_bytes).hexdigest())
    if problems:
        lines = [
            f"{source}:{line_of(text, problem.path)}: {'.'.join(problem.path)}: {problem.reason}: {problem.allowed}"
            for problem in problems
        ]
        raise MisuseError("\n".join(lines), problems[0].reason)
    return policy


def check_successor(running: Policy, following: Policy, source: str) -> None:
    """Refuse changed content whose version did not rise, or that a running process cannot take (GW-102, GW-105).

    Raises:
        MisuseError: ``policy_version_not_raised`` or ``restart_needed``.
    """
    if following.sha256 != running.sha256 and following.version <= running.version:
        reason = PolicyReason.POLICY_VERSION_NOT_RAISED
        raise MisuseError(f"{source}: version: {reason}: an integer above {running.version}", reason)
    if following.store != running.store:
        reason = PolicyReason.RESTART_NEEDED
        raise MisuseError(f"{source}: store: {reason}: the table as it was, or a restart", reason)


def _parse(file_bytes: bytes, source: str) -> tuple[str, dict[str, Any]]:
    if len(file_bytes) > FILE_LIMIT_BYTES:
        raise MisuseError(f"{source}:1: {PolicyReason.NOT_TOML}: at most 1 MiB", PolicyReason.NOT_TOML)
    try:
        text = file_bytes.decode()
        return text, tomllib.loads(text, parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        place = re.search(r"line (\d+)", str(error))
        line = place[1] if place else "1"
        raise MisuseError(
            f"{source}:{line}: {PolicyReason.NOT_TOML}: {error}", PolicyReason.NOT_TOML
        ) from error


def _policy(top: Table, digest: str) -> Policy:
    version = top.integer("version", 1, 2**31 - 1)
    if top.integer("engine", 1, 2**31 - 1) != 1:
        top.complain("engine", PolicyReason.ENGINE_UNSUPPORTED, "1")
    store = _read_store(top)
    overload = top.table("overload")
    in_flight_max = overload.integer("in_flight_max", 1, 10**6, 2_000) if overload else 2_000
    _finish(overload)
    cors = _read_cors(top)
    tiers = {name: _read_tier(name, table) for name, table in top.tables("tiers", required=True)}
    ip = top.table("ip") or Table({}, ("ip",), top.problems)
    addresses = _read_addresses(ip)
    upstreams = read_upstreams(top)
    routes = tuple(_read_route(name, table) for name, table in top.tables("routes", required=True))
    _check_routes(top, routes, frozenset(upstreams), tiers.values())
    issuers = read_issuers(top)
    top.finish()
    return Policy(
        version,
        digest,
        tiers,
        routes,
        frozenset(name for name, upstream in upstreams.items() if not upstream.targets),
        addresses,
        in_flight_max,
        cors,
        store,
        issuers,
        upstreams,
    )


def _finish(table: Table | None) -> None:
    if table is not None:
        table.finish()


def _read_store(top: Table) -> StoreSettings:
    store = top.table("store")
    if store is None:
        return StoreSettings()
    kind = store.text("kind", "memory", ("memory", "redis"))
    workers_min = store.integer("workers_min", 1, 1_000, 1)
    if kind == "memory" and workers_min > 1:
        store.complain("workers_min", PolicyReason.MEMORY_STORE_NEEDS_ONE_WORKER, "1")
    settings = StoreSettings(
        kind,
        store.integer("deadline_ms", 20, 50, 25),
        store.integer("grace_s", 0, 86_400, 300),
        _read_lost(store),
        store.integer("partitions", 1, 1_024, 64),
        workers_min,
    )
    store.finish()
    return settings


def _read_lost(table: Table) -> Lost:
    text = table.text("lost", "local", tuple(Lost))
    return Lost(text) if text in Lost.__members__.values() else Lost.LOCAL


def _read_cors(top: Table) -> Cors | None:
    table = top.table("cors")
    if table is None:
        return None
    cors = Cors(
        table.texts("origins", required=True),
        table.texts("methods") or METHODS,
        table.texts("headers") or ("Authorization", "X-API-Key", "Content-Type", "X-Request-Id"),
        table.flag("credentials"),
        table.integer("max_age_s", 0, 86_400, 600),
    )
    if cors.credentials and "*" in cors.origins:
        table.complain("origins", PolicyReason.CORS_WILDCARD_CREDENTIALS, "named origins")
    table.finish()
    return cors


def _read_tier(name: str, table: Table) -> Tier:
    limits, overage_price = read_limits(table)
    price = table.text("price_usd_month", "0")
    if not PRICE.fullmatch(price):
        table.complain(
            "price_usd_month", PolicyReason.WRONG_TYPE, 'a decimal as "99" or "49.90", or "custom"'
        )
    lease = table.table("lease")
    rule = _read_lease(lease, limits) if lease is not None else None
    shadow = table.flag("shadow")
    table.finish()
    return Tier(name, limits, price, rule, overage_price, shadow)


def _read_lease(lease: Table, limits: Limits) -> LeaseRule | None:
    """Return a tier's lease, None where no bucket bounds it; a store in memory has no use for it."""
    largest = lease.integer("max", 1, 10_000)
    ttl_ms = lease.integer("ttl_ms", 100, 5_000)
    fraction = lease.decimal("fraction", "0.05", "0.5") or Decimal("0.5")
    bursts = [rule.burst_mu for rule in (limits.minute, limits.hour) if rule]
    if bursts and largest * MU > fraction * min(bursts):
        most = int(fraction * min(bursts)) // MU
        lease.complain("max", PolicyReason.LEASE_EXCEEDS_FRACTION, f"at most {most}, its share of the burst")
    lease.finish()
    return LeaseRule(largest * MU, ttl_ms * 1_000, int(fraction * min(bursts))) if bursts else None


def _read_addresses(ip: Table) -> AddressPolicy:
    trusted = ip.networks("trusted_proxies")
    if any(network.prefixlen == 0 for network in trusted):
        ip.complain("trusted_proxies", PolicyReason.TRUSTS_EVERYONE, "the addresses of your proxies")
    forwarded = ip.text("forwarded", "none", tuple(FORWARDED_FIELDS))
    guard_table = ip.table("guard")
    guard = GUARD
    if guard_table is not None:
        limit, burst = (guard_table.integer(key, 1, 10**6, 30) for key in ("limit", "burst"))
        guard_table.finish()
        guard = make_rule(limit, 60, burst)
    groups = ip.integer("group_v4", 8, 32, 32), ip.integer("group_v6", 32, 128, 64)
    classes = tuple(_read_class(table) for table in ip.listed("class"))
    seen = set()
    for network in (network for one in classes for network in one.networks):
        if network in seen:
            ip.complain("class", PolicyReason.CIDR_TWICE, f"{network} in one class")
        seen.add(network)
    denied = ip.networks("deny")
    ip.finish()
    return AddressPolicy(classes, denied, *groups, trusted, forwarded, guard)


def _read_class(table: Table) -> AddressClass:
    name, networks = table.text("name"), table.networks("cidrs", required=True)
    limits, _ = read_limits(table)
    fingerprint = table.table("per_fingerprint")
    if fingerprint is not None:  # acts on connections through the TLS front only (GW-445)
        fingerprint.integer("limit", 1, LARGEST)
        fingerprint.integer("burst", 1, LARGEST, 1)
        fingerprint.finish()
    shadow = table.flag("shadow")
    table.finish()
    return AddressClass(name, networks, limits, shadow)


def _read_route(name: str, table: Table) -> Route:
    paths = table.texts("path", required=True, most=4)
    for path in paths:
        try:
            parse_pattern(path)
        except PatternError as error:
            table.complain("path", PolicyReason.OUT_OF_RANGE, str(error))
    methods = table.texts("methods", required=True)
    if set(methods) - set(METHODS):
        table.complain("methods", PolicyReason.OUT_OF_RANGE, f"of {', '.join(METHODS)}")
    route = Route(
        name,
        paths,
        methods,
        table.text("upstream"),
        table.units_mu("cost", "1"),
        table.flag("anonymous"),
        table.text("scope", "none") if table.has("scope") else None,
        table.integer("body_max_kib", 0, 16_384, 1_024) * 1_024,
        table.integer("timeout_s", 1, 3_600, 60),
        table.text("refund", "5xx", ("none", "gateway", "5xx")),
        table.text("mode", "lease", ("call", "lease")),
        _read_lost(table) if table.has("lost") else None,
        frozenset(key for key in FEATURES if table.has(key)),
        table.flag("shadow"),
        table.flag("essential"),
        read_count(table),
        read_fields(table, "request_headers"),
        read_fields(table, "response_headers"),
    )
    table.flag("client_fingerprint")
    table.finish()
    return route


def _check_routes(
    top: Table, routes: Iterable[Route], upstreams: frozenset[str], tiers: Iterable[Tier]
) -> None:
    table = Table({}, ("routes",), top.problems)
    rules = [rule for tier in tiers for rule in (tier.limits.minute, tier.limits.hour) if rule]
    burst_mu = min((rule.burst_mu for rule in rules), default=None)
    taken = set()
    for route in routes:
        inner = Table({}, ("routes", route.name), top.problems)
        if route.upstream not in upstreams:
            inner.complain("upstream", PolicyReason.UNKNOWN_UPSTREAM, f"of {', '.join(sorted(upstreams))}")
        if burst_mu is not None and route.cost_mu > burst_mu:
            inner.complain("cost", PolicyReason.COST_EXCEEDS_BURST, f"at most {burst_mu // MU}")
        for place in ((_shape(path), method) for path in route.paths for method in route.methods):
            if place in taken:
                table.complain(route.name, PolicyReason.ROUTE_TWICE, "one route for a path and method")
            taken.add(place)


def _shape(path: str) -> str:
    """Return a pattern without the names of its parameters: two that match the same paths have one shape."""
    return re.sub(r"\{[a-z_]*", "{", path)
