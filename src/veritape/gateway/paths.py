"""Paths and route patterns (GW-506): literal beats ``{name}`` beats ``{rest...}``, segment by segment.

The order of the file does not matter. Only unreserved characters are decoded before matching; what could be read in two
ways (empty and dot segments, an encoded slash, backslash or NUL) is refused.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

PATH_LIMIT_BYTES: Final = 8_192
"""Longest path."""

KEPT: Final = 4_096
"""Paths whose match is remembered; at the bound all are forgotten."""

KEPT_CHARACTERS: Final = 256
"""Longest path that is remembered."""

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""Characters that are the same encoded and not (RFC 3986, section 2.3)."""

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_FORBIDDEN: Final = re.compile(rb"[\x00-\x20\x7f-\xff\\#?]|%(?:00|2f|5c)|//|/\.\.?(?=/|$)")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9\-._~]+")
_NAME: Final = re.compile(r"\{([a-z_]+)(\.\.\.)?\}")

_ONE, _REST = "/", "//"
"""Marks of a parameter and of a last rest parameter among a node's children: no segment holds a slash."""


class PatternError(ValueError):
    """A pattern cannot be read."""


class BadPathError(ValueError):
    """A path could be read in two ways."""


Value = TypeVar("Value")
"""What a pattern leads to."""


class Match(NamedTuple, Generic[Value]):
    """Where a path leads."""

    value: Value
    parameters: Mapping[str, str]


def parse_pattern(pattern: str) -> list[tuple[str, str]]:
    """Return a pattern's segments as (mark or literal, parameter name).

    Raises:
        PatternError: the pattern is not ``/literal/{name}/{rest...}``.
    """
    if not pattern.startswith("/"):
        raise PatternError("a pattern that begins with /")
    segments = []
    parts = pattern[1:].split("/")
    for index, part in enumerate(parts):
        named = _NAME.fullmatch(part)
        if named and named[2] and index != len(parts) - 1:
            raise PatternError("{rest...} as the last segment only")
        if named:
            segments.append((_REST if named[2] else _ONE, named[1]))
        elif _SEGMENT.fullmatch(part) and part not in {".", ".."}:
            segments.append((part, ""))
        else:
            raise PatternError("segments of unreserved characters, {name} or a last {rest...}")
    return segments


def normal_path(raw: bytes) -> str:
    """Return a path with its unreserved characters decoded.

    Args:
        raw: the path as it came, without the query.

    Raises:
        BadPathError: it could be read in two ways, or is no path.
    """

    def decode(escape: re.Match[bytes]) -> bytes:
        if escape[1] is None:
            raise BadPathError("a percent sign without two hexadecimal digits")
        value = int(escape[1], 16)
        return bytes([value]) if value in _UNRESERVED else escape[0].lower()

    if not raw.startswith(b"/") or len(raw) > PATH_LIMIT_BYTES:
        raise BadPathError("not an absolute path of at most 8 KiB")
    path = _ESCAPE.sub(decode, raw) if b"%" in raw else raw
    if _FORBIDDEN.search(path):
        raise BadPathError("an empty or dot segment, an encoded slash, a backslash or a control character")
    return path.decode()


@dataclass
class _Node(Generic[Value]):
    children: dict[str, "_Node[Value]"] = field(default_factory=dict)
    leaf: tuple[Value, tuple[str, ...]] | None = None


class PathTable(Generic[Value]):
    """Patterns and what they lead to; two patterns of one shape are refused before."""

    def __init__(self, patterns: Iterable[tuple[str, Value]]) -> None:
        self._root: _Node[Value] = _Node()
        self._found: dict[str, Match[Value]] = {}
        for pattern, value in patterns:
            node, names = self._root, []
            for mark, name in parse_pattern(pattern):
                node = node.children.setdefault(mark, _Node())
                names += [name] if name else []
            node.leaf = (value, tuple(names))

    def match(self, path: str) -> Match[Value] | None:
        """Return where a normal path leads, None when nowhere."""
        found = self._found.get(path)
        if found is not None:
            return found
        found = _walk(self._root, path[1:].split("/"), ())
        if found is not None and len(path) <= KEPT_CHARACTERS:
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[path] = found
        return found


def _walk(node: _Node[Value], segments: list[str], taken: tuple[str, ...]) -> Match[Value] | None:
    if not segments:
        return _arrive(node, taken)
    head, rest = segments[0], segments[1:]
    for mark, value in ((head, ()), (_ONE, (head,))):
        child = node.children.get(mark)
        if child is not None and head:
            found = _walk(child, rest, (*taken, *value))
            if found is not None:
                return found
    last = node.children.get(_REST)
    return _arrive(last, (*taken, "/".join(segments))) if last is not None and head else None


def _arrive(node: _Node[Value], taken: tuple[str, ...]) -> Match[Value] | None:
    if node.leaf is None:
        return None
    value, names = node.leaf
    return Match(value, dict(zip(names, taken, strict=True)))
