"""Usage events for tests."""

from veritape.gateway.quota import Decision, Mode
from veritape.gateway.usage import Caller, EventSource, UsageEvent

BOOT = b"12345678"
CALLER = Caller("acme", "live", "key_a", "acme:live")
DECISION = Decision(True, None, 2_000, (), 0, Mode.EXACT, "2026-11", 7)
WALL_US = 1_795_187_045_000_000
"""2026-11-20T15:04:05Z."""


def charges(count: int, boot: bytes = BOOT, first: int = 1) -> list[UsageEvent]:
    """Return charges of 2 units each, numbered from ``first``, a microsecond apart."""
    source = EventSource(boot)
    made = [source.charge(CALLER, "trades", DECISION, WALL_US, "") for _ in range(count)]
    numbered = enumerate(made, first)
    return [event._replace(seq=seq, at_us=WALL_US + seq, request_id=f"r{seq}") for seq, event in numbered]
