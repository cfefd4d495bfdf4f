"""Pages of the audit log for the admin API (GW-704)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veritape.gateway import admin
from veritape.kernel.errors import CheckFailedError
from veritape.telemetry.adapters.audit_files import FOLDER, log_files, verify_files


def audit_page(data_dir: Path, after: int, size: int, *, verified: bool) -> dict[str, Any]:
    """Return the records that follow one, oldest first.

    Args:
        data_dir: whose log.
        after: number of the last record that the caller has; 0 for none.
        size: records of a page.
        verified: check the chain of hashes from its first record and say what was found.
    """
    items: list[dict[str, Any]] = []
    for record in _records(data_dir):
        if record["seq"] > after:
            items.append(record)
        if len(items) > size:
            break
    found = admin.page(items, size, "seq")
    return {**found, "chain": _chain(data_dir)} if verified else found


def _chain(data_dir: Path) -> dict[str, Any]:
    try:
        head = verify_files(data_dir)
    except CheckFailedError as error:
        return {"whole": False, "detail": error.message}
    return {"whole": True, "records": head.seq, "head": head.digest.hex()}


def _records(data_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield every record that can be read; ``verify`` tells of those that cannot."""
    for path in log_files(data_dir / FOLDER):
        with path.open("rb") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict) and isinstance(record.get("seq"), int):
                    yield record
