"""A whole gateway in one process for tests: real policy, keys, ledger and store, a tape in memory, a virtual clock."""

from dataclasses import dataclass, field
from pathlib import Path

import httpx

from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.client import Application
from veritape.gateway.adapters.gate import Gate, restored_store
from veritape.gateway.adapters.group_commit import GroupCommit
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.adapters.stores import ProcessStore
from veritape.gateway.cursors import cursor_key
from veritape.gateway.keys import Environment, KeyRecord
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.product.pages import Sources
from veritape.gateway.readers import (
    Claim,
    DayCompleteness,
    Line,
    MemoryReceipts,
    MemoryTape,
    Receipt,
    Segment,
    Totals,
    Trade,
)
from veritape.kernel.clock import ManualClock

PEPPER = bytes(range(32))
WALL_NS = 1_795_187_045_000_000_000
"""2026-11-20T15:04:05Z."""
DAY, SYMBOL = "20131007", "005930"
MIDNIGHT_NS = 1_381_071_600 * 10**9
SCOPES = ("bars:read", "completeness:read", "receipts:read", "trades:read")
TRADES = f"/v1/trades?symbol={SYMBOL}&day={DAY}"


def sample_sources() -> Sources:
    """Return one sealed day with two trades, its completeness and one receipt."""
    rows = [Trade(n, 0, 32_400 + n, 1, 100 + n, 5, 1, True, 5 * n + 5, 0, 0, "reg", n, 0) for n in range(2)]
    segment = Segment(DAY, "09", "ab" * 32, 0, MIDNIGHT_NS, 32_400, 35_999)
    line = Line(SYMBOL, "complete", Totals(2, 10, 1_005), Totals(0, 0, 0), Totals(0, 0, 0), True)
    tape = MemoryTape(
        {(DAY, SYMBOL): [(segment, rows)]}, {DAY: DayCompleteness(True, 9, (line,))}, frozenset({DAY})
    )
    receipts = MemoryReceipts([Receipt("r1", "simulated", DAY, 7, 9, (Claim("ab", "cd", "ef"),))])
    return Sources(tape, receipts, cursor_key(PEPPER))


def unguarded(policy: bytes) -> bytes:
    """Return a policy whose address guard lets tests fail as often as they want."""
    return policy.replace(b"[ip]\n", b"[ip]\nguard = { limit = 1000000, burst = 1000000 }\n")


@dataclass
class World:
    """A gateway and what stands around it."""

    folder: Path
    policy_text: bytes = field(default_factory=lambda: unguarded(shipped_policy()))
    console: Application | None = None
    sources: Sources = field(default_factory=sample_sources)
    clock: ManualClock = field(
        default_factory=lambda: ManualClock(wall_ns=WALL_NS, monotonic_ns=5_000_000_000)
    )
    log: list[Access] = field(default_factory=list)
    fuzz_key: str = ""
    """A key that random requests share."""

    def __post_init__(self) -> None:
        """Open the databases and build the application."""
        self.keys = KeyStore(SqliteKeys(self.folder / "keys.db"), PEPPER)
        self.ledger = Ledger(self.folder / "usage.db")
        policy = read_policy(self.policy_text, "policy.toml")
        self.memory = restored_store(self.ledger, self.clock.wall_ns() // 1_000)
        store = ProcessStore(self.memory, self.clock)
        self.finder = KeyFinder(self.keys, self.clock)
        self.usage = GroupCommit(self.ledger.write, self.clock)
        self.gate = Gate(policy, store, self.usage, self.finder, self.clock)
        self.gateway = Gateway(self.gate, self.sources, self.log.append, console=self.console)

    def key(self, tier: str = "free", account: str = "acme", grant: Grant | None = None) -> str:
        """Make a key."""
        return self.new_key(tier, account, grant)[0]

    def new_key(
        self, tier: str = "free", account: str = "acme", grant: Grant | None = None
    ) -> tuple[str, KeyRecord]:
        """Make a key and return its record too."""
        grant = grant or Grant(Environment.LIVE, SCOPES)
        return self.keys.create(account, tier, grant, self.clock.wall_ns() // 1_000)

    def client(self, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """Return a client that speaks with the application directly."""
        transport = httpx.ASGITransport(self.gateway, client=(address, 1), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def close(self) -> None:
        """Close the databases."""
        self.usage.close()
        self.ledger.close()
        self.keys.close()
