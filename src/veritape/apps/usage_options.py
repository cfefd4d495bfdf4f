"""Options that the commands about usage share."""

import re
from pathlib import Path

import click

from veritape.gateway.quota import month_of
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError

CONFIG = click.option("--config", type=click.Path(path_type=Path), help="The gateway's settings file.")
"""Option of every command that reads the gateway's files."""

PERIOD = click.option("--period", metavar="YYYY-MM", help="Month, UTC; the present one when left out.")
"""Option of every command about one month."""


def checked_period(text: str | None) -> str:
    """Return a month as the ledger names it; the present one for None.

    Raises:
        MisuseError: it is no month.
    """
    if text is None:
        return month_of(SystemClock().wall_ns() // 1_000).period
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise MisuseError(f"--period: {text!r} is no month as 2026-11")
    return text
