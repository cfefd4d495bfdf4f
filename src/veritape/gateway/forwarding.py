"""Header fields on their way to an upstream and back (GW-407, GW-510, GW-556, GW-905)."""

import re
from collections.abc import Mapping
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

OURS_TO_SAY: Final = HOP_BY_HOP | FORWARDED | IDENTITY | {b"host", b"content-length", b"expect", b"via"}
"""Fields of a request that are not passed on as they came."""

NOT_PASSED_BACK: Final = HOP_BY_HOP | OURS | {b"content-length"}
"""Fields of an answer that are not passed on as they came."""

NAME: Final = b"veritape"
"""How we call ourselves in ``Via``."""

_OUR_VIA: Final = b"1.1 " + NAME

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
    named, kept = _named(headers), []
    host, via = None, []
    for field in headers:
        name = field[0]
        if name in OURS_TO_SAY:
            if name == b"host" and host is None:
                host = field[1]
            elif name == b"via":
                via.append(field[1])
        elif name not in named and b"_" not in name and not name.startswith(b"proxy-"):
            kept.append(field)
    changed, said = _changed(kept, rule, variables)
    found = [
        (b"host", authority.encode("ascii")),
        *changed,
        (b"x-request-id", variables["request_id"].encode()),
    ]
    found += [(name, variables[key].encode()) for name, key in _IDENTITY if variables.get(key)]
    if chain:
        found.append((b"x-forwarded-for", chain))
    if b"x-forwarded-proto" not in said:
        found.append((b"x-forwarded-proto", variables["scheme"].encode()))
    if host is not None and b"x-forwarded-host" not in said:
        found.append((b"x-forwarded-host", host))
    found.append((b"via", b", ".join((*via, _OUR_VIA))))
    return found


_IDENTITY: Final = ((b"x-account-id", "account"), (b"x-tier", "tier"), (b"x-key-id", "key_id"))
"""Fields that say who the caller is, and the variables that hold it."""


MARK: Final = "\0"
"""Stands for the id of a request in a pattern: no field of a client and none of a policy can hold it."""


def head_pattern(line: str, fields: Headers) -> list[bytes]:
    """Return the head of requests that differ in their ids alone, cut where the id stands: ``id.join`` completes it.

    Args:
        line: the request line.
        fields: with ``MARK`` in place of the id.
    """
    lines = [line.encode("ascii"), *(b"%b: %b" % field for field in fields)]
    return (b"\r\n".join(lines) + b"\r\n\r\n").split(MARK.encode())


def answer_fields(headers: Headers, rule: FieldRule, variables: Mapping[str, str]) -> Headers:
    """Return the fields of an upstream's answer for the client, without those that frame its body."""
    named = _named(headers)
    kept = [
        field
        for field in headers
        if field[0] not in NOT_PASSED_BACK and field[0] not in named and not field[0].startswith(b"proxy-")
    ]
    changed, _ = _changed(kept, rule, variables)
    changed.append((b"via", _OUR_VIA))
    return changed


def is_writable(headers: Headers) -> bool:
    """Tell whether no field of an upstream holds what could end a line (GW-905)."""
    return not _CONTROL.search(b"".join([value for _, value in headers]))


def _named(headers: Headers) -> frozenset[bytes]:
    found = [value for name, value in headers if name == b"connection"]
    return frozenset(one.strip() for one in b",".join(found).lower().split(b",")) if found else _NOTHING


def _changed(
    headers: Headers, rule: FieldRule, variables: Mapping[str, str]
) -> tuple[Headers, frozenset[bytes]]:
    """Return fields as a rule changes them, and the names that it says something of."""
    if rule == _NO_RULE:
        return headers, _NOTHING
    replaced = {name.lower().encode() for name, _ in rule.set} | {name.encode() for name in rule.remove}
    kept = [(name, value) for name, value in headers if name not in replaced]
    for name, value in (*rule.set, *rule.add):
        filled = VARIABLE.sub(lambda found: variables.get(found[1], ""), value)
        kept.append((name.lower().encode(), filled.encode("ascii")))
    return kept, frozenset(name for name, _ in kept)


_NOTHING: Final[frozenset[bytes]] = frozenset()
_NO_RULE: Final = FieldRule()
