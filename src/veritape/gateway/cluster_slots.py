"""Which server of a Redis Cluster keeps a key, and what a server says that does not (GW-261, GW-262).

*Source*: Redis Cluster specification, "Key distribution model", "Hash tags", "MOVED redirection", "ASK redirection".
"""

import binascii
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from veritape.kernel.errors import PeerError

SLOTS: Final = 16_384
"""Slots of a cluster; a protocol constant."""

Place: TypeAlias = tuple[str, int]
"""Host and port of a server."""

_SCRIPT_CALLS: Final = frozenset({b"EVAL", b"EVALSHA"})
"""Commands whose first key is their fourth word."""

_KEYLESS: Final = frozenset({b"CLUSTER", b"CONFIG", b"INFO", b"PING"})
"""Commands that any server answers."""


class Redirect(NamedTuple):
    """Where a call belongs that a server did not execute."""

    slot: int
    place: Place
    once: bool
    """Only this call (ASK); else all of the slot from now on (MOVED)."""


def slot_of(key: bytes) -> int:
    """Return the slot of a key: CRC-16/XMODEM of what stands between its first braces, else of all of it."""
    _, _, after = key.partition(b"{")
    tag, closing, _ = after.partition(b"}")
    return binascii.crc_hqx(tag if tag and closing else key, 0) % SLOTS


def slot_of_command(parts: Sequence[bytes]) -> int | None:
    """Return the slot of a command's first key, None when any server will do."""
    if parts[0] in _KEYLESS:
        return None
    return slot_of(parts[3] if parts[0] in _SCRIPT_CALLS else parts[1])


def read_table(answer: object, asked: Place) -> list[Place]:
    """Read the answer of CLUSTER SLOTS, as ``[[0, 16383, [b"10.0.0.1", 6379, b"<node>"], ...], ...]``: slot -> primary.

    Args:
        answer: as Redis wrote it.
        asked: who answered; a server without a name of its own is that one's host.

    Raises:
        PeerError: it is none, or a slot has no server.
    """
    table: list[Place | None] = [None] * SLOTS
    try:
        for first, last, primary, *_ in answer:  # type: ignore[attr-defined]
            host, port = (primary[0] or b"").decode() or asked[0], int(primary[1])
            table[first : last + 1] = [(host, port)] * (last + 1 - first)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise PeerError("the store's table of slots cannot be read") from error
    found = [place for place in table if place is not None]
    if len(found) != SLOTS or len(table) != SLOTS:
        raise PeerError("the store's table of slots has gaps")
    return found


def read_redirect(text: str, asked: Place) -> Redirect | None:
    """Read an error as ``MOVED 3999 127.0.0.1:6381`` or ``ASK 3999 :6381``; None when it is another one.

    Args:
        text: of the error.
        asked: who answered; a server without a host is its own.
    """
    kind, _, rest = text.partition(" ")
    slot, _, where = rest.partition(" ")
    host, _, port = where.rpartition(":")
    known = kind in {"MOVED", "ASK"} and slot.isdecimal() and port.isdecimal() and int(slot) < SLOTS
    return Redirect(int(slot), (host or asked[0], int(port)), kind == "ASK") if known else None
