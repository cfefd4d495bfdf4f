"""``veritape keys``: create, list, rotate and revoke API keys (GW-405, GW-703)."""

import json
import re
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path

import click

from veritape.apps.admin_client import ADMIN, TOKEN, AdminClient
from veritape.apps.key_access import open_keys
from veritape.apps.key_audit import audited, effective, moment
from veritape.apps.pepper_rotate import pepper_rotate
from veritape.apps.remote_keys import KeysGroup
from veritape.apps.revoke_token import revoke_token
from veritape.apps.serve import gateway_settings
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.admin import SCOPES as ADMIN_SCOPES
from veritape.gateway.decision_calls import CHECK_SCOPE
from veritape.gateway.keys import Environment, KeyRecord, KeyState
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry.audit_log import AuditKind

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
"""Units of a duration."""

_config = click.option("--config", type=click.Path(path_type=Path), help="The gateway's settings file.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group("keys", cls=KeysGroup)
@ADMIN
@TOKEN
@click.pass_context
def keys(context: click.Context, admin_url: str | None, admin_token: Path | None) -> None:
    """Create, list, rotate and revoke API keys; refuse tokens; change the pepper.

    Keys are changed in the files here. With --admin URL, before the command, they are those of a gateway elsewhere.
    """
    if admin_url is not None:
        context.obj = AdminClient(admin_url, admin_token)


keys.add_command(pepper_rotate)
keys.add_command(revoke_token)


@keys.command("create")
@click.argument("account")
@_config
@click.option("--tier", help="Tier of a new account.")
@click.option(
    "--env",
    "environment",
    type=click.Choice([one.value for one in Environment]),
    default="live",
    show_default=True,
)
@click.option("--scope", "scopes", multiple=True, help="Scope, repeatable; all of the policy when left out.")
@click.option("--expires", help="How long it serves, as 90d; for ever when left out.")
@click.option("--not-before", help="Time until it serves, as 7d; at once when left out.")
@click.option("--label", default="", help="A note for lists.")
@click.option("--cidr", "cidrs", multiple=True, help="Address prefix that may use it, repeatable.")
@_as_json
def create(
    account: str, config: Path | None, tier: str | None, environment: str, scopes: tuple[str, ...], expires: str | None,
    not_before: str | None, label: str, cidrs: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Make a key and print it, this once, with its id."""
    settings = gateway_settings(config)
    policy = PolicyFile(settings.policy).read()
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", account):
        raise MisuseError("ACCOUNT: 1 to 64 of letters, digits, dot, hyphen, underscore")
    if tier is not None and tier not in policy.tiers:
        raise MisuseError(f"--tier: unknown tier {tier!r}; known are {', '.join(policy.tiers)}")
    known = (*policy.scopes, *ADMIN_SCOPES, CHECK_SCOPE)
    unknown = set(scopes) - set(known)
    if unknown:
        raise MisuseError(f"--scope: unknown scope {min(unknown)!r}; known are {', '.join(known)}")
    now_us = SystemClock().wall_ns() // 1_000
    grant = Grant(
        Environment(environment),
        tuple(sorted(set(scopes or policy.scopes))),
        label,
        _checked_prefixes(cidrs),
        now_us + _seconds(expires, "--expires") * MICROSECONDS if expires else 0,
        now_us + _seconds(not_before, "--not-before") * MICROSECONDS if not_before else 0,
    )
    if grant.expires_us and grant.expires_us <= grant.not_before_us:
        raise MisuseError("--expires: after --not-before; both count from now")
    with closing(_audited_store(settings)) as store:
        key, record = store.create(account, tier, grant, now_us)
    _print_new(key, record, as_json=as_json)


@keys.command("list")
@click.argument("account", required=False)
@_config
@click.option("--all", "everything", is_flag=True, help="Also keys that no longer serve.")
@_as_json
def list_keys(account: str | None, config: Path | None, everything: bool, as_json: bool) -> None:
    """Show keys by their first characters; the keys themselves are not stored."""
    now_us = SystemClock().wall_ns() // 1_000
    with closing(open_keys(gateway_settings(config))[0]) as store:
        rows = [
            _row(record, now_us)
            for record in store.list(account)
            if everything or record.state(now_us) in {KeyState.ACTIVE, KeyState.PENDING}
        ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo(
            "no keys: veritape keys create ACCOUNT --tier TIER makes one; --all shows those that no longer serve",
            err=True,
        )
    for row in rows:
        click.echo("  ".join(f"{value:20}" for value in map(str, row.values())).rstrip())


@keys.command("rotate")
@click.argument("identifier", metavar="ID")
@_config
@click.option("--overlap", default="24h", show_default=True, help="How long the old key goes on serving.")
@_as_json
def rotate(identifier: str, config: Path | None, overlap: str, as_json: bool) -> None:
    """Make a new key with the same rights and print it, this once."""
    with closing(_audited_store(gateway_settings(config))) as store:
        key, record = store.rotate(
            identifier, _seconds(overlap, "--overlap"), SystemClock().wall_ns() // 1_000
        )
    _print_new(key, record, as_json=as_json)


@keys.command("revoke")
@click.argument("identifier", metavar="ID")
@_config
@click.option("--reason", default="", help="Why, for the record.")
def revoke(identifier: str, config: Path | None, reason: str) -> None:
    """Revoke a key for ever; every running gateway refuses it within 2 s."""
    with closing(_audited_store(gateway_settings(config))) as store:
        record = store.revoke(identifier, reason, SystemClock().wall_ns() // 1_000)
    acts = effective(record.revoked_us)
    click.echo(f"{record.id} is revoked since {moment(record.revoked_us)}, everywhere from {acts} on")


def _audited_store(settings: GatewaySettings) -> KeyStore:
    """Return the key store; each change is in the audit log before it is kept."""

    def note(kind: AuditKind, record: KeyRecord, reason: str) -> None:
        facts = {"account": record.account, "tier": record.tier, "environment": record.environment.value}
        facts |= {"replaced_by": record.replaced_by, "reason": reason}
        audited(settings, kind, f"key:{record.id}", facts)

    return open_keys(settings, note)[0]


def _print_new(key: str, record: KeyRecord, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"key": key, "id": record.id, "account": record.account, "tier": record.tier}))
    else:
        click.echo(key)
        click.echo(f"{record.id} of {record.account} ({record.tier}): the key is shown this once", err=True)


def _row(record: KeyRecord, now_us: int) -> dict[str, str]:
    return {
        "id": record.id,
        "shown": record.shown,
        "account": record.account,
        "tier": record.tier,
        "env": record.environment,
        "scopes": " ".join(record.scopes),
        "state": record.state(now_us),
        "last_used": moment(record.last_used_us) if record.last_used_us else "never",
        "label": record.label,
    }


def _seconds(text: str, option: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None:
        raise MisuseError(f"{option}: a number and s, m, h or d, as 24h")
    return int(found[1]) * SECONDS[found[2]]


def _checked_prefixes(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    for text in cidrs:
        try:
            ip_network(text)
        except ValueError as error:
            raise MisuseError(f"--cidr: {text!r} is no address prefix as 10.0.0.0/8") from error
    return cidrs
