"""Usage events and ledgers for tests of billing."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from veritape.gateway.adapters.ledger import _open, write_events
from veritape.gateway.usage import Kind, UsageEvent

BOOT = b"12345678"
NOVEMBER = "2026-11"
AT_US = 1_795_187_045_000_000
"""2026-11-20T15:04:05Z."""


def event(seq: int, units_mu: int = 1_000, kind: Kind = Kind.CHARGE, **changed: object) -> UsageEvent:
    """Return one event of the account acme."""
    made = UsageEvent(
        BOOT, seq, kind, "acme", "live", "key_a", "acme:live", "trades", units_mu, "admitted", "", "exact", 7, NOVEMBER,
        AT_US, f"r{seq}", None, None, 1,
    )  # fmt: skip
    return made._replace(**changed)  # type: ignore[arg-type]


def write_ledger(path: Path, events: Sequence[UsageEvent]) -> None:
    """Write a SQLite ledger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_open(path)) as connection:
        write_events(connection, events)
