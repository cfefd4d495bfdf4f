"""Header fields on their way to an upstream and back (GW-407, GW-510, GW-556, GW-905)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from veritape.gateway.answers import Headers
from veritape.gateway.upstreams import VARIABLE, FieldRule

HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection",
})  # fmt: skip
"""Fields of one connection; ``Proxy-*`` and what Connection names go too (RFC 9110, section 7.6.1)."""

FORWARDED: Final = frozenset({
    b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip",
})  # fmt: skip
"""What a client may say of where it comes from; nothing of it is passed on as it came."""

IDENTITY: Final = frozenset({
    b"authorization", b"x-api-key", b"x-account-id", b"x-tier", b"x-request-id", b"x-key-id", b"x-quota-tier",
    b"x-client-fingerprint", b"x-client-ja3", b"x-client-ja4", b"x-client-family",
})  # fmt: skip
"""Credentials, and what only the gateway says of a caller."""

OURS: Final = frozenset({
    b"x-request-id", b"ratelimit", b"ratelimit-policy", b"quota-state", b"x-request-cost", b"x-ratelimit-limit",
    b"x-ratelimit-remaining", b"x-ratelimit-reset", b"x-quota-tier", b"x-quota-monthly-remaining",
    b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-expose-headers",
})  # fmt: skip
"""Fields of an answer that the gateway writes; an upstream's are dropped."""

NAME: Final = b"veritape"
"""How we call ourselves in ``Via``."""

_VIA: Final = re.compile(rb"(?:^|,)\s*(?:[A-Za-z0-9.]+/)?[0-9.]+\s+veritape(?=\s*(?:,|$|\())", re.IGNORECASE)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def is_loop(headers: Headers) -> bool:
    """Tell whether a request came through us twice: a target leads back here."""
    return sum(len(_VIA.findall(value)) for name, value in headers if name == b"via") > 1


def request_fields(
    headers: Headers, rule: FieldRule, variables: Mapping[str, str], chain: bytes, authority: str
) -> Headers:
    """Return the fields of a request for an upstream, without those that frame its body.

    Args:
        headers: the client's.
        rule: what the route changes.
        variables: values of the policy's variables.
        chain: ``X-Forwarded-For``.
        authority: the target's.
    """
    named = _named(headers)
    kept = [
        (name, value)
        for name, value in headers
        if not _is_hop(name, named) and name not in FORWARDED and name not in IDENTITY and b"_" not in name
        and name not in {b"host", b"content-length", b"expect", b"via"}
    ]  # fmt: skip
    changed = _changed(kept, rule, variables)
    hosts = [value for name, value in headers if name == b"host"]
    via = [value for name, value in headers if name == b"via"]
    ours = [
        (b"x-request-id", variables["request_id"].encode()),
        *((b"x-" + name, variables[key].encode()) for name, key in _IDENTITY if variables.get(key)),
        *(((b"x-forwarded-for", chain),) if chain else ()),
        *_unless_set(changed, b"x-forwarded-proto", variables["scheme"].encode()),
        *(_unless_set(changed, b"x-forwarded-host", hosts[0]) if hosts else ()),
        (b"via", b", ".join((*via, b"1.1 " + NAME))),
    ]
    return [(b"host", authority.encode("ascii")), *changed, *ours]


_IDENTITY: Final = ((b"account-id", "account"), (b"tier", "tier"), (b"key-id", "key_id"))
"""Fields that say who the caller is, and the variables that hold it."""


def answer_fields(headers: Headers, rule: FieldRule, variables: Mapping[str, str]) -> Headers:
    """Return the fields of an upstream's answer for the client; ``Content-Length`` stays if the upstream sent it."""
    named = _named(headers)
    kept = [(name, value) for name, value in headers if not _is_hop(name, named) and name not in OURS]
    return [*_changed(kept, rule, variables), (b"via", b"1.1 " + NAME)]


def is_writable(headers: Headers) -> bool:
    """Tell whether no field of an upstream holds what could end a line (GW-905)."""
    return not any(_CONTROL.search(value) for _, value in headers)


def _named(headers: Headers) -> frozenset[bytes]:
    found = b",".join(value for name, value in headers if name == b"connection").lower().split(b",")
    return frozenset(one.strip() for one in found)


def _is_hop(name: bytes, named: frozenset[bytes]) -> bool:
    return name in HOP_BY_HOP or name.startswith(b"proxy-") or name in named


def _changed(
    headers: Sequence[tuple[bytes, bytes]], rule: FieldRule, variables: Mapping[str, str]
) -> Headers:
    replaced = {name.lower().encode() for name, _ in rule.set} | {name.encode() for name in rule.remove}
    kept = [(name, value) for name, value in headers if name not in replaced]
    for name, value in (*rule.set, *rule.add):
        filled = VARIABLE.sub(lambda found: variables.get(found[1], ""), value)
        kept.append((name.lower().encode(), filled.encode("ascii")))
    return kept


def _unless_set(headers: Headers, name: bytes, value: bytes) -> Headers:
    return [] if any(one == name for one, _ in headers) else [(name, value)]
