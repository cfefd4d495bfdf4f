"""The access log's lines: one JSON object a request, nothing of its headers, query or body (GW-773, GW-906)."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

VALUE_LIMIT_BYTES: Final = 512
"""Longest value; a longer one is cut."""


class Access(NamedTuple):
    """What is said of a finished request, in logs and metrics. No header, no body, no query."""

    request_id: str
    method: str
    route: str
    """Route name, ``builtin``, ``console`` or ``none``."""
    status: int
    reason: str
    account: str
    key_id: str
    tier: str
    units_mu: int
    mode: str
    duration_us: int
    outcome: str
    """``allowed``, the limit that denied, ``cost``, ``overload``, ``closed``; empty: the quota was not asked."""
    charged_mu: int
    """Units charged, whether given back or not."""
    refunded_mu: int
    anonymous: bool
    would_deny: str = ""
    """Limit that would have denied, were it not only watched."""
    decision_us: int = 0
    """Time of the decision, waits included."""
    upstream_us: int = 0
    """Time of the route's own work."""
    store: str = ""
    """What answered the decision: memory, redis, lease; empty when it was not asked for."""


def json_line(members: Mapping[str, object]) -> str:
    """Return one line of JSON. Control characters are escaped, so nothing in it can begin a second line."""
    text = json.dumps({name: _cut(value) for name, value in members.items()}, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is


def _cut(value: object) -> object:
    if not isinstance(value, str):
        return value
    octets = value.encode(errors="replace")
    return value if len(octets) <= VALUE_LIMIT_BYTES else octets[:VALUE_LIMIT_BYTES].decode(errors="ignore")
