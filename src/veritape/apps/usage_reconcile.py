"""``veritape usage reconcile``: compare the counters with the ledger (GW-673)."""

import contextlib
import time
from pathlib import Path

import click

from veritape.apps.metering import open_counters, open_reader
from veritape.apps.serve import gateway_settings
from veritape.apps.usage_options import CONFIG, PERIOD, checked_period
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.adapters.reconciler import Reconciler
from veritape.gateway.billing import units
from veritape.kernel.errors import CheckFailedError


@click.command("reconcile")
@CONFIG
@PERIOD
def reconcile(config: Path | None, period: str | None) -> None:
    """Compare the month's counters with the ledger, subject by subject; exit 1 when some differ.

    With Redis, a counter is compared with what the ledger has, less what leases hold unspent; what is still on its way gets
    three looks, a second apart. In any case the events of the ledger are compared with the sums of their months.
    """
    settings, month = gateway_settings(config), checked_period(period)
    policy = PolicyFile(settings.policy).read()
    with contextlib.ExitStack() as stack:
        counters = open_counters(settings, policy)
        if counters is not None:
            stack.enter_context(contextlib.closing(counters))
        reader = stack.enter_context(contextlib.closing(open_reader(settings)))
        found = Reconciler(reader, counters, _pause).differences(month)
    for one in found:
        click.echo(
            f"{one.subject}: counter {units(one.counter_mu)}, ledger {units(one.ledger_mu)},"
            f" difference {units(one.off_mu)}"
        )
    if found:
        raise CheckFailedError(f"{month}: {len(found)} subjects differ")
    click.echo(f"{month}: no difference")


def _pause() -> None:
    time.sleep(1.0)
