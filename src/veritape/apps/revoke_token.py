"""``veritape keys revoke-token``: refuse one token of an issuer, by its ``jti`` (GW-434)."""

from contextlib import closing
from pathlib import Path

import click

from veritape.apps.key_access import open_keys
from veritape.apps.key_audit import audited, effective
from veritape.apps.serve import gateway_settings
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.quota import MICROSECONDS
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry.audit_log import AuditKind


@click.command("revoke-token")
@click.argument("jti")
@click.option("--issuer", required=True, help="The token's iss, one of the policy's.")
@click.option("--config", type=click.Path(path_type=Path), help="The gateway's settings file.")
@click.option("--reason", default="", help="Why, for the record.")
def revoke_token(jti: str, issuer: str, config: Path | None, reason: str) -> None:
    """Refuse a token from now on, for as long as it could be valid."""
    settings = gateway_settings(config)
    issuers = {one.issuer: one for one in PolicyFile(settings.policy).read().issuers}
    if issuer not in issuers:
        known = ", ".join(issuers) or "none"
        raise MisuseError(f"--issuer: unknown issuer {issuer!r}; known are {known}")
    wall_us = SystemClock().wall_ns() // 1_000
    longest_s = issuers[issuer].max_age_s + 2 * issuers[issuer].leeway_s
    with closing(open_keys(settings)[0]) as store:
        audited(settings, AuditKind.KEY_REVOKED, f"token:{jti}", {"issuer": issuer, "reason": reason})
        store.revoke_token(issuer, jti, wall_us + longest_s * MICROSECONDS, wall_us)
    click.echo(f"token {jti} is revoked, everywhere from {effective(wall_us)} on")
