"""Find the line of a key in a TOML text: the standard parser does not say it, and an error without its line is no help."""

import re
from collections.abc import Sequence
from typing import Final

_HEADER: Final = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""^\s*([A-Za-z0-9_\-."']+)\s*=""")

Path = tuple[str, ...]
"""Keys from the top; an item of a list is named by its index."""


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the line, from 1, at which a key stands, or the nearest key above it that stands in the text.

    Keys inside an inline table are looked for behind their table's name. A key that occurs twice there gives the first.
    """
    lines = text.split("\n")
    places = _places(lines)
    known = next((tuple(path[:size]) for size in range(len(path), 0, -1) if tuple(path[:size]) in places), ())
    if not known:
        return 1
    start = places[known]
    end = min((line for line in places.values() if line > start), default=len(lines) + 1)
    return _inside(lines, start, end, path[len(known) :])


def _places(lines: list[str]) -> dict[Path, int]:
    places: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            table = _split(header[1])
            for size in range(1, len(table) + 1):
                places.setdefault(table[:size], number)
        elif key := _KEY.match(line):
            places.setdefault((*table, *_split(key[1])), number)
    return places


def _split(dotted: str) -> Path:
    return tuple(part.strip(" \"'") for part in dotted.split("."))


def _inside(lines: list[str], start: int, end: int, path: Sequence[str]) -> int:
    """Walk through the keys of inline tables from their table's name on."""
    number, column = start, 0
    for key in path:
        pattern = re.compile(rf"""(?<![\w\-]){re.escape(key)}["']?\s*=""")
        for candidate in range(number, end):
            found = pattern.search(lines[candidate - 1], column if candidate == number else 0)
            if found:
                number, column = candidate, found.end()
                break
    return number
