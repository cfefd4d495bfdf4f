"""Canonical JSON: one value has exactly one encoding, so a digest of the bytes is a digest of the value.

Keys sorted by code point, no spaces, UTF-8, only the escapes that JSON demands, integers only. Floats are refused: their
text differs between writers.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from veritape.kernel.errors import PeerError

Json: TypeAlias = str | int | bool | Sequence["Json"] | Mapping[str, "Json"] | None
"""A value that canonical JSON can hold."""

DEPTH_LIMIT = 64
"""Deepest nesting read or written: far above any document of ours, far below the interpreter's stack."""


def canonical_json(value: Json) -> bytes:
    """Encode a value.

    Raises:
        TypeError: a float, a key that is not text, or a type that JSON lacks.
        ValueError: nested deeper than ``DEPTH_LIMIT``, or text with a lone surrogate.
    """
    _refuse_what_is_not_canonical(value, 0)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def parse_canonical_json(data: bytes) -> Json:
    """Decode bytes that ``canonical_json`` wrote; any other bytes are refused.

    Raises:
        PeerError: not UTF-8, not JSON, or not the canonical encoding of its value.
    """
    try:
        value: Json = json.loads(data.decode())
        again = canonical_json(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise PeerError(f"not canonical JSON: {error}") from error
    if again != data:
        raise PeerError("not canonical JSON: keys out of order, spaces, escapes or repeated keys")
    return value


def _refuse_what_is_not_canonical(value: Json, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise ValueError(f"nested deeper than {DEPTH_LIMIT}")
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key is {type(key).__name__}, not text")
            _refuse_what_is_not_canonical(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_what_is_not_canonical(item, depth + 1)
    else:
        raise TypeError(f"{type(value).__name__} has no canonical encoding")
