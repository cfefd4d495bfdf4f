"""``veritape keys --admin URL ...``: the same commands through the admin API (GW-703)."""

import json
from typing import Any, Final
from urllib.parse import quote

import click

from veritape.apps.admin_client import AdminClient
from veritape.kernel.errors import MisuseError

LIVING = frozenset({"active", "pending"})
"""States of keys that serve, or will."""


class KeysGroup(click.Group):
    """The group ``keys``: with ``--admin URL`` its commands are those of this module."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that acts here, or through the admin API."""
        if ctx.params.get("admin_url") is None:
            return super().get_command(ctx, cmd_name)
        return REMOTE.get(cmd_name)


@click.command("create")
@click.argument("account")
@click.option("--tier", help="Tier of a new account.")
@click.option("--env", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--scope", "scopes", multiple=True, help="Scope, repeatable; all of the policy when left out.")
@click.option("--label", default="", help="A note for lists.")
@click.option("--cidr", "cidrs", multiple=True, help="Address prefix that may use it, repeatable.")
@click.pass_obj
def create(
    client: AdminClient, account: str, tier: str | None, env: str, scopes: tuple[str, ...], label: str, cidrs: tuple[str, ...]
) -> None:  # fmt: skip
    """Make a key and print it, this once, with its id."""
    if not client.has_account(account):
        if tier is None:
            raise MisuseError(f"account {account!r} is new: give --tier (free, pro, ... of the policy)")
        client.call("POST", "/accounts", {"id": account, "tier": tier})
    body = {"env": env, "scopes": list(scopes), "label": label, "cidrs": list(cidrs)}
    _print_new(client.call("POST", f"/accounts/{quote(account, safe='')}/keys", body))


@click.command("list")
@click.argument("account")
@click.option("--all", "everything", is_flag=True, help="Also keys that no longer serve.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def list_keys(client: AdminClient, account: str, everything: bool, as_json: bool) -> None:
    """Show an account's keys by their first characters."""
    found = client.items(f"/accounts/{quote(account, safe='')}/keys")
    rows = [row for row in found if everything or row["state"] in LIVING]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        shown = (row["id"], row["shown"], row["account"], row["tier"], row["env"], row["state"], row["label"])
        click.echo("  ".join(f"{value:20}" for value in shown).rstrip())


@click.command("rotate")
@click.argument("identifier", metavar="ID")
@click.option("--overlap-s", type=click.IntRange(0, 30 * 86_400), default=86_400, show_default=True)
@click.pass_obj
def rotate(client: AdminClient, identifier: str, overlap_s: int) -> None:
    """Make a new key with the same rights and print it, this once."""
    path = f"/keys/{quote(identifier, safe='')}/rotate"
    _print_new(client.call("POST", path, {"overlap_s": overlap_s}))


@click.command("revoke")
@click.argument("identifier", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@click.pass_obj
def revoke(client: AdminClient, identifier: str, reason: str) -> None:
    """Revoke a key for ever; every running gateway refuses it within 2 s."""
    record = client.call("POST", f"/keys/{quote(identifier, safe='')}/revoke", {"reason": reason})
    click.echo(f"{record['id']} is {record['state']}")


REMOTE: Final = {"create": create, "list": list_keys, "rotate": rotate, "revoke": revoke}
"""Commands that a gateway elsewhere can be asked for."""


def _print_new(record: dict[str, Any]) -> None:
    click.echo(record["key"])
    click.echo(
        f"{record['id']} of {record['account']} ({record['tier']}): the key is shown this once", err=True
    )
