"""``veritape usage``: what was used, and invoices that can be proven (GW-681 to 684)."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from veritape.apps.admin_client import ADMIN, TOKEN, AdminClient
from veritape.apps.key_access import open_keys
from veritape.apps.remote_usage import remote_figures
from veritape.apps.serve import gateway_settings
from veritape.apps.usage_ledger import opened_usage
from veritape.apps.usage_options import CONFIG, PERIOD, checked_period
from veritape.apps.usage_reconcile import reconcile
from veritape.gateway import billing
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.adapters.usage_reader import GROUPS, UsageReader
from veritape.gateway.policy import Tier
from veritape.gateway.quota import month_of
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError, MisuseError


@click.group("usage", invoke_without_command=True)
@CONFIG
@PERIOD
@click.option("--account", help="Only this account.")
@click.option("--by", type=click.Choice(list(GROUPS)), default="route", show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
@ADMIN
@TOKEN
@click.pass_context
def usage(
    context: click.Context, config: Path | None, period: str | None, account: str | None, by: str, form: str,
    admin_url: str | None, admin_token: Path | None,
) -> None:  # fmt: skip
    """Show what was used in a month: calls, units, refusals by route, key or day.

    The ledger here is read. With --admin URL a gateway elsewhere is asked; it tells of accounts, not of anonymous callers.
    """
    if context.invoked_subcommand is not None:
        if admin_url is not None:
            raise MisuseError(
                f"usage {context.invoked_subcommand}: run it where the ledger is, without --admin"
            )
        return
    month = checked_period(period)
    if admin_url is not None:
        rows = remote_figures(AdminClient(admin_url, admin_token), month, by, account)
    else:
        with opened_usage(gateway_settings(config)) as reader:
            rows = [billing.figures_document(row, by) for row in reader.figures(month, by, account)]
    _print(rows, ["account", "env", by, "calls", "units", "refunded", "credited", "denied"], form, month)


@usage.command("export")
@CONFIG
@click.option("--period", metavar="YYYY-MM", required=True, help="Month, UTC.")
@click.option("--account", help="Only this account.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "json", "cloudevents"]), default="csv", show_default=True
)
@click.option("--partial", is_flag=True, help="Export a month that has not ended.")
def export(config: Path | None, period: str, account: str | None, form: str, partial: bool) -> None:
    """Print the invoice lines of a month: per account its plan, overage and credit.

    Amounts are exact and rounded half up once a line. Each line carries the first and last event, their number and the
    SHA-256 over the account's events in the order of their ids. ``cloudevents`` prints the events themselves, one a line.
    The lines of a month are the same after its events were deleted (usage.retention_days).
    """
    settings = gateway_settings(config)
    month = checked_period(period)
    if not partial and month >= month_of(SystemClock().wall_ns() // 1_000).period:
        raise MisuseError(f"{month} has not ended: export it later, or with --partial")
    with opened_usage(settings) as reader:
        require_whole(reader, month)
        if form == "cloudevents":
            _print_events(reader, month, account)
            return
        used = reader.month_usage(month)
        lines = _invoice(settings, month, [used[one] for one in used if account in {None, one}])
    if form == "csv":
        click.echo(billing.csv_text(billing.InvoiceLine._fields, lines), nl=False)
    else:
        document = {"period": month, "partial": partial, "currency": "USD", "total_usd": billing.total(lines),
                    "lines": [line._asdict() for line in lines]}  # fmt: skip
        click.echo(billing.json_text(document))


def require_whole(reader: UsageReader, month: str) -> None:
    """Refuse a month whose events do not add up to its sums.

    Raises:
        CheckFailedError: some subject differs; the message names the first.
    """
    found = reader.differences(month)
    if found:
        subject, events_mu, month_mu = found[0]
        raise CheckFailedError(
            f"{month}: {len(found)} subjects differ, first {subject}: events {billing.units(events_mu)},"
            f" month {billing.units(month_mu)}: see 'veritape usage reconcile --period {month}'"
        )


def _invoice(
    settings: GatewaySettings, month: str, used: Sequence[billing.AccountUsage]
) -> list[billing.InvoiceLine]:
    tiers = _tiers(settings)
    lines = []
    for one in used:
        if one.account not in tiers:
            raise CheckFailedError(f"account {one.account!r} has events in {month} and no tier of the policy")
        lines += billing.invoice_lines(month, tiers[one.account], one)
    return lines


def _print_events(reader: UsageReader, month: str, account: str | None) -> None:
    """Print the events of an account or of all, one a line, an account after the other.

    Raises:
        CheckFailedError: they were deleted because of their age.
    """
    any_left = False
    for one in reader.accounts(month):
        for event in reader.events(month, one) if account in {None, one} else ():
            any_left = True
            click.echo(billing.json_text(billing.cloud_event(event)))
    if not any_left and reader.is_retired(month):
        raise CheckFailedError(f"{month}: its events were deleted after usage.retention_days")


def _tiers(settings: GatewaySettings) -> dict[str, Tier]:
    """Return account -> tier as both are now."""
    policy = PolicyFile(settings.policy).read()
    store, _ = open_keys(settings)
    with contextlib.closing(store):
        names = {record.account: record.tier for record in store.list()}
    return {account: policy.tiers[name] for account, name in names.items() if name in policy.tiers}


def _print(rows: Sequence[dict[str, Any]], names: Sequence[str], form: str, month: str) -> None:
    if form == "json":
        click.echo(billing.json_text({"period": month, "rows": rows}))
    elif form == "csv":
        click.echo(billing.csv_text(names, [list(row.values()) for row in rows]), nl=False)
    else:
        cells = [list(names), *([str(value) for value in row.values()] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
        for row in cells:
            click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


usage.add_command(reconcile)
