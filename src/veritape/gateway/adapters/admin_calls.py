"""What an operation of the admin API is given, acts upon and returns."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

from veritape.gateway.adapters.admin_audit import AuditLog
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.key_store import KeyStore
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.adapters.usage_reader import UsageReader
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json
from veritape.kernel.clock import Clock
from veritape.telemetry.audit_log import AuditKind, Entry


class AdminCall(NamedTuple):
    """A request whose caller may make it."""

    actor: str
    """Key id, or ``bootstrap``."""
    request_id: str
    parameters: Mapping[str, str]
    """Of the path."""
    query: Mapping[str, str]
    if_match: bytes | None
    body: bytes

    def only(self, *names: str) -> None:
        """Refuse parameters of the query that the operation does not know.

        Raises:
            RefusedError: ``bad_parameter``.
        """
        if set(self.query) - set(names):
            raise RefusedError(Reason.BAD_PARAMETER, f"known parameters are {', '.join(names) or 'none'}")


class Done(NamedTuple):
    """What an operation answers."""

    document: Any = None
    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()


@dataclass
class AdminWorld:
    """What the operations act upon."""

    gateway: Gateway
    keys: KeyStore
    """A connection of its own: its changes are made one after another."""
    audit: AuditLog
    policy_file: PolicyFile
    open_usage: Callable[[], AbstractContextManager[UsageReader]]
    """Opens the ledger for reading."""
    lines_dropped: Callable[[], int]
    """Lines of the access log that nobody read."""
    clock: Clock
    peppers: Callable[[], tuple[bytes, ...]]
    """Reads the peppers as the worker knows them now: they change while it runs."""

    def keys_to_make(self) -> KeyStore:
        """Return the key store to make keys with, under the present pepper."""
        self.keys.peppers = self.peppers()
        return self.keys

    @property
    def wall_us(self) -> int:
        """Return the wall clock, microseconds."""
        return self.clock.wall_ns() // 1_000

    def record(self, call: AdminCall, kind: AuditKind, subject: str, detail: Mapping[str, Json]) -> None:
        """Make a record of a change durable."""
        facts = {**detail, "request_id": call.request_id, "result": "ok"}
        self.audit.append(Entry(kind, f"admin:{call.actor}", subject, facts))
