"""Where a gateway's audit log is: files in its data directory, or a table beside its keys in PostgreSQL (GW-704)."""

import contextlib
from collections.abc import Iterator

from veritape.apps.postgres import postgres_module
from veritape.gateway.adapters.admin_audit import AuditLog
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.clock import Clock
from veritape.telemetry.adapters.audit_files import AuditFiles


@contextlib.contextmanager
def opened_audit(settings: GatewaySettings, clock: Clock) -> Iterator[AuditLog]:
    """Open the log to append and to read.

    Raises:
        MisuseError: the database's address or library is missing.
    """
    if not settings.keys.url:
        yield AuditFiles(settings.data_dir, clock)
        return
    module = postgres_module("postgres_audit", "keys.url")
    with contextlib.closing(
        module.PostgresAudit(settings.keys.url, settings.keys.password_file, clock)
    ) as log:
        yield log


def audit_place(settings: GatewaySettings) -> str:
    """Return where the log is, for people."""
    return "table audit_record of keys.url" if settings.keys.url else str(settings.data_dir)
