"""Read limits as a tier, an address class or an account states them (GW-146): one schema, wherever it stands."""

import json
from decimal import Decimal
from typing import Final

from veritape.gateway.policy import PolicyProblem, PolicyReason
from veritape.gateway.policy_tables import Table
from veritape.gateway.quota import MU, WINDOW_S, LimitName, Limits, Rule, make_rule
from veritape.kernel.errors import MisuseError

LARGEST: Final = 10**9
"""Largest number of units in a window."""


def read_limits(table: Table) -> tuple[Limits, Decimal | None]:
    """Read ``minute``, ``hour``, ``month`` and ``concurrency``, and the price of 1,000 units above the month's quota."""
    minute, hour = _read_rule(table, LimitName.MINUTE), _read_rule(table, LimitName.HOUR)
    month = table.table("month")
    month_mu, overage, price = None, False, None
    if month is not None:
        month_mu = month.integer("quota", 1, 10**12) * MU
        overage = month.text("overage", "deny", ("deny", "bill")) == "bill"
        price = month.decimal("overage_usd_per_1000", "0", "1000000")
        if price is None and overage:
            month.complain("", PolicyReason.OVERAGE_PRICE_MISSING, "overage_usd_per_1000 beside overage")
        month.finish()
    concurrency = table.integer("concurrency", 1, 100_000, 1) if table.has("concurrency") else None
    return Limits(minute, hour, month_mu, concurrency, overage), price


def read_own_limits(text: str) -> Limits:
    """Read an account's own limits from JSON, as ``{"minute": {"limit": 5000, "burst": 8000}, "concurrency": 200}``.

    Raises:
        MisuseError: one line an error; ``reason`` is the first error's.
    """
    problems: list[PolicyProblem] = []
    try:
        values = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise MisuseError(f"limits: no JSON: {error}", PolicyReason.WRONG_TYPE) from error
    table = Table(values if isinstance(values, dict) else {}, ("limits",), problems)
    if not isinstance(values, dict):
        table.complain("", PolicyReason.WRONG_TYPE, "a table")
    limits, _ = read_limits(table)
    table.finish()
    if problems:
        lines = [f"{'.'.join(one.path)}: {one.reason}: {one.allowed}" for one in problems]
        raise MisuseError("\n".join(lines), problems[0].reason)
    return limits


def _read_rule(table: Table, name: LimitName) -> Rule | None:
    inner = table.table(name)
    if inner is None:
        return None
    limit = inner.integer("limit", 1, LARGEST)
    usual = max(1, limit * 3 // 2) if name is LimitName.MINUTE else limit
    burst = inner.integer("burst", 1, 10**15, usual)
    inner.finish()
    try:
        return make_rule(limit, WINDOW_S[name], burst)
    except ValueError as error:
        inner.complain("", PolicyReason.RULE_OUT_OF_RANGE, f"a burst of at most {error.args[0]}")
        return None
