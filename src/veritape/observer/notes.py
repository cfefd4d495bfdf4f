"""Notes of the recorder in its own journal: what it knows and the broker does not say (OB-512).

When a code was watched and what an end anchor was stand between the frames as canonical JSON with the key ``note``, so that the
journal alone is enough to rebuild everything.
"""

from enum import StrEnum
from typing import Any

from veritape.kernel.canonical import canonical_json


class NoteKind(StrEnum):
    """Notes of the recorder in its own journal."""

    DAY = "day"
    """A session begins: ``day``, ``venue``, ``open_s``, ``close_s``, ``codes`` {code: {reference_price, previous_shares}}."""
    WATCH_OPENED = "watch_opened"
    """``code`` is registered from ``event_s`` of ``day`` on."""
    WATCH_CLOSED = "watch_closed"
    """``code`` is no longer, because of ``cause``."""
    REFUSED = "refused"
    """The broker refused to register ``code`` of ``day`` at ``event_s``."""
    STARTED = "started"
    """The process began: what was watched before it was watched until the last frame."""
    ANCHOR = "anchor"
    """``code`` ended ``day`` at ``chain_shares`` and ``chain_value``; ``agreed`` when two sweeps in a row said so."""
    TAIL = "tail"
    """By-time rows tile the tail of ``code`` on ``day`` with ``trades`` rows."""
    CLOSED = "closed"
    """``day`` is over."""
    GAP = "gap"
    """On ``day`` the gap ``gap`` (OB-672) opened or closed, as ``moment`` says."""
    OBSERVATION = "observation"
    """On ``day`` the number ``name`` of the account was seen to be ``value`` (OB-007): nothing of the ledger."""
    TRACK_B = "track_b"
    """An input of the trigger engine (``veritape.observer.inputs``): nothing of the ledger either."""
    DISK_FULL = "disk_full"
    """The disk was full after frame ``sequence`` of ``connection``: the last words of a process (OB-510)."""


def note(kind: NoteKind, **facts: Any) -> bytes:
    """Return a note's bytes for the journal."""
    return canonical_json({"note": kind.value, **facts})
