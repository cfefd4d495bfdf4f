"""Pages of the audit log for the admin API (GW-704)."""

import json
from collections.abc import Iterator
from typing import Any, Protocol

from veritape.gateway import admin
from veritape.kernel.errors import CheckFailedError
from veritape.telemetry.audit_log import Entry, Head


class AuditLog(Protocol):
    """A log of records, whichever way it is kept. What cannot be written or read raises UnavailableError."""

    def append(self, *entries: Entry) -> Head:
        """Append records and make them durable; do what they tell of only afterwards."""
        ...

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """Yield the records' lines, oldest first; those up to a number may be left out."""
        ...

    def verify(self) -> Head:
        """Check the chain from its first record; CheckFailedError names the record that does not follow."""
        ...


def audit_page(log: AuditLog, after: int, size: int, *, verified: bool) -> dict[str, Any]:
    """Return the records that follow one, oldest first.

    Args:
        log: the log.
        after: number of the last record that the caller has; 0 for none.
        size: records of a page.
        verified: check the chain of hashes from its first record and say what was found.
    """
    items: list[dict[str, Any]] = []
    for record in _records(log, after):
        if record["seq"] > after:
            items.append(record)
        if len(items) > size:
            break
    found = admin.page(items, size, "seq")
    return {**found, "chain": _chain(log)} if verified else found


def _chain(log: AuditLog) -> dict[str, Any]:
    try:
        head = log.verify()
    except CheckFailedError as error:
        return {"whole": False, "detail": error.message}
    return {"whole": True, "records": head.seq, "head": head.digest.hex()}


def _records(log: AuditLog, after: int) -> Iterator[dict[str, Any]]:
    """Yield every record that can be read; ``verify`` tells of those that cannot."""
    for line in log.lines(after):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("seq"), int):
            yield record
