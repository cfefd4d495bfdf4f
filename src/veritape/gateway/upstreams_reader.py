"""Read the tables of upstreams, counted bodies and changed header fields (GW-101, GW-510, GW-583)."""

import re
from typing import Final
from urllib.parse import urlsplit

from veritape.gateway.outbound import is_refused
from veritape.gateway.paths import BadPathError, normal_path
from veritape.gateway.policy import PolicyReason
from veritape.gateway.policy_tables import Table
from veritape.gateway.upstreams import (
    VARIABLE,
    CountRule,
    FieldRule,
    HealthRule,
    Target,
    TlsRule,
    Upstream,
)

UPSTREAMS_LIMIT: Final = 4
"""Upstreams of a policy: each has series of its own on the metrics page (TL-250)."""

TARGETS_LIMIT: Final = 64
"""Targets of an upstream."""

VARIABLES: Final = frozenset({"request_id", "account", "tier", "client_ip", "scheme", "route"})
"""Variables of header values."""

GUARDED: Final = frozenset({
    "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect", "via",
    "authorization", "x-api-key", "x-account-id", "x-tier", "x-request-id", "x-key-id", "x-forwarded-for",
    "x-client-fingerprint", "x-client-ja3", "x-client-ja4", "x-client-family",
})  # fmt: skip
"""Fields that only the gateway writes: framing, routing, credentials, who the caller is (GW-407, GW-510)."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


def read_upstreams(top: Table) -> dict[str, Upstream]:
    """Return every upstream of a policy."""
    found = {name: _read_upstream(name, table) for name, table in top.tables("upstreams")}
    if len(found) > UPSTREAMS_LIMIT:
        top.complain("upstreams", PolicyReason.OUT_OF_RANGE, f"at most {UPSTREAMS_LIMIT}")
    return found


def read_count(route: Table) -> CountRule | None:
    """Return how a route's items are counted, None when they are not."""
    table = route.table("cost_per")
    if table is None:
        return None
    pointer = table.text("pointer")
    if pointer and (not pointer.startswith("/") or re.search("~(?![01])", pointer)):
        table.complain("pointer", PolicyReason.OUT_OF_RANGE, "a JSON pointer as /items")
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    rule = CountRule(parts, table.integer("max_items", 1, 1_000), table.flag("per_call"))
    table.finish()
    return rule


def read_fields(route: Table, key: str) -> FieldRule:
    """Return how header fields are changed."""
    table = route.table(key)
    if table is None:
        return FieldRule()
    removed = tuple(name.lower() for name in table.texts("remove"))
    for name in removed:
        _check_name(table, "remove", name)
    rule = FieldRule(_values(table, "set"), _values(table, "add"), removed)
    table.finish()
    return rule


def _values(table: Table, key: str) -> tuple[tuple[str, str], ...]:
    fields, found = table.table(key), []
    for name in fields.values if fields else ():
        value = fields.text(name, "-") if fields else ""
        _check_name(table, key, name)
        if set(VARIABLE.findall(value)) - VARIABLES:
            table.complain(key, PolicyReason.UNKNOWN_VARIABLE, f"of {', '.join(sorted(VARIABLES))}")
        if not _PRINTABLE.fullmatch(value):
            table.complain(key, PolicyReason.OUT_OF_RANGE, "printable ASCII")
        found.append((name, value))
    return tuple(found)


def _check_name(table: Table, key: str, name: str) -> None:
    if not _TOKEN.fullmatch(name):
        table.complain(key, PolicyReason.OUT_OF_RANGE, "names of header fields, without underscores")
    elif name.lower() in GUARDED or name.lower().startswith("proxy-"):
        table.complain(key, PolicyReason.HEADER_NOT_ALLOWED, "none of framing, routing, identity")


def _read_upstream(name: str, table: Table) -> Upstream:
    if table.flag("inprocess"):
        table.finish()
        return Upstream(name, ())
    if not table.has("targets"):
        table.complain("inprocess", PolicyReason.MISSING_KEY, "inprocess = true, or targets")
    table.text("balance", "least_requests", ("least_requests",))
    targets = tuple(_read_target(one) for one in table.listed("targets"))
    if table.has("targets") and not 1 <= len(targets) <= TARGETS_LIMIT:
        table.complain("targets", PolicyReason.OUT_OF_RANGE, f"1 to {TARGETS_LIMIT} targets")
    upstream = Upstream(name, targets, _read_health(table), _read_tls(table))
    table.finish()
    return upstream


def _read_target(table: Table) -> Target:
    url, weight = table.text("url"), table.integer("weight", 1, 1_000, 1)
    table.finish()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    plain = parts.path in {"", "/"} and not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in {"http", "https"} or not plain or not _HOST.fullmatch(host):
        table.complain("url", PolicyReason.OUT_OF_RANGE, "http://host:port or https://host:port")
    if is_refused(host):
        table.complain("url", PolicyReason.DESTINATION_REFUSED, "no link-local or metadata address")
    return Target(host, port, parts.scheme == "https", weight)


def _read_health(upstream: Table) -> HealthRule | None:
    table = upstream.table("health")
    if table is None:
        return None
    path = table.text("path")
    try:
        normal_path(path.partition("?")[0].encode())
    except BadPathError as error:
        table.complain("path", PolicyReason.OUT_OF_RANGE, str(error))
    if not re.fullmatch(r"[\x21-\x7e]*", path):
        table.complain("path", PolicyReason.OUT_OF_RANGE, "printable ASCII without blanks")
    rule = HealthRule(
        path,
        table.integer("interval_s", 1, 3_600, 10),
        table.integer("timeout_ms", 10, 60_000, 2_000),
        table.integer("healthy", 1, 100, 2),
        table.integer("unhealthy", 1, 100, 3),
    )
    table.finish()
    return rule


def _read_tls(upstream: Table) -> TlsRule:
    table = upstream.table("tls")
    if table is None:
        return TlsRule()
    rule = TlsRule(
        table.text("ca_file") if table.has("ca_file") else "",
        table.text("server_name") if table.has("server_name") else "",
    )
    table.finish()
    return rule
