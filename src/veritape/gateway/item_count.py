"""Count the items of a JSON body, strictly: what two parsers could read differently is refused (GW-144, GW-902)."""

import json
import re
from typing import Any, Final

from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.gateway.upstreams import CountRule

DEPTH_LIMIT: Final = 32
"""Deepest nesting."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class _BadJsonError(ValueError):
    """Not JSON as this module reads it."""


def count_items(body: bytes, rule: CountRule) -> int:
    """Return how many items a body holds.

    Raises:
        RefusedError: ``bad_json``, ``invalid_body``, ``batch_empty`` or ``batch_too_large``.
    """
    try:
        _check_depth(body)
        value = json.loads(
            body.decode(),
            object_pairs_hook=_members,
            parse_constant=_constant,
            parse_int=str,
            parse_float=str,
        )
    except (ValueError, RecursionError) as error:
        raise RefusedError(Reason.BAD_JSON) from error
    items = _at(value, rule.pointer)
    if not isinstance(items, list):
        raise RefusedError(Reason.INVALID_BODY)
    if not items:
        raise RefusedError(Reason.BATCH_EMPTY)
    if len(items) > rule.max_items:
        raise RefusedError(Reason.BATCH_TOO_LARGE, f"at most {rule.max_items} items")
    return len(items)


def _check_depth(body: bytes) -> None:
    depth = 0
    for token in _TOKEN.finditer(body):
        first = token[0][:1]
        depth += (first in b"[{") - (first in b"]}")
        if depth > DEPTH_LIMIT:
            raise _BadJsonError("too deep")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _BadJsonError("a member stands twice")
    return found


def _constant(name: str) -> object:
    raise _BadJsonError(name)


def _at(value: Any, pointer: tuple[str, ...]) -> Any:
    """Return the value at a pointer, None when there is none."""
    for part in pointer:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and len(part) < 5 and int(part) < len(value):  # noqa: PLR2004 - no larger index is counted
            value = value[int(part)]
        else:
            return None
    return value
