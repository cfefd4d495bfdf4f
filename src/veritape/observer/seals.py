"""Seals: one document beside each sealed file, each naming the hash of the one before it (OB-555, OB-558).

Trades and order books are sealed alike: the file first, then the seal that names its hash. What a seal says of its rows is its
own affair (``segments``, ``books``); how one is read, named and chained is told here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

SUFFIX: Final = ".seal.json"
"""What a seal's name adds to the stem of its file."""


def read_document(data: bytes, name: str, members: Mapping[str, type]) -> dict[str, Any] | None:
    """Return a seal's document, None for any bytes that are no seal (OB-992).

    Args:
        data: the file's bytes.
        name: of the format.
        members: what it must have beside that, with their types.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("format") != name:
        return None
    return document if all(type(document.get(member)) is kind for member, kind in members.items()) else None


def chain_head(seals: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the hash that the next seal names as its previous: of the seal that no other names; empty before the first.

    Args:
        seals: each with its hash. A late part is written after later hours, so the order of the names says nothing.
    """
    hashes, named = set(), set()
    for digest, seal in seals:
        hashes.add(digest)
        named.add(seal["previous"])
    return max(hashes - named, default="")


def chain_problems(seals: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """Return the hashes of seals that break the chain: their previous is unknown, or another seal names it too.

    Args:
        seals: each with its hash, all that there are of a venue.
    """
    known = dict(seals)
    followers = Counter(seal["previous"] for seal in known.values())
    return {
        digest
        for digest, seal in known.items()
        if followers[seal["previous"]] > 1 or (seal["previous"] and seal["previous"] not in known)
    }


def file_stem(hour: int, part: int) -> str:
    """Return the name of a sealed file without its suffix; part 0 is the hour itself, n its n-th late file."""
    return f"{hour:02}" if part == 0 else f"{hour:02}.late-{part}"
