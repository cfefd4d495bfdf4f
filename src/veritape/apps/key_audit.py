"""What commands that change keys share: the record before the change, and when it acts (GW-703, TL-660)."""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime

from veritape.apps.audit_trail import opened_audit
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.clock import SystemClock
from veritape.telemetry.audit_log import AuditKind, Entry

EFFECTIVE_US = 2 * MICROSECONDS
"""After this time every gateway knows of a change (GW-418)."""


def audited(settings: GatewaySettings, kind: AuditKind, subject: str, facts: Mapping[str, str]) -> None:
    """Record who does what, before it is done.

    Raises:
        UnavailableError: it cannot be recorded; then nothing may be changed.
    """
    given = {name: value for name, value in facts.items() if value}
    with opened_audit(settings, SystemClock()) as log:
        log.append(Entry(kind, f"cli:{getpass.getuser()}", subject, given))


def moment(wall_us: int) -> str:
    """Return a wall clock reading as people write it, UTC."""
    return f"{datetime.fromtimestamp(wall_us // MICROSECONDS, UTC):%Y-%m-%dT%H:%M:%SZ}"


def effective(wall_us: int) -> str:
    """Return from when on a change acts in every gateway, rounded up to a second."""
    return moment(wall_us + EFFECTIVE_US + MICROSECONDS - 1)
