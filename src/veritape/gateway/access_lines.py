"""The access log's lines: one JSON object a request, nothing of its headers, query or body (GW-773, GW-906)."""

import json
from collections.abc import Mapping
from typing import Final

VALUE_LIMIT_BYTES: Final = 512
"""Longest value; a longer one is cut."""


def json_line(members: Mapping[str, object]) -> str:
    """Return one line of JSON. Control characters are escaped, so nothing in it can begin a second line."""
    text = json.dumps({name: _cut(value) for name, value in members.items()}, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is


def _cut(value: object) -> object:
    if not isinstance(value, str):
        return value
    octets = value.encode(errors="replace")
    return value if len(octets) <= VALUE_LIMIT_BYTES else octets[:VALUE_LIMIT_BYTES].decode(errors="ignore")
